/** A process of its own that works on a job queue: one that a test kills, or the one that comes after it. */
import type { JobHandler } from "../../../lib/jobs/job.ts";
import { JobQueue } from "../../../lib/jobs/job_queue.ts";
import { KvJobTable, lockKvFile } from "../../../lib/jobs/kv_job_table.ts";
import { openDatabase } from "../../../server/store/database.ts";
import { joinSharedDatabase } from "../../../server/store/jobs/shared_database.ts";
import { aborted } from "../../../lib/async.ts";
import type { UserError } from "../../../lib/errors.ts";
import { silentLogger, writeLine } from "../../../lib/log.ts";
import type { ChildEvent, ChildOrder, SuiteTasks } from "./job_queue_process.ts";

const order: ChildOrder = JSON.parse(Deno.args[0] ?? "{}");

function say(event: ChildEvent): void {
  writeLine(JSON.stringify(event));
}

/** Begins the work and ends only when asked to. */
const hold: JobHandler<SuiteTasks["work"]> = async (_payload, { id, attempt, signal }) => {
  say({ event: "started", id, attempt });
  await aborted(signal);
  say({ event: "aborted", id, why: signal.reason.why });
  throw signal.reason;
};

const finish: JobHandler<SuiteTasks["work"]> = (payload, { id, attempt }) => {
  say({ event: "finished", id, attempt });
  return payload;
};

async function endOfInput(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
}

async function openQueue(stack: AsyncDisposableStack): Promise<JobQueue<SuiteTasks>> {
  const { place, queue } = order;
  const log = silentLogger();
  if ("address" in place) {
    const database = stack.use(openDatabase(place.address));
    const shared = stack.use(await joinSharedDatabase(database, { log }));
    return new JobQueue({ table: shared.jobTable(queue), log });
  }
  stack.use(
    await lockKvFile(place.kvPath).catch((error: UserError) => {
      say({ event: "refused", message: error.message, fix: error.fix });
      Deno.exit(1);
    }),
  );
  const kv = stack.adopt(await Deno.openKv(place.kvPath), (kv) => kv.close());
  return new JobQueue({ table: await KvJobTable.open({ kv, queue, directory: place.directory, log }), log });
}

await using stack = new AsyncDisposableStack();
const queue = await openQueue(stack);
if (order.mode === "enqueue") {
  for (let n = 0; n < order.count; n++) await queue.enqueue("work", { n }, { id: `${order.prefix}-${n}` });
  say({ event: "enqueued" });
} else {
  queue.listen({ work: order.mode === "hold" ? hold : finish, ping: () => null }, { concurrency: 2 });
  say({ event: "listening" });
  await endOfInput();
}
await queue.stop();
