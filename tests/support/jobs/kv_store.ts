/** An empty job queue store on Deno KV for tests, in a folder of its own and owned by this process. */
import { join } from "node:path";
import type { TaskMap } from "../../../lib/jobs/job.ts";
import { JobQueue } from "../../../lib/jobs/job_queue.ts";
import { KvJobTable, lockKvFile } from "../../../lib/jobs/kv_job_table.ts";
import { createLogger } from "../../../lib/log.ts";
import { JobQueueProcess } from "./job_queue_process.ts";
import { type JobQueueStore, soon, type StoreQueueOptions } from "./job_queue_store.ts";

export interface KvStore extends JobQueueStore {
  readonly kv: Deno.Kv;
  /** The KV file. */
  path: string;
  /** The table of the queue with this name. */
  jobTable(queue: string): Promise<KvJobTable>;
  /** The files of large payloads and results. */
  directory: string;
  /** All log lines of the queues in this process. */
  lines: string[];
}

/** @param folder where the store is, instead of a new folder; removed at the end like that one */
export async function createKvStore(
  folder: string = Deno.makeTempDirSync({ prefix: "job_queue_" }),
): Promise<KvStore> {
  const path = join(folder, "queue.kv");
  const directory = join(folder, "jobs");
  const lines: string[] = [];
  const log = createLogger({ level: "debug", pretty: false, write: (line) => lines.push(line) });
  const children: JobQueueProcess[] = [];
  let queues: { stop: () => Promise<void> }[] = [];
  let owned: Awaited<ReturnType<typeof own>> | null = await own();

  async function own() {
    const lock = await lockKvFile(path);
    return { lock, kv: await Deno.openKv(path), tables: new Map<string, Promise<KvJobTable>>() };
  }

  const store: KvStore = {
    path,
    directory,
    lines,
    get kv() {
      if (owned === null) throw new Error("The store is closed: open a queue first");
      return owned.kv;
    },
    async jobTable(queue) {
      const { kv, tables } = owned ??= await own();
      const table = tables.get(queue) ?? KvJobTable.open({ kv, queue, directory, log });
      tables.set(queue, table);
      return await table;
    },
    async open<Tasks extends TaskMap<Tasks>>({ name = "suite", ...options }: StoreQueueOptions = {}) {
      const queue = new JobQueue<Tasks>({ table: await store.jobTable(name), log, ...options });
      queues.push(queue);
      return queue;
    },
    async close() {
      for (const queue of queues) await soon(queue.stop());
      queues = [];
      owned?.kv.close();
      owned?.lock[Symbol.dispose]();
      owned = null;
    },
    spawn(work) {
      const child = new JobQueueProcess({
        ...work,
        place: { kvPath: path, directory },
        queue: "suite",
      });
      children.push(child);
      return child;
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await child[Symbol.asyncDispose]();
      await store.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
  return store;
}
