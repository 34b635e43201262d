/** Owns what a running server holds open, from the database to the job queue, and closes it in reverse order. */
import { join } from "node:path";
import { KvJobQueue } from "../lib/jobs/kv_job_queue.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { createMetrics } from "../lib/metrics.ts";
import { createServerApp } from "./app.ts";
import { connectionAddressOf } from "./auth/authenticate.ts";
import { loadSecret } from "./auth/secret.ts";
import { createMlClient } from "./clients/ml.ts";
import type { ServerConfig } from "./config.ts";
import { createDraftHandler, recoverDrafts, type ServerTasks } from "./services/drafts/draft_jobs.ts";
import { MlReconciler } from "./services/training/ml_reconciler.ts";
import { createTrainingJobSync } from "./services/training/training_job_sync.ts";
import { openStore } from "./store/store.ts";

/** Drafts asked of ml at once; ml queues what it cannot do yet. */
const DRAFT_CONCURRENCY = 4;
/** How long background drafts may go on once the server stops; the rest are handed back to the queue. */
const JOB_GRACE_MS = 3_000;

/** A server that is ready to serve. Disposing it closes everything. */
export interface ServerContext extends AsyncDisposable {
  readonly app: ReturnType<typeof createServerApp>;
  readonly log: Logger;
  /** Settles with a sentence when the embedded PostgreSQL is gone and the server cannot go on. */
  readonly lost: Promise<string>;
}

/**
 * Opens all that a server needs and picks up what the one before it left.
 *
 * @throws UserError when the database cannot be had or the stored secret is damaged
 */
export async function openContext(config: ServerConfig): Promise<ServerContext> {
  const log = createLogger({ level: config.logLevel }).child({ service: "server" });
  await using stack = new AsyncDisposableStack();
  const { dataDir, pairing } = config;
  const store = stack.use(await openStore(config));
  const secret = await loadSecret({ configured: config.jwtSecret, dataDir });
  const kv = stack.adopt(await Deno.openKv(join(dataDir, "server.kv")), (kv) => kv.close());
  const jobs = new KvJobQueue<ServerTasks>({ name: "server", kv, directory: join(dataDir, "jobs"), log });
  stack.defer(() => jobs.stop({ graceMs: JOB_GRACE_MS }));
  const ml = createMlClient({ baseUrl: config.mlUrl, token: config.mlToken });
  const jobSync = createTrainingJobSync({ ...store, jobs: store.trainingJobs, ml, log });
  const reconciler = stack.use(new MlReconciler({ ...store, jobSync, ml, log }));
  const app = createServerApp({
    store,
    jobs,
    pingKv: () => kv.get(["health"]),
    ml,
    jobSync,
    onOutbox: () => reconciler.trigger(),
    secret,
    pairing,
    clientAddressOf: connectionAddressOf,
    metrics: createMetrics(),
    log,
    now: () => new Date(),
  });
  await recoverDrafts({ responses: store.responses, jobs });
  jobs.listen({ draft: createDraftHandler({ ...store, ml, log }) }, { concurrency: DRAFT_CONCURRENCY });
  reconciler.start();
  log.info("storage is open", {
    postgres: store.postgres.version,
    embedded: store.postgres.embedded,
    pairing,
  });
  const owned = stack.move();
  return { app, log, lost: store.lost, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
