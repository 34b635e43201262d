/** Tests that changes of a database are noticed: by events soon, without events by the poll, after any disturbance. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { FakeFolder } from "../../tests/support/mac/fake_folder.ts";
import { DatabaseWatcher } from "./database_watcher.ts";
import { watchFolder } from "./database_watcher.ts";

const DEBOUNCE_MS = 250;
const POLL_MS = 5_000;

interface World {
  clock: FakeClock;
  folder: FakeFolder;
  watcher: DatabaseWatcher;
  dir: string;
  /** What a look sees. */
  signature: string;
  looks: number;
  changes: { woke: boolean }[];
  /** How far the machine's clock is ahead of its timers, as after a sleep. */
  sleptMs: number;
}

async function withWatcher(use: (world: World) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const world: Omit<World, "watcher"> = {
    clock: new FakeClock(),
    folder: new FakeFolder(),
    dir,
    signature: "a",
    looks: 0,
    changes: [],
    sleptMs: 0,
  };
  const { clock, folder, changes } = world;
  using watcher = new DatabaseWatcher({
    path: () => join(dir, "chat.db"),
    look: () => {
      world.looks++;
      return world.signature;
    },
    onChange: (change) => void changes.push(change),
    clock: { now: () => clock.now() + world.sleptMs, after: (delayMs, run) => clock.after(delayMs, run) },
    watchFolder: folder.watch,
  });
  await use(Object.assign(world, { watcher }));
  await Deno.remove(dir, { recursive: true }).catch(() => {});
}

Deno.test("an event leads to one check after the delay, and a change that it finds is reported", () =>
  withWatcher((world) => {
    const { clock, folder, changes } = world;
    world.signature = "b";
    folder.touch();
    clock.advance(DEBOUNCE_MS - 1);
    assert.deepEqual(changes, []);
    clock.advance(1);
    assert.deepEqual(changes, [{ woke: false }]);
    folder.touch();
    clock.advance(DEBOUNCE_MS);
    assert.equal(changes.length, 1, "nothing had changed any more");
  }));

Deno.test("a stream of events does not delay the check", () =>
  withWatcher((world) => {
    const { clock, folder, changes } = world;
    for (let step = 0; step < 10; step++) {
      world.signature = `step ${step}`;
      folder.touch();
      clock.advance(DEBOUNCE_MS / 5);
    }
    assert.equal(changes.length, 2);
  }));

Deno.test("events of other files in the folder are ignored", () =>
  withWatcher((world) => {
    const { looks } = world;
    world.folder.touch("prefs.plist");
    world.clock.advance(DEBOUNCE_MS);
    assert.equal(world.looks, looks);
  }));

Deno.test("a change without any event is found by the poll, which then renews the watch", () =>
  withWatcher((world) => {
    const { clock, folder, changes } = world;
    world.signature = "b";
    clock.advance(POLL_MS);
    assert.deepEqual(changes, [{ woke: false }]);
    assert.equal(folder.watches, 2);
    clock.advance(10 * POLL_MS);
    assert.equal(folder.watches, 2, "without changes the watch is left alone");
  }));

Deno.test("a watch that the system ends is renewed by the next poll", () =>
  withWatcher(({ clock, folder, watcher }) => {
    folder.end();
    assert.equal(watcher.isArmed, false);
    clock.advance(POLL_MS);
    assert.equal(watcher.isArmed, true);
    assert.ok(folder.isWatched);
  }));

Deno.test("a folder that cannot be watched is polled, and watched as soon as it can be", () =>
  withWatcher((world) => {
    const { clock, folder, watcher, changes } = world;
    folder.canWatch = false;
    folder.end();
    world.signature = "b";
    clock.advance(POLL_MS);
    assert.deepEqual([changes.length, watcher.isArmed], [1, false]);
    folder.canWatch = true;
    clock.advance(POLL_MS);
    assert.equal(watcher.isArmed, true);
  }));

Deno.test("a folder that was recreated is watched again", () =>
  withWatcher(async ({ clock, folder, dir }) => {
    await Deno.remove(dir, { recursive: true });
    clock.advance(POLL_MS);
    const watches = folder.watches;
    await Deno.mkdir(dir);
    clock.advance(POLL_MS);
    assert.equal(folder.watches, watches + 1);
  }));

Deno.test("after a sleep the watch is renewed and a check is due, whether or not anything changed", () =>
  withWatcher((world) => {
    const { clock, folder, changes } = world;
    clock.advance(POLL_MS);
    world.sleptMs = 3_600_000;
    clock.advance(POLL_MS);
    assert.deepEqual([changes, folder.watches], [[{ woke: true }], 2]);
    clock.advance(POLL_MS);
    assert.equal(changes.length, 1);
  }));

Deno.test("a clock that is set to the past changes nothing", () =>
  withWatcher((world) => {
    const { clock, changes } = world;
    world.sleptMs = -3_600_000;
    clock.advance(POLL_MS);
    assert.deepEqual(changes, []);
    world.signature = "b";
    clock.advance(POLL_MS);
    assert.deepEqual(changes, [{ woke: false }]);
  }));

Deno.test("after it is disposed it neither polls nor watches", () =>
  withWatcher((world) => {
    const { clock, folder, watcher } = world;
    folder.touch();
    watcher[Symbol.dispose]();
    const { looks } = world;
    clock.advance(10 * POLL_MS);
    assert.deepEqual([world.looks, folder.isWatched], [looks, false]);
  }));

Deno.test("the operating system reports writes in a folder by their file names, and no reads", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(join(dir, "chat.db"), "content");
  const first = Promise.withResolvers<string>();
  using _watch = watchFolder(dir, { changed: first.resolve, ended: () => first.reject(new Error("ended")) });
  await Deno.readTextFile(join(dir, "chat.db"));
  await Deno.writeTextFile(join(dir, "chat.db-wal"), "more");
  assert.equal(await first.promise, "chat.db-wal");
  assert.throws(
    () => watchFolder(join(dir, "absent"), { changed: () => {}, ended: () => {} }),
    Deno.errors.NotFound,
  );
  await Deno.remove(dir, { recursive: true });
});
