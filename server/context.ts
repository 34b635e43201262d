/** Builds everything a running server holds open, from the database to the job queue, and closes it in reverse order. */
import { join } from "node:path";
import type { BackoffOptions } from "../lib/backoff.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { type AllowedHosts, allowedHosts } from "../lib/http/allowed_hosts.ts";
import { KvJobQueue, lockKvFile } from "../lib/jobs/kv_job_queue.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { createMetrics, type Metrics } from "../lib/metrics.ts";
import type { ServerServices } from "./app.ts";
import { type ClientAddressOf, connectionAddressOf, createTokens, type Tokens } from "./auth/authenticate.ts";
import { loadSecret } from "./auth/secret.ts";
import { createMlClient, type MlClient } from "./clients/ml.ts";
import type { ServerConfig } from "./config.ts";
import { createConversationService } from "./services/conversation_service.ts";
import { createDeviceService } from "./services/devices/device_service.ts";
import {
  createDraftHandler,
  recoverDrafts,
  type ServerJobs,
  type ServerTasks,
} from "./services/drafts/draft_jobs.ts";
import { createDrafting } from "./services/drafts/draft_service.ts";
import { createResponseService } from "./services/drafts/response_service.ts";
import { createHealthService } from "./services/health_service.ts";
import { createSyncService } from "./services/sync_service.ts";
import { MlReconciler } from "./services/training/outbox.ts";
import { createModelsService } from "./services/training/models_service.ts";
import { createTrainingJobSync, type TrainingJobSync } from "./services/training/job_sync.ts";
import { createTrainingService } from "./services/training/training_service.ts";
import { openStore, type Store, type Stores } from "./store/store.ts";

/** Drafts asked of ml at once; ml queues what it cannot do yet. */
const DRAFT_CONCURRENCY = 4;
/** How long background drafts may continue once the server stops; the rest return to the queue. */
const JOB_GRACE_MS = 3_000;

/** What a caller, such as a test, provides instead of having it built. It outlives the context. */
export interface ContextOverrides {
  readonly store: Stores;
  readonly ml: MlClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly clientAddressOf: ClientAddressOf;
  /** Delays between the attempts of a background draft. */
  readonly jobBackoff: BackoffOptions;
}

/** A server that is ready to serve. Disposing it closes everything that it opened. */
export interface ServerContext extends AsyncDisposable {
  readonly services: ServerServices;
  readonly store: Stores;
  readonly jobs: ServerJobs;
  readonly ml: MlClient;
  readonly jobSync: TrainingJobSync;
  readonly reconciler: MlReconciler;
  readonly tokens: Tokens;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly now: () => Date;
  readonly clientAddressOf: ClientAddressOf;
  readonly hosts: AllowedHosts;
  /** Settles with a sentence when the embedded PostgreSQL ended and the server cannot continue. */
  readonly lost: Promise<string>;
  /** Resumes what the server before this one left, and starts background drafts and the reconciler. */
  start(): Promise<void>;
}

/** What the services are built from. */
type Core =
  & Pick<
    ServerContext,
    "store" | "jobs" | "ml" | "jobSync" | "reconciler" | "tokens" | "metrics" | "log" | "now"
  >
  & {
    readonly pingKv: () => Promise<unknown>;
    readonly secret: Uint8Array;
    readonly pairing: ServerConfig["pairing"];
  };

function createServices(core: Core): ServerServices {
  const { store, ml, reconciler, pingKv, now } = core;
  const onOutbox = () => reconciler.trigger();
  return {
    devices: createDeviceService({ ...core, devices: store.devices }),
    sync: createSyncService({ ...core, ...store, onOutbox }),
    conversations: createConversationService({ ...store, onOutbox }),
    drafting: createDrafting({ ...core, ...store }),
    responses: createResponseService(store),
    training: createTrainingService({ ...core, ...store, onOutbox }),
    models: createModelsService({ ...store, ml, onOutbox }),
    health: createHealthService({ pingDatabase: store.ping, pingKv, ml, now }),
  };
}

function addGauges({ metrics, jobs, store: { mlOutbox } }: Core): void {
  const byState = (counts: Record<string, number>) =>
    Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
  metrics.gauge("jobs", "Background jobs by state", {
    labels: ["state"],
    read: async () => byState(await jobs.stats()),
  });
  metrics.gauge("ml_outbox_messages", "Messages not yet sent to ml, and those that it refused", {
    labels: ["state"],
    read: async () => byState(await mlOutbox.counts()),
  });
}

function starting({ store, jobs, ml, reconciler, log }: Core): ServerContext["start"] {
  return async () => {
    await recoverDrafts({ responses: store.responses, jobs });
    jobs.listen({ draft: createDraftHandler({ ...store, ml, log }) }, { concurrency: DRAFT_CONCURRENCY });
    reconciler.start();
  };
}

async function openOwnStore(config: ServerConfig, log: Logger): Promise<Store> {
  const store = await openStore(config);
  const { version: postgres, embedded } = store.postgres;
  log.info("storage is open", { postgres, embedded, pairing: config.pairing });
  return store;
}

const never = new Promise<never>(() => {});

/**
 * Opens everything a server needs; `overrides` replaces what is given there.
 *
 * @throws UserError when the database cannot be opened, the stored secret is damaged, or another process uses the folder
 */
export async function createContext(
  config: ServerConfig,
  overrides: Partial<ContextOverrides> = {},
): Promise<ServerContext> {
  const { dataDir, pairing } = config;
  const log = overrides.log ?? createLogger({ level: config.logLevel }).child({ service: "server" });
  const clock = overrides.clock ?? systemClock;
  const now = () => new Date(clock.now());
  await using stack = new AsyncDisposableStack();
  const own = overrides.store === undefined ? stack.use(await openOwnStore(config, log)) : undefined;
  const store = overrides.store ?? own as Store;
  const secret = await loadSecret({ configured: config.jwtSecret, dataDir });
  const kvPath = join(dataDir, "server.kv");
  stack.use(await lockKvFile(kvPath));
  const kv = stack.adopt(await Deno.openKv(kvPath), (kv) => kv.close());
  const directory = join(dataDir, "jobs");
  const backoff = overrides.jobBackoff;
  const jobs = new KvJobQueue<ServerTasks>({ name: "server", kv, directory, log, backoff });
  stack.defer(() => jobs.stop({ graceMs: JOB_GRACE_MS }));
  const ml = overrides.ml ?? createMlClient({ baseUrl: config.mlUrl, token: config.mlToken });
  const jobSync = createTrainingJobSync({ ...store, ml, log });
  const reconciler = stack.use(new MlReconciler({ ...store, jobSync, ml, log, clock }));
  const core: Core = {
    store,
    jobs,
    ml,
    jobSync,
    reconciler,
    tokens: createTokens({ secret, now }),
    metrics: createMetrics(),
    log,
    now,
    pingKv: () => kv.get(["health"]),
    secret,
    pairing,
  };
  addGauges(core);
  const opened = stack.move();
  return {
    ...core,
    services: createServices(core),
    hosts: allowedHosts({ host: config.host, names: config.allowedHosts }),
    clientAddressOf: overrides.clientAddressOf ?? connectionAddressOf,
    lost: own?.lost ?? never,
    start: starting(core),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
