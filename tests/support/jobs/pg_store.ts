/** An empty job queue store on PostgreSQL for tests, in a database of its own. */
import type { TaskMap } from "../../../lib/jobs/job.ts";
import { JobQueue } from "../../../lib/jobs/job_queue.ts";
import { silentLogger } from "../../../lib/log.ts";
import { joinSharedDatabase, type SharedDatabase } from "../../../server/store/jobs/shared_database.ts";
import { createTestDatabase, type ServerName } from "../postgres/postgres.ts";
import { JobQueueProcess } from "./job_queue_process.ts";
import { type JobQueueStore, soon, type StoreQueueOptions } from "./job_queue_store.ts";

export interface PgStore extends JobQueueStore {
  /** The connection of the queues in this process; null once the store is closed. */
  readonly shared: SharedDatabase | null;
}

export async function createPgStore(server: ServerName): Promise<PgStore> {
  const log = silentLogger();
  const { address, database, [Symbol.asyncDispose]: drop } = await createTestDatabase(server);
  const children: JobQueueProcess[] = [];
  let queues: { stop: () => Promise<void> }[] = [];
  let shared: SharedDatabase | null = await joinSharedDatabase(database, { log });

  const store: PgStore = {
    get shared() {
      return shared;
    },
    async open<Tasks extends TaskMap<Tasks>>({ name = "suite", ...options }: StoreQueueOptions = {}) {
      shared ??= await joinSharedDatabase(database, { log });
      const queue = new JobQueue<Tasks>({ table: shared.jobTable(name), log, ...options });
      queues.push(queue);
      return queue;
    },
    async close() {
      for (const queue of queues) await soon(queue.stop());
      queues = [];
      await shared?.[Symbol.asyncDispose]();
      shared = null;
    },
    spawn(work) {
      const child = new JobQueueProcess({ ...work, place: { address }, queue: "suite" });
      children.push(child);
      return child;
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await child[Symbol.asyncDispose]();
      await store.close();
      await drop();
    },
  };
  return store;
}
