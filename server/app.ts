/** Mounts the server's routes: every request is measured, authenticated and limited in size. */
import { readySchema, serverHealthSchema } from "../contract/health.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { statusSchema } from "../contract/status.ts";
import { MAX_SYNC_BODY_BYTES } from "../contract/sync.ts";
import { OLDEST_WIRE_VERSION, WIRE_VERSION, WIRE_VERSION_HEADER } from "../contract/wire.ts";
import { createMiddleware, createRoute } from "../deps.ts";
import type { Clock } from "../lib/clock.ts";
import { ApiError, invalidRequest } from "../lib/errors.ts";
import type { AllowedHosts } from "../lib/http/allowed_hosts.ts";
import { mountDocs } from "../lib/http/api_docs.ts";
import { createApiApp, createRoutes, errorResponses, jsonResponse, tokenRoute } from "../lib/http/app.ts";
import type { Logger } from "../lib/log.ts";
import { measureRequests, type Metrics, mountMetrics } from "../lib/metrics.ts";
import { type BodyLimits, receiveBodies } from "../lib/http/request_bodies.ts";
import { VERSION } from "../lib/version.ts";
import {
  authenticate,
  type ClientAddressOf,
  OPEN_PATHS,
  type ServerEnv,
  SESSION_COOKIE,
  type Tokens,
} from "./auth/authenticate.ts";
import { conversationRoutes } from "./routes/conversation_routes.ts";
import { deviceRoutes } from "./routes/device_routes.ts";
import { accountRoutes } from "./routes/account_routes.ts";
import { eventRoutes } from "./routes/event_routes.ts";
import { modelRoutes } from "./routes/model_routes.ts";
import { pageRoutes } from "./routes/page_routes.ts";
import { responseRoutes } from "./routes/response_routes.ts";
import { restoreRoutes } from "./routes/restore_routes.ts";
import { sampleRoutes } from "./routes/sample_routes.ts";
import { searchRoutes } from "./routes/search_routes.ts";
import { sessionRoutes } from "./routes/session_routes.ts";
import { syncRoutes } from "./routes/sync_routes.ts";
import { trainingRoutes } from "./routes/training_routes.ts";
import type { AccountService } from "./services/account_service.ts";
import type { EventService } from "./services/event_service.ts";
import type { ConversationService } from "./services/conversation_service.ts";
import type { DeviceService } from "./services/devices/device_service.ts";
import type { SessionService } from "./services/devices/sessions.ts";
import type { Drafting } from "./services/drafts/draft_service.ts";
import type { ResponseService } from "./services/drafts/response_service.ts";
import type { HealthService } from "./services/health_service.ts";
import type { RestoreService } from "./services/restoring.ts";
import type { SearchService } from "./services/search_service.ts";
import type { StatusService } from "./services/status_service.ts";
import type { SyncService } from "./services/sync_service.ts";
import type { ComparisonService } from "./services/training/comparison.ts";
import type { ModelsService } from "./services/training/models_service.ts";
import type { TrainingService } from "./services/training/training_service.ts";
import { isDatabaseUnavailable } from "./store/database_errors.ts";
import type { Stores } from "./store/store.ts";

/** Largest request body anywhere but on the sync endpoints. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Largest request body of someone who is not known yet. */
const MAX_OPEN_BODY_BYTES = 16 * 1024;
const BODY_LIMITS: BodyLimits = {
  maxBodyBytes: MAX_BODY_BYTES,
  maxBytesInFlight: 64 * 1024 * 1024,
  maxBodyBytesOf: {
    ...Object.fromEntries([...OPEN_PATHS].map((path) => [path, MAX_OPEN_BODY_BYTES])),
    [SERVER_PATHS.session]: MAX_OPEN_BODY_BYTES,
    [SERVER_PATHS.syncMessages]: MAX_SYNC_BODY_BYTES,
    [SERVER_PATHS.syncContacts]: MAX_SYNC_BODY_BYTES,
    [SERVER_PATHS.startTraining]: MAX_SYNC_BODY_BYTES,
  },
  // A backup is written to the disk as it comes.
  isStreamed: ({ method, path }) => method === "POST" && path === SERVER_PATHS.restore,
};
/** When to ask again while the database is unavailable. */
const DATABASE_RETRY_SECONDS = 5;

/** What the routes call. */
export interface ServerServices {
  readonly devices: DeviceService;
  readonly events: EventService;
  readonly sessions: SessionService;
  readonly sync: SyncService;
  readonly account: AccountService;
  readonly restoring: RestoreService;
  readonly conversations: ConversationService;
  readonly search: SearchService;
  readonly drafting: Drafting;
  readonly responses: ResponseService;
  readonly training: TrainingService;
  readonly models: ModelsService;
  readonly comparison: ComparisonService;
  readonly health: HealthService;
  readonly status: StatusService;
}

