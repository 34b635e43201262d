/** Tests that one process at a time owns a KV file, and that the next one resumes at once what the last one ran. */
import assert from "node:assert/strict";
import { createKvStore } from "../../tests/support/jobs/kv_store.ts";
import { finished } from "../../tests/support/jobs/job_queue_store.ts";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { UserError } from "../errors.ts";
import { lockKvFile } from "./kv_job_table.ts";

Deno.test("a second process on a KV file is refused with a sentence, and takes over once the first has closed it", async () => {
  await using store = await createKvStore();
  const second = store.spawn({ mode: "finish" });
  const refused = await second.next();
  await second.finish();
  const fix = "Stop it first, or give this one a DATA_DIR of its own";
  assert.deepEqual(refused, { event: "refused", message: `Another process is using ${store.path}`, fix });
  await store.close();
  assert.deepEqual(await store.spawn({ mode: "finish" }).next(), { event: "listening" });
  await assert.rejects(store.open(), UserError);
});

Deno.test("a KV file and those beside it are their owner's alone, also one that an earlier version left open to others", async () => {
  if (Deno.build.os === "windows") return;
  await using store = await createKvStore();
  const modes = async () => {
    const names = ["", "-wal", "-shm"].map((ending) => store.path + ending);
    return await Promise.all(names.map(async (name) => ((await Deno.stat(name)).mode ?? 0) & 0o777));
  };
  await store.kv.set(["written"], 1);
  assert.deepEqual(await modes(), [0o600, 0o600, 0o600]);
  await Deno.chmod(store.path, 0o644);
  await store.close();
  await store.open();
  await store.kv.set(["written"], 2);
  assert.deepEqual(await modes(), [0o600, 0o600, 0o600]);
});

Deno.test("a process killed with kill -9 frees its KV file, and what it ran resumes at once in the next one", async () => {
  await using store = await createKvStore();
  const { id } = await (await store.open()).enqueue("work", { n: 7 });
  await store.close();
  const first = store.spawn({ mode: "hold" });
  assert.deepEqual(await first.next(), { event: "listening" });
  assert.deepEqual(await first.next(), { event: "started", id, attempt: 1 });
  await assert.rejects(lockKvFile(store.path), UserError);
  await first.kill();
  // The clock stands still: the job waits for no time to pass.
  const queue = await store.open({ clock: new FakeClock(Date.now()) });
  queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
  const job = await finished(queue, id);
  assert.equal(job.attempts, 2);
  assert.deepEqual(job.result, { n: 7 });
});
