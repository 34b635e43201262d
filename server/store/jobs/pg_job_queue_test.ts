/** Tests that the job queue on PostgreSQL passes the conformance suite, also when several servers start jobs at the same time. */
import assert from "node:assert/strict";
import { JobQueue } from "../../../lib/jobs/job_queue.ts";
import { silentLogger } from "../../../lib/log.ts";
import type { SuiteTasks } from "../../../tests/support/jobs/job_queue_process.ts";
import { finished } from "../../../tests/support/jobs/job_queue_store.ts";
import { createPgStore } from "../../../tests/support/jobs/pg_store.ts";
import { createTestDatabase } from "../../../tests/support/postgres/postgres.ts";
import { testJobQueue } from "../../../tests/suites/jobs/job_queue_suite.ts";
import { joinSharedDatabase } from "./shared_database.ts";

testJobQueue(() => createPgStore("embedded"));

Deno.test("servers that look for jobs at the same time start each of them once", async () => {
  await using home = await createTestDatabase();
  await using stack = new AsyncDisposableStack();
  const log = silentLogger();
  const openServer = async () => {
    const shared = stack.use(await joinSharedDatabase(home.database, { log }));
    const queue = new JobQueue<SuiteTasks>({ table: shared.jobTable("suite"), log });
    stack.defer(() => queue.stop());
    return queue;
  };
  const first = await openServer();
  const servers = [first, await openServer(), await openServer()];
  const starts: string[] = [];
  const work = (_: unknown, { id, attempt }: { id: string; attempt: number }) => {
    starts.push(`${id} ${attempt}`);
    return {};
  };
  for (const queue of servers) queue.listen({ work, ping: () => null }, { concurrency: 3 });
  const ids = Array.from({ length: 100 }, (_, n) => `job-${n}`);
  await Promise.all(ids.map((id, n) => servers[n % 3]?.enqueue("work", {}, { id, group: `group-${n % 5}` })));
  for (const id of ids) assert.equal((await finished(first, id)).state, "completed");
  assert.deepEqual(starts.sort(), ids.map((id) => `${id} 1`).sort());
});
