/** Owns the server's HTTP app: its services made, its routes mounted, every request authenticated and measured. */
import { SERVER_PATHS } from "../contract/paths.ts";
import { MAX_SYNC_BODY_BYTES } from "../contract/sync.ts";
import { mountDocs } from "../lib/http/api_docs.ts";
import { ApiError } from "../lib/errors.ts";
import { createApiApp } from "../lib/http/app.ts";
import type { Logger } from "../lib/log.ts";
import { measureRequests, type Metrics, mountMetrics } from "../lib/metrics.ts";
import { type BodyLimits, decompressBodies } from "../lib/http/request_bodies.ts";
import { VERSION } from "../lib/version.ts";
import { authenticate, type ClientAddressOf, type ServerEnv } from "./auth/authenticate.ts";
import { createTokens } from "./auth/credentials.ts";
import type { MlClient } from "./clients/ml.ts";
import { conversationRoutes } from "./routes/conversation_routes.ts";
import { deviceRoutes } from "./routes/device_routes.ts";
import { healthRoutes } from "./routes/health_routes.ts";
import { modelRoutes } from "./routes/model_routes.ts";
import { responseRoutes } from "./routes/response_routes.ts";
import { sampleRoutes } from "./routes/sample_routes.ts";
import { syncRoutes } from "./routes/sync_routes.ts";
import { trainingRoutes } from "./routes/training_routes.ts";
import { createConversationService } from "./services/conversation_service.ts";
import { createDeviceService } from "./services/devices/device_service.ts";
import type { ServerJobs } from "./services/drafts/draft_jobs.ts";
import { createDrafting } from "./services/drafts/draft_service.ts";
import { createHealthService } from "./services/health_service.ts";
import { createModelsService } from "./services/training/models_service.ts";
import { createResponseService } from "./services/drafts/response_service.ts";
import { createSyncService } from "./services/sync_service.ts";
import type { TrainingJobSync } from "./services/training/training_job_sync.ts";
import { createTrainingService } from "./services/training/training_service.ts";
import { isDatabaseUnavailable } from "./store/database_errors.ts";
import type { Store, Stores } from "./store/store.ts";

/** Largest request body anywhere but on the sync endpoints. */
const MAX_BODY_BYTES = 1024 * 1024;
const BODY_LIMITS: BodyLimits = {
  maxBodyBytes: MAX_BODY_BYTES,
  maxBodyBytesOf: {
    [SERVER_PATHS.syncMessages]: MAX_SYNC_BODY_BYTES,
    [SERVER_PATHS.syncContacts]: MAX_SYNC_BODY_BYTES,
    [SERVER_PATHS.startTraining]: MAX_SYNC_BODY_BYTES,
  },
};
/** When to ask again while the database is away. */
const DATABASE_RETRY_SECONDS = 5;

export interface ServerAppOptions {
  store: Stores & Pick<Store, "ping">;
  jobs: ServerJobs;
  /** Rejects unless the job ledger answers. */
  pingKv: () => Promise<unknown>;
  ml: MlClient;
  /** Shared with the reconciler, so that neither takes a job for lost that the other is just starting. */
  jobSync: TrainingJobSync;
  /** Called after a change that ml has to hear of. */
  onOutbox: () => void;
  /** Signs tokens and keys the hashes of pairing codes. */
  secret: Uint8Array;
  pairing: "open" | "approve";
  clientAddressOf: ClientAddressOf;
  metrics: Metrics;
  log: Logger;
  now: () => Date;
}

function translateError(error: unknown): unknown {
  if (!isDatabaseUnavailable(error)) return error;
  return new ApiError("database_unavailable", "The database cannot be reached; try again in a moment", {
    retryAfterSeconds: DATABASE_RETRY_SECONDS,
    cause: error,
  });
}

function countJobs({ metrics, jobs, store: { mlOutbox } }: ServerAppOptions): void {
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

function createServices(options: ServerAppOptions, tokens: ReturnType<typeof createTokens>) {
  const { store, jobs, ml, jobSync, onOutbox, metrics, log, now } = options;
  return {
    devices: createDeviceService({ ...options, devices: store.devices, tokens }),
    sync: createSyncService({ ingest: store.ingest, contacts: store.contacts, metrics, now, onOutbox }),
    conversations: createConversationService({ ...store, onOutbox }),
    drafting: createDrafting({ ...store, ml, jobs, log }),
    responses: createResponseService(store),
    training: createTrainingService({ ...store, jobSync, ml, log, onOutbox }),
    models: createModelsService({ adapters: store.adapters, ml, onOutbox }),
    health: createHealthService({ pingDatabase: store.ping, pingKv: options.pingKv, ml, now }),
  };
}

/** Makes the server's app; `app.fetch` serves it and `app.request` tests it. */
export function createServerApp(options: ServerAppOptions) {
  const { store, metrics, log, now, clientAddressOf } = options;
  const tokens = createTokens(options);
  const services = createServices(options, tokens);
  const app = createApiApp<ServerEnv>({ ...BODY_LIMITS, log, translateError });
  countJobs(options);
  app.use(measureRequests(metrics));
  app.use("/api/*", authenticate({ tokens, devices: store.devices, now }));
  app.use("/api/*", decompressBodies(BODY_LIMITS));
  app.route("/", healthRoutes(services));
  app.route("/", deviceRoutes({ ...services, clientAddressOf }));
  app.route("/", syncRoutes(services));
  app.route("/", conversationRoutes(services));
  app.route("/", responseRoutes(services));
  app.route("/", sampleRoutes(services));
  app.route("/", trainingRoutes({ ...services, log }));
  app.route("/", modelRoutes(services));
  mountMetrics(app, { path: SERVER_PATHS.metrics, metrics });
  mountDocs(app, {
    title: "Conversation Assistant",
    version: VERSION,
    description:
      "Stores a person's conversations, drafts their replies, and learns from what becomes of the drafts.",
  });
  return app;
}
