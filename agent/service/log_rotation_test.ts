// Tests of the log's rotation, on real files that a writer keeps open for appending as launchd does.
import assert from "node:assert/strict";
import { join } from "node:path";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { rotateLog, startLogRotation } from "./log_rotation.ts";

Deno.test("a log that its writer keeps open is put aside and goes on from nothing; the oldest is dropped", async () => {
  const dir = await Deno.makeTempDir({ prefix: "log-" });
  const path = join(dir, "agent.log");
  {
    using log = await Deno.open(path, { create: true, append: true, write: true });
    const write = (text: string) => log.writeSync(new TextEncoder().encode(text));
    for (const round of ["one", "two", "three", "four"]) {
      write(`${round}\n`.repeat(10));
      assert.equal(await rotateLog(path, { maxBytes: 20, keep: 2 }), true);
      assert.equal(await Deno.readTextFile(path), "");
    }
    write("five\n");
    assert.equal(await rotateLog(path, { maxBytes: 20, keep: 2 }), false);
  }
  const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["agent.log", "agent.log.1", "agent.log.2"]);
  assert.equal(await Deno.readTextFile(path), "five\n");
  assert.equal(await Deno.readTextFile(`${path}.1`), "four\n".repeat(10));
  assert.equal(await Deno.readTextFile(`${path}.2`), "three\n".repeat(10));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a log that is not there needs no rotation", async () => {
  assert.equal(await rotateLog("/nonexistent/agent.log"), false);
});

/** Lets everything happen that waits for nothing but its turn. */
async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

Deno.test("the log is looked at now and every hour, also after a failure, and no more after the end", async () => {
  const clock = new FakeClock();
  const failures: unknown[] = [];
  let looks = 0;
  const rotate = () => ++looks === 2 ? Promise.reject(new Error("disk full")) : Promise.resolve();
  const keeper = startLogRotation({ clock, rotate, onFailure: (error) => failures.push(error) });
  for (const expected of [1, 2, 3]) {
    assert.equal(looks, expected);
    await microtasks();
    clock.advance(3_600_000);
  }
  assert.equal(failures.length, 1);
  keeper[Symbol.dispose]();
  await microtasks();
  clock.advance(36_000_000);
  assert.equal(looks, 4);
});
