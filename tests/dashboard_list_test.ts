/** Tests that a list which is refreshed from its beginning shows what the server has, however it was read. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { PagedList } from "../server/dashboard/client/pages.ts";

interface Item {
  id: string;
  time: number;
}

const PAGE_SIZE = 5;
const keyOf = ({ id, time }: Item) => ({ id, place: `${time}` });

/** A server's list, the newest first, read by the time of the last item. */
class ServedList {
  readonly items = new Map<string, number>();
  #time = 0;

  touch(id: string): void {
    this.items.set(id, ++this.#time);
  }

  all(): Item[] {
    return [...this.items].map(([id, time]) => ({ id, time })).sort((a, b) => b.time - a.time);
  }

  read(cursor: string | null) {
    const rest = this.all().filter(({ time }) => cursor === null || time < Number(cursor));
    const items = rest.slice(0, PAGE_SIZE);
    const nextCursor = rest.length > PAGE_SIZE ? `${items.at(-1)?.time}` : null;
    return Promise.resolve({ items, nextCursor });
  }
}

/** What happens between two refreshes: some items move to the top or are new there, or some of the first page are deleted. */
const change = fc.record({
  touched: fc.array(fc.nat(40), { maxLength: 8 }),
  deleted: fc.nat(2),
  grows: fc.boolean(),
});

Deno.test("a refreshed list has each item of the server once, in its order, as far as it was read", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(30), fc.array(change, { maxLength: 12 }), async (count, changes) => {
      const served = new ServedList();
      for (let index = 0; index <= count; index++) served.touch(`${index}`);
      const list = new PagedList<Item>((cursor) => served.read(cursor));
      await list.more();
      for (const { touched, deleted, grows } of changes) {
        for (const id of touched) served.touch(`${id}`);
        if (touched.length === 0) {
          for (const { id } of served.all().slice(1, 1 + deleted)) served.items.delete(id);
        }
        await list.refresh(keyOf);
        if (grows) await list.more();
        const { pages, isComplete } = list.state.value;
        const shown = pages.flat();
        assert.deepEqual(shown, served.all().slice(0, shown.length));
        assert.equal(isComplete, shown.length === served.items.size);
      }
    }),
  );
});

Deno.test("a refresh leaves no page of a few items behind each time", async () => {
  const served = new ServedList();
  for (let index = 0; index < 20; index++) served.touch(`${index}`);
  const list = new PagedList<Item>((cursor) => served.read(cursor));
  while (!list.state.value.isComplete) await list.more();
  for (let index = 20; index < 120; index++) {
    served.touch(`${index}`);
    await list.refresh(keyOf);
  }
  assert.equal(list.state.value.pages.flat().length, 120);
  assert.ok(list.state.value.pages.length <= 30, `${list.state.value.pages.length} pages`);
});
