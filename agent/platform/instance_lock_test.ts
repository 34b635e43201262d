/** Tests of the work locks: one holder at a time, none after the holder was killed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { isWorkHeld, lockWork } from "./instance_lock.ts";

const HOLDER = `
  import { lockWork } from ${JSON.stringify(import.meta.resolve("./instance_lock.ts"))};
  const lock = await lockWork(Deno.args[0], "sync");
  console.log("locked");
  await new Promise(() => setInterval(() => {}, 1_000));
`;

Deno.test("a second holder is refused with a sentence, other work is not, and disposal frees the lock", async () => {
  const dir = await Deno.makeTempDir();
  try {
    {
      using _sync = await lockWork(dir, "sync");
      using _pair = await lockWork(dir, "pair");
      await assert.rejects(lockWork(dir, "sync"), UserError);
    }
    using _again = await lockWork(dir, "sync");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a lock dies with a process that is killed", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const holder = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-read", "--allow-write", "--ext=ts", `${dir}/holder.ts`, dir],
      stdout: "piped",
      stderr: "inherit",
    });
    await Deno.writeTextFile(`${dir}/holder.ts`, HOLDER);
    await using child = holder.spawn();
    const reader = child.stdout.getReader();
    assert.match(new TextDecoder().decode((await reader.read()).value), /locked/);
    await assert.rejects(lockWork(dir, "sync"), UserError);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    using _lock = await lockWork(dir, "sync");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("whether a work is done somewhere can be seen without taking it, and without leaving a trace", async () => {
  const dir = await Deno.makeTempDir();
  assert.equal(await isWorkHeld(join(dir, "absent"), "run"), false);
  {
    using _lock = await lockWork(dir, "run");
    assert.equal(await isWorkHeld(dir, "run"), true);
    assert.equal(await isWorkHeld(dir, "sync"), false);
  }
  assert.equal(await isWorkHeld(dir, "run"), false);
  using _again = await lockWork(dir, "run");
  assert.deepEqual(Array.from(Deno.readDirSync(dir), ({ name }) => name), ["run.lock"]);
  await Deno.remove(dir, { recursive: true });
});
