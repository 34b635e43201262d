/** Lists that are read page by page, as far as the person scrolls. */
import { signal } from "@preact/signals";
import { sentenceOf } from "./api.ts";

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** What is known of a list: its pages so far, and whether there is more. */
export interface PagedState<Item> {
  readonly pages: readonly (readonly Item[])[];
  readonly isComplete: boolean;
  readonly error: string | null;
}

/** A list that grows by a page at a time; `read` gets the cursor of the page before, null for the first. */
export class PagedList<Item> {
  readonly state = signal<PagedState<Item>>({ pages: [], isComplete: false, error: null });
  #cursor: string | null = null;
  #isReading = false;

  constructor(readonly read: (cursor: string | null) => Promise<Page<Item>>) {}

  /** Reads the next page, unless one is being read or there is none. Errors end in `state`. */
  async more(): Promise<void> {
    if (this.#isReading || this.state.value.isComplete) return;
    this.#isReading = true;
    try {
      const { items, nextCursor } = await this.read(this.#cursor);
      this.#cursor = nextCursor;
      const { pages } = this.state.value;
      this.state.value = { pages: [...pages, items], isComplete: nextCursor === null, error: null };
    } catch (error) {
      this.state.value = { ...this.state.value, error: sentenceOf(error) };
    } finally {
      this.#isReading = false;
    }
  }
}
