/** Tests that no changed timestamp is missed, on whichever rows and in whatever order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { AgentDatabase } from "../state/agent_database.ts";
import { INCOMPLETE_STATE, SyncState } from "../state/sync_state.ts";
import { changedTimestamps, type ChangeScan, RECENT_ROWS } from "./changed_rows.ts";

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

/** Rows with their timestamps, what was sent of them, and what agent.db says in between. */
class World implements Disposable {
  readonly #rows: number[] = Array.from({ length: 5_900 }, (_, index) => index % 3);
  readonly #sent: number[] = [];
  readonly #state = new SyncState(new AgentDatabase(":memory:"));

  do(step: Exclude<AnyStep, { kind: "sync" }>): void {
    if (step.kind === "add") {
      for (let row = 0; row < step.rows; row++) this.#rows.push(step.hasTimestamp ? row + 1 : 0);
    } else this.#rows[step.place % this.#rows.length] = step.checksum;
  }

  /** The rows whose present timestamps were not sent. */
  changed(scan: ChangeScan): number[] {
    const from = scan === "full" ? 0 : Math.max(0, this.#rows.length - RECENT_ROWS);
    return [...this.#rows.keys()].filter((index) =>
      index >= from && index < this.#sent.length && this.#rows[index] !== this.#sent[index]
    ).map((index) => index + 1);
  }

  /** Returns the rows that were sent again. */
  async sync(scan: ChangeScan): Promise<number[]> {
    const lastRowId = this.#rows.length;
    this.#state.database.transaction(() => {
      for (let rowId = this.#sent.length + 1; rowId <= lastRowId; rowId++) this.#send(rowId);
    });
    const again: number[] = [];
    const reader = { findTimestamps: (first: number, last: number) => this.#timestampedRows(first, last) };
    for await (const checksums of changedTimestamps(reader, this.#state, { lastRowId, scan })) {
      this.#state.database.transaction(() => checksums.forEach((_, rowId) => this.#send(rowId)));
      again.push(...checksums.keys());
    }
    return again.sort((a, b) => a - b);
  }

  [Symbol.dispose](): void {
    this.#state.database[Symbol.dispose]();
  }

  #send(rowId: number): void {
    const checksum = this.#rows[rowId - 1] ?? 0;
    this.#sent[rowId - 1] = checksum;
    this.#state.noteChecksum(rowId, checksum);
  }

  #timestampedRows(first: number, last: number): Map<number, number> {
    const rows = this.#rows.slice(first - 1, last).map((checksum, index) =>
      [first + index, checksum] as const
    );
    return new Map(rows.filter(([, checksum]) => checksum !== 0));
  }
}

Deno.test("a row that Messages is still writing is looked at, however many came after it", () => {
  using database = new AgentDatabase(":memory:");
  const state = new SyncState(database);
  state.watch(1, { state: INCOMPLETE_STATE, untilMs: null });
  for (let rowId = 2; rowId <= 40; rowId++) state.watch(rowId, { state: "x", untilMs: 1 });
  assert.deepEqual([...state.watched(3).keys()], [1, 40, 39]);
});

Deno.test("a full scan sends exactly the rows whose timestamps changed, a recent one those of new rows, and none twice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      using world = new World();
      await world.sync("recent");
      for (const step of [...steps, { kind: "sync", scan: "full" } as const]) {
        if (step.kind !== "sync") world.do(step);
        else {
          const changed = world.changed(step.scan);
          assert.deepEqual(await world.sync(step.scan), changed);
          assert.deepEqual(world.changed(step.scan), []);
          assert.deepEqual(await world.sync(step.scan), []);
        }
      }
    }),
    { numRuns: 100 },
  );
});
