/** Lists that are read page by page, as far as the person scrolls, and refreshed from their beginning. */
import { signal } from "@preact/signals";
import { SerialExecutor } from "../../../lib/async.ts";
import { sentenceOf } from "./api.ts";

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

type Pages<Item> = readonly (readonly Item[])[];

/** What is known of a list: its pages so far, and whether there is more. */
export interface PagedState<Item> {
  readonly pages: Pages<Item>;
  readonly isComplete: boolean;
  readonly error: string | null;
}

/** What tells an item from others, and what its place among them follows from. */
export type KeyOf<Item> = (item: Item) => { readonly id: string; readonly place: string | null };

/**
 * The pages of a list whose first one was read again. What the new one has pushed down follows it; what it lacks of the items
 * that were before its last one is gone. So much may be new that nothing known follows it: then it stands alone.
 */
export function refreshedPages<Item>(
  pages: Pages<Item>,
  { first, keyOf }: { first: readonly Item[]; keyOf: KeyOf<Item> },
): Pages<Item> {
  const ids = new Set(first.map((item) => keyOf(item).id));
  const last = first.at(-1);
  let isAfter = false;
  const [pushed = [], next = [], ...others] = pages.map((page) =>
    page.filter((item) => {
      const { id, place } = keyOf(item);
      if (last !== undefined && id === keyOf(last).id && place === keyOf(last).place) isAfter = true;
      return isAfter && !ids.has(id);
    })
  ).filter((page) => page.length > 0);
  if (pushed.length === 0) return [first];
  // Else each refresh would leave a page of one item.
  const joined = pushed.length + next.length <= 2 * first.length ? [[...pushed, ...next]] : [pushed, next];
  return [first, ...joined, ...others];
}

/** A list that grows by a page at a time; `read` gets the cursor of the page before, null for the first. */
export class PagedList<Item> {
  readonly state = signal<PagedState<Item>>({ pages: [], isComplete: false, error: null });
  readonly #reading = new SerialExecutor();
  #cursor: string | null = null;
  #isGrowing = false;

  constructor(readonly read: (cursor: string | null) => Promise<Page<Item>>) {}

  /** Reads the next page, unless one is being read or there is none. Errors end in `state`. */
  async more(): Promise<void> {
    if (this.#isGrowing || this.state.value.isComplete) return;
    this.#isGrowing = true;
    await this.#reading.run(async () => {
      try {
        const { items, nextCursor } = await this.read(this.#cursor);
        this.#show([...this.state.value.pages, items], nextCursor);
      } catch (error) {
        this.state.value = { ...this.state.value, error: sentenceOf(error) };
      }
    });
    this.#isGrowing = false;
  }

  /** Reads the first page again, where it was read before. After a failure the list stays as it is. */
  async refresh(keyOf: KeyOf<Item>): Promise<void> {
    await this.#reading.run(async () => {
      if (this.state.value.pages.length === 0) return;
      const found = await this.read(null).catch(() => null);
      if (found === null) return;
      const { items: first, nextCursor } = found;
      const pages = nextCursor === null ? [first] : refreshedPages(this.state.value.pages, { first, keyOf });
      this.#show(pages, pages.length === 1 ? nextCursor : this.#cursor);
    });
  }

  /** Puts an item in the place of the one of that id; null takes it away. */
  put(id: string, { item, keyOf }: { item: Item | null; keyOf: KeyOf<Item> }): void {
    const { state } = this;
    const pages = state.value.pages.map((page) =>
      page.flatMap((known) => keyOf(known).id !== id ? known : item ?? [])
    );
    state.value = { ...state.value, pages };
  }

  #show(pages: Pages<Item>, nextCursor: string | null): void {
    this.#cursor = nextCursor;
    this.state.value = { pages, isComplete: nextCursor === null, error: null };
  }
}