/** What the app takes from the server's context. */
export interface ServerAppContext {
  readonly services: ServerServices;
  readonly store: Pick<Stores, "devices" | "sessions">;
  readonly tokens: Tokens;
  readonly clientAddressOf: ClientAddressOf;
  readonly hosts: AllowedHosts;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly clock: Clock;
  readonly now: () => Date;
}

function translateError(error: unknown): unknown {
  if (!isDatabaseUnavailable(error)) return error;
  return new ApiError("database_unavailable", "The database cannot be reached; try again in a moment", {
    retryAfterSeconds: DATABASE_RETRY_SECONDS,
    cause: error,
  });
}

const health = createRoute({
  method: "get",
  path: SERVER_PATHS.health,
  summary: "Reports the health of the server and of what it needs",
  responses: { 200: jsonResponse(serverHealthSchema, "What responds and what does not") },
});

const ready = createRoute({
  method: "get",
  path: SERVER_PATHS.ready,
  summary: "Says whether the server can take requests: its database answers",
  responses: { 200: jsonResponse(readySchema, "It can"), ...errorResponses(503) },
});

const status = tokenRoute("get", SERVER_PATHS.status, {
  summary: "Tells how the server, ml, the account's queue, the disk and the capture of its messages are",
  responses: { 200: jsonResponse(statusSchema, "How they are") },
});

function healthRoutes({ health: service, status: statusService }: ServerServices) {
  return createRoutes<ServerEnv>()
    .openapi(health, async (c) => c.json(await service.health(), 200))
    .openapi(ready, async (c) => {
      await service.checkReady();
      return c.json({ ready: true as const }, 200);
    })
    .openapi(status, async (c) => c.json(await statusService.read(c.var.caller), 200));
}

/** Refuses a client whose version of the wire this server does not speak; one that names none is spoken to. */
const checkWireVersion = createMiddleware(async (c, next) => {
  const given = c.req.header(WIRE_VERSION_HEADER);
  if (given === undefined) return await next();
  if (!/^\d{1,9}$/.test(given)) {
    throw invalidRequest([{ path: WIRE_VERSION_HEADER, message: "must be a whole number" }]);
  }
  const version = Number(given);
  if (version >= OLDEST_WIRE_VERSION && version <= WIRE_VERSION) return await next();
  c.header("Upgrade", `assistant-wire/${WIRE_VERSION}`);
  const [old, other] = version < OLDEST_WIRE_VERSION
    ? ["client", "server"] as const
    : ["server", "client"] as const;
  throw new ApiError(
    `${old}_outdated`,
    `The ${old} is too old for this ${other}: the client speaks version ${version} of the wire, ` +
      `the server ${OLDEST_WIRE_VERSION} to ${WIRE_VERSION}. Update the ${old}.`,
  );
});

/** Creates the server's app; `app.fetch` serves it and `app.request` tests it. */
export function createServerApp(context: ServerAppContext) {
  const { services, store, tokens, metrics, log, clock, now, clientAddressOf, hosts } = context;
  const app = createApiApp<ServerEnv>({ log, hosts, translateError });
  app.use(measureRequests(metrics));
  app.use("/api/*", checkWireVersion);
  app.use("/api/*", authenticate({ ...store, tokens, now }));
  app.use("/api/*", receiveBodies(BODY_LIMITS));
  app.route("/", healthRoutes(services));
  app.route("/", deviceRoutes({ ...services, clientAddressOf }));
  app.route("/", sessionRoutes(services));
  app.route("/", eventRoutes({ ...services, clock, log }));
  app.route("/", restoreRoutes({ ...services, clientAddressOf }));
  app.route("/", accountRoutes(services));
  app.route("/", syncRoutes(services));
  app.route("/", conversationRoutes(services));
  app.route("/", searchRoutes(services));
  app.route("/", responseRoutes({ ...services, log }));
  app.route("/", sampleRoutes(services));
  app.route("/", trainingRoutes({ ...services, log }));
  app.route("/", modelRoutes(services));
  app.route("/", pageRoutes());
  mountMetrics(app, { path: SERVER_PATHS.metrics, metrics });
  mountDocs(app, {
    sessionCookie: SESSION_COOKIE,
    versionHeader: WIRE_VERSION_HEADER,
    paths: SERVER_PATHS,
    openPaths: [SERVER_PATHS.health, SERVER_PATHS.ready, ...OPEN_PATHS],
    title: "Conversation Assistant",
    version: VERSION,
    description:
      "Stores a person's conversations, drafts their replies, and learns from what is done with the drafts.",
  });
  return app;
}
