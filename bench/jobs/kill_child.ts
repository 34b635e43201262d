/** A process under `kill_bench.ts`: adds and runs jobs until it is killed, or runs those that are left. */
import { delay } from "../../lib/backoff.ts";
import type { JobContext } from "../../lib/jobs/job.ts";
import { JobQueue } from "../../lib/jobs/job_queue.ts";
import { KvJobTable, lockKvFile } from "../../lib/jobs/kv_job_table.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";

/** What the child reports, a line each; `at` is epoch milliseconds. */
export type KillEvent = { event: "listening" | "added" | "started" | "finished"; id: string; at: number } | {
  event: "drained";
  states: Record<string, number>;
};

interface BenchTasks {
  work: { payload: { text: string }; result: { text: string } };
}

const CONCURRENCY = 3;
const WORK_MS = 60;
const ADD_EVERY_MS = 40;

function report(event: KillEvent): void {
  writeLine(JSON.stringify(event));
}

async function work({ text }: { text: string }, { id }: JobContext): Promise<{ text: string }> {
  report({ event: "started", id, at: Date.now() });
  await delay(WORK_MS);
  report({ event: "finished", id, at: Date.now() });
  return { text };
}

if (import.meta.main) {
  const [folder = "", mode = "load"] = Deno.args;
  using _owned = await lockKvFile(`${folder}/jobs.kv`);
  const kv = await Deno.openKv(`${folder}/jobs.kv`);
  const log = silentLogger();
  const table = await KvJobTable.open({ kv, queue: "bench", directory: `${folder}/jobs`, log });
  const queue = new JobQueue<BenchTasks>({ table, log });
  report({ event: "listening", id: "", at: Date.now() });
  queue.listen({ work }, { concurrency: CONCURRENCY });
  for (let n = 0; mode === "load"; n++) {
    // Every tenth payload is more than a value of KV holds.
    const { id } = await queue.enqueue("work", { text: "x".repeat(n % 10 === 0 ? 140_000 : 100) }, {
      maxAttempts: 1_000,
    });
    report({ event: "added", id, at: Date.now() });
    await delay(ADD_EVERY_MS);
  }
  let states = await queue.stats();
  for (; states.queued + states.running > 0; states = await queue.stats()) await delay(100);
  report({ event: "drained", states: { ...states } });
  Deno.exit(0);
}
