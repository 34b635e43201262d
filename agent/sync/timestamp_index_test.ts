/** Tests that no changed timestamp is missed, on whichever rows and in whatever order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { changedTimestamps, type ChangeScan } from "./changed_rows.ts";
import {
  foldIntoBlocks,
  noteBlock,
  noteTimestamps,
  openTimestampIndex,
  timestampIndexFields,
  timestampIndexFieldsOf,
} from "./timestamp_index.ts";

/** Of old rows and of new ones alike. */
const anyPlace = fc.integer({ min: 0, max: 10_000 });
const anyStep = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    rows: fc.constantFrom(1, 300, 3_000),
    hasTimestamp: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("change" as const),
    place: anyPlace,
    checksum: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant("clear" as const), place: anyPlace, checksum: fc.constant(0) }),
  fc.record({ kind: fc.constant("sync" as const), scan: fc.constantFrom<ChangeScan>("recent", "full") }),
);
type AnyStep = typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never;

/** Rows with their timestamps, what was sent of them, and the index between. */
class World {
  readonly #rows: number[] = Array.from({ length: 5_900 }, (_, index) => index % 3);
  readonly #sent: number[] = [];
  #index = openTimestampIndex(null);

  do(step: Exclude<AnyStep, { kind: "sync" }>): void {
    if (step.kind === "add") {
      for (let row = 0; row < step.rows; row++) this.#rows.push(step.hasTimestamp ? row + 1 : 0);
    } else this.#rows[step.place % this.#rows.length] = step.checksum;
  }

  /** Returns how many rows were sent that were sent before. */
  async sync(scan: ChangeScan): Promise<number> {
    for (let index = this.#sent.length; index < this.#rows.length; index++) this.#send(index + 1);
    const lastRowId = this.#rows.length;
    foldIntoBlocks(this.#index, lastRowId);
    let again = 0;
    const reader = { findTimestamps: (first: number, last: number) => this.#timestampedRows(first, last) };
    for await (
      const { checksums, block } of changedTimestamps(reader, { timestamps: this.#index }, {
        lastRowId,
        scan,
      })
    ) {
      for (const rowId of checksums.keys()) this.#send(rowId);
      if (block !== null) noteBlock(this.#index, block);
      again += checksums.size;
    }
    this.#index = openTimestampIndex(
      timestampIndexFieldsOf(JSON.parse(JSON.stringify(timestampIndexFields(this.#index)))),
    );
    return again;
  }

  /** Older rows may differ until the next full scan; of those that lost their timestamps there is nothing to send. */
  assertSent(scan: ChangeScan): void {
    const from = scan === "full" ? 0 : this.#index.lastOlderRowId;
    for (let index = from; index < this.#rows.length; index++) {
      if (this.#rows[index] !== 0) assert.equal(this.#sent[index], this.#rows[index], `row ${index + 1}`);
    }
  }

  #send(rowId: number): void {
    const checksum = this.#rows[rowId - 1] ?? 0;
    this.#sent[rowId - 1] = checksum;
    noteTimestamps(this.#index, { rowId, checksum });
  }

  #timestampedRows(first: number, last: number): Map<number, number> {
    const rows = this.#rows.slice(first - 1, last).map((checksum, index) =>
      [first + index, checksum] as const
    );
    return new Map(rows.filter(([, checksum]) => checksum !== 0));
  }
}

Deno.test("the next full scan sends every changed timestamp, any scan those of new rows, and nothing is sent twice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const world = new World();
      let isChanged = false;
      for (const step of [...steps, { kind: "sync", scan: "full" } as const]) {
        if (step.kind !== "sync") {
          world.do(step);
          isChanged ||= step.kind !== "add";
        } else {
          const again = await world.sync(step.scan);
          if (!isChanged) assert.equal(again, 0);
          if (step.scan === "full") isChanged = false;
          world.assertSent(step.scan);
          assert.equal(await world.sync(step.scan), 0);
        }
      }
    }),
    { numRuns: 200 },
  );
});
