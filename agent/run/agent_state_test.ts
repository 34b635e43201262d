/** Tests of the published state: what is written when, and that what was written can be read. */
import assert from "node:assert/strict";
import type { StateFile } from "../platform/state_file.ts";
import { WATCHING } from "../../tests/support/mac/menubar_inputs.ts";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { AGENT_PHASES, type AgentState, agentStateStore, StatePublisher } from "./agent_state.ts";

/** A file that keeps each state it was given; `isFull` refuses them, until it is removed where that makes room. */
class RecordedFile {
  readonly saved: AgentState[] = [];
  isFull = false;
  makesRoom = false;

  readonly file: StateFile<AgentState> = {
    path: "state.json",
    load: () => Promise.resolve({ kind: "missing" }),
    save: (state) => {
      if (this.isFull) return Promise.reject(new Error("no room"));
      this.saved.push(state);
      return Promise.resolve();
    },
    setAside: () => Promise.resolve(""),
    remove: () => {
      this.isFull &&= !this.makesRoom;
      return Promise.resolve();
    },
  };
}

function publisherOf(
  clock: FakeClock,
  { file }: RecordedFile,
  onWriteFailure: (error: unknown) => void = (error) => assert.fail(String(error)),
) {
  return new StatePublisher({ file, clock, onWriteFailure });
}

Deno.test("the first state is written at once, further ones at most once a second, the last of them always", async () => {
  const [clock, disk] = [new FakeClock(), new RecordedFile()];
  const publisher = publisherOf(clock, disk);
  await publisher.flush();
  for (let lagRows = 10; lagRows > 0; lagRows--) publisher.update({ phase: "syncing", lagRows });
  clock.advance(999);
  assert.deepEqual(disk.saved.map(({ phase }) => phase), ["starting"]);
  clock.advance(1);
  await publisher.flush();
  assert.deepEqual(disk.saved.map(({ lagRows }) => lagRows), [null, 1]);
  publisher.update({ phase: "stopped" });
  await publisher.flush();
  assert.equal(disk.saved.at(-1)?.phase, "stopped");
  clock.advance(10_000);
  await publisher.flush();
  assert.equal(disk.saved.length, 3, "nothing has changed since");
});

Deno.test("a phase has its beginning, whatever else changes in it", () => {
  const clock = new FakeClock();
  const publisher = publisherOf(clock, new RecordedFile());
  clock.advance(5_000);
  publisher.update({ phase: "syncing", lagRows: 7 });
  const { since, startedAt } = publisher.state;
  assert.equal(Date.parse(since) - Date.parse(startedAt), 5_000);
  clock.advance(5_000);
  publisher.update({ phase: "syncing", lagRows: 3 });
  assert.equal(publisher.state.since, since);
});

Deno.test("a full disk does not stop the agent: the failure is reported and the next state is written", async () => {
  const [clock, disk] = [new FakeClock(), new RecordedFile()];
  const failures: unknown[] = [];
  disk.isFull = true;
  const publisher = publisherOf(clock, disk, (error) => failures.push(error));
  await publisher.flush();
  disk.isFull = false;
  clock.advance(1_000);
  publisher.update({ lagRows: 1 });
  await publisher.flush();
  assert.deepEqual([failures.length, disk.saved.map(({ lagRows }) => lagRows)], [1, [1]]);
});

Deno.test("on a full disk the old state is removed to make room for the new one", async () => {
  const [clock, disk] = [new FakeClock(), new RecordedFile()];
  const publisher = publisherOf(clock, disk);
  await publisher.flush();
  Object.assign(disk, { isFull: true, makesRoom: true });
  clock.advance(1_000);
  publisher.update({ phase: "failed" });
  await publisher.flush();
  assert.deepEqual(disk.saved.map(({ phase }) => phase), ["starting", "failed"]);
});

Deno.test("every phase that is written is read as it was", async () => {
  const dir = await Deno.makeTempDir();
  const file = agentStateStore(dir);
  for (const phase of AGENT_PHASES) {
    const state: AgentState = {
      phase,
      since: "2026-01-01T00:00:00.000Z",
      startedAt: "2026-01-01T00:00:00.000Z",
      lastSyncAt: phase === "watching" ? "2026-01-01T00:00:00.000Z" : null,
      lagRows: phase === "syncing" ? 12 : null,
      lastError: phase === "failed"
        ? { code: "failed", message: "It failed", fix: "Try again", at: "2026-01-01T00:00:00.000Z" }
        : null,
      nextTryAt: null,
      counts: { inserted: 1, updated: 2, unchanged: 3, refused: 4, contacts: 5 },
    };
    await file.save(state);
    assert.deepEqual(await file.load(), { kind: "found", state });
  }
  await Deno.writeTextFile(file.path, '{"version":1,"phase":"dancing"}');
  assert.deepEqual(await file.load(), { kind: "broken" });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("an error that an older agent wrote has no fix of its own", async () => {
  const dir = await Deno.makeTempDir();
  const file = agentStateStore(dir);
  await file.save(WATCHING);
  const lastError = { code: "failed", message: "It failed: try again", at: WATCHING.since };
  await Deno.writeTextFile(file.path, JSON.stringify({ version: 1, ...WATCHING, lastError }));
  const stored = await file.load();
  assert.deepEqual(stored.kind === "found" && stored.state.lastError, { ...lastError, fix: null });
  await Deno.remove(dir, { recursive: true });
});
