/** Builds everything a running server holds open, from the database to the job queue, and closes it in reverse order. */
import { join } from "node:path";
import type { BackoffOptions } from "../lib/backoff.ts";
import { isLoopback } from "../lib/config.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { type AllowedHosts, allowedHosts } from "../lib/http/allowed_hosts.ts";
import { NO_PROXIES } from "../lib/http/trusted_proxies.ts";
import type { TaskMap } from "../lib/jobs/job.ts";
import { moveJobs } from "../lib/jobs/job_table.ts";
import { JobQueue } from "../lib/jobs/job_queue.ts";
import { KvJobTable, lockKvFile } from "../lib/jobs/kv_job_table.ts";
import { exists } from "../lib/files.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { logFieldsOfError } from "../lib/errors.ts";
import { createMetrics, type Metrics } from "../lib/metrics.ts";
import type { ServerServices } from "./app.ts";
import { type ClientAddressOf, connectionAddressOf, createTokens, type Tokens } from "./auth/authenticate.ts";
import { loadSecret } from "./auth/secret.ts";
import { createMlClient, type MlClient } from "./clients/ml.ts";
import { createWebhookClient } from "./clients/webhook.ts";
import type { ServerConfig } from "./config.ts";
import { type AcceptanceService, createAcceptanceService } from "./services/acceptance/acceptance_service.ts";
import { createAccountService } from "./services/account_service.ts";
import { createConversationService } from "./services/conversation_service.ts";
import { createDeviceService } from "./services/devices/device_service.ts";
import { setupCodeOf } from "./services/devices/pairing.ts";
import { createSessionService } from "./services/devices/sessions.ts";
import { createDraftHandler, recoverDrafts, type ServerJobs } from "./services/drafts/draft_jobs.ts";
import { createDrafting } from "./services/drafts/draft_service.ts";
import { createResponseService } from "./services/drafts/response_service.ts";
import { createEventService } from "./services/event_service.ts";
import { createHealthService } from "./services/health_service.ts";
import { createRestoreService } from "./services/restoring.ts";
import { createSearchService } from "./services/search_service.ts";
import { createStatusService } from "./services/status_service.ts";
import { createSyncService } from "./services/sync_service.ts";
import { MlReconciler } from "./services/training/outbox.ts";
import { createComparisonService } from "./services/training/comparison.ts";
import { createModelsService } from "./services/training/models_service.ts";
import { createTrainingJobSync, type TrainingJobSync } from "./services/training/job_sync.ts";
import { keepRetraining } from "./services/training/retraining.ts";
import { createTrainingService, type TrainingService } from "./services/training/training_service.ts";
import { createTriggerService } from "./services/trigger/trigger_service.ts";
import { keepSendingWebhooks, type WebhookTasks } from "./services/webhooks.ts";
import type { Announcements } from "./store/jobs/announcements.ts";
import type { SharedDatabase } from "./store/jobs/shared_database.ts";
import { openStore, type Store, type Stores } from "./store/store.ts";

/** Drafts asked of ml at once; ml queues what it cannot do yet. */
const DRAFT_CONCURRENCY = 4;
/** How often drafts are looked for whose server has ended. */
const RECOVERY_MS = 60_000;
/** Longer than another server takes to have ml start a training job. */
const START_GRACE_MS = 60_000;
const QUEUE = "server";
const KV_FILE = "server.kv";
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
  /** Called when a backup was restored: this context is of what was there before, and is to be replaced. */
  readonly onRestored: () => void;
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
  readonly clock: Clock;
  readonly now: () => Date;
  readonly clientAddressOf: ClientAddressOf;
  readonly hosts: AllowedHosts;
  /** What the first device needs to claim the server, where it is in reach of others and nobody owns it; else null. */
  setupCode(): Promise<string | null>;
  /** Settles with a sentence when the embedded PostgreSQL ended and the server cannot continue. */
  readonly lost: Promise<string>;
  /** Resumes what the server before this one left, and starts background drafts and the reconciler. */
  start(): Promise<void>;
}

/** What the services are built from. */
type Core =
  & Pick<
    ServerContext,
    "store" | "jobs" | "ml" | "jobSync" | "reconciler" | "tokens" | "metrics" | "log" | "clock" | "now"
  >
  & {
    readonly pingKv: () => Promise<unknown>;
    readonly openQueue: OpenJobs["openQueue"];
    readonly judgeOf: AcceptanceService["judgeOf"];
    readonly calibration: AcceptanceService["calibration"];
    readonly announcements: Announcements;
    readonly serverId: string | null;
    readonly shared: SharedDatabase | null;
    readonly secret: Uint8Array;
    readonly dataDir: string;
    readonly pairing: ServerConfig["pairing"];
    readonly isNetworked: boolean;
    readonly command: string;
    readonly config: ServerConfig;
    readonly onRestored: () => void;
    /** Whether this server does what only one of those on a database may do; absent: it is the only one. */
    readonly isLeader?: () => Promise<boolean>;
  };

function createServices(core: Core): ServerServices {
  const { store, ml, announcements, pingKv, now } = core;
  const trigger = createTriggerService({ ...store, now });
  const onOutbox = () => void announcements.announce({ topic: "outbox", text: "" });
  const health = createHealthService({ pingDatabase: store.ping, pingKv, ml, now });
  const devices = createDeviceService({ ...core, devices: store.devices });
  return {
    devices,
    sessions: createSessionService({ ...core, ...store, me: devices.me }),
    events: createEventService({ ...core, ...store }),
    restoring: createRestoreService({ ...core, devices: store.devices }),
    account: createAccountService({ ...core, ...store, onOutbox }),
    sync: createSyncService({ ...core, ...store, onOutbox }),
    conversations: createConversationService({ ...store, expectReplies: trigger.judgeOf, onOutbox }),
    search: createSearchService(store),
    drafting: createDrafting({ ...core, ...store, draftExamples: core.config.draftExamples }),
    responses: createResponseService({ ...core, ...store }),
    training: createTrainingService({ ...core, ...store, onOutbox }),
    models: createModelsService({ ...core, ...store, replyCalibration: trigger.calibration, onOutbox }),
    comparison: createComparisonService({ ...core, ...store }),
    health,
    status: createStatusService({ ...core, ...store, health }),
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

/** Looks now and then for drafts whose server has ended, until the returned function is called. */
function keepRecovering({ store, jobs, shared, clock, log }: Core): () => void {
  let cancel = () => {};
  const recover = () => {
    cancel = clock.after(RECOVERY_MS, recover);
    recoverDrafts({ responses: store.responses, jobs, isAlive: shared?.link.isAlive.bind(shared.link) })
      .catch(
        (error) => log.warn("drafts without a server were not looked for", logFieldsOfError(error)),
      );
  };
  cancel = clock.after(RECOVERY_MS, recover);
  return () => cancel();
}

/** Sends completed drafts to the webhook, where one is set. */
async function startWebhooks(core: Core, stack: AsyncDisposableStack): Promise<void> {
  const { config: { webhookUrl: url, webhookSecret: secret }, store, openQueue, now } = core;
  if (url === null || secret === null) return;
  const jobs = await openQueue<WebhookTasks>("webhooks");
  stack.defer(
    keepSendingWebhooks({ ...core, ...store, jobs, webhook: createWebhookClient({ url, secret, now }) }),
  );
}

function starting(
  core: Core,
  { stack, training }: { stack: AsyncDisposableStack; training: TrainingService },
): ServerContext["start"] {
  const { store, jobs, shared, ml, judgeOf, reconciler, log, clock, config, isLeader } = core;
  return async () => {
    await recoverDrafts({
      responses: store.responses,
      jobs,
      isAlive: shared?.link.isAlive.bind(shared.link),
    });
    if (shared !== null) stack.defer(keepRecovering(core));
    jobs.listen({ draft: createDraftHandler({ ...store, ml, judgeOf, log }) }, {
      concurrency: DRAFT_CONCURRENCY,
    });
    reconciler.start();
    await startWebhooks(core, stack);
    const { retrainAfter: newSamples, retrainHours: hours } = config;
    if (newSamples === null) return;
    const { trainingJobs } = store;
    stack.defer(keepRetraining({ trainingJobs, training, log, clock, newSamples, hours, isLeader }));
  };
}

async function openOwnStore(config: ServerConfig, log: Logger): Promise<Store> {
  const store = await openStore(config);
  const { version: postgres, embedded } = store.postgres;
  log.info("storage is open", { postgres, embedded, pairing: config.pairing });
  return store;
}

/** The server's jobs and how to see that their store answers. */
interface OpenJobs {
  jobs: ServerJobs;
  pingKv: () => Promise<unknown>;
  /** Opens another queue beside it. */
  openQueue: <Tasks extends TaskMap<Tasks>>(queue: string) => Promise<JobQueue<Tasks>>;
}

interface JobsOptions {
  dataDir: string;
  log: Logger;
  backoff?: BackoffOptions;
}

/** In a file of the data folder, which belongs to this server. */
async function openOwnJobs(
  stack: AsyncDisposableStack,
  { dataDir, log, backoff }: JobsOptions,
): Promise<OpenJobs> {
  const kv = stack.adopt(await Deno.openKv(join(dataDir, KV_FILE)), (kv) => kv.close());
  const openQueue: OpenJobs["openQueue"] = async (queue) => {
    const table = await KvJobTable.open({ kv, queue, directory: join(dataDir, "jobs"), log });
    return new JobQueue({ table, log, backoff });
  };
  return { jobs: await openQueue(QUEUE), pingKv: () => kv.get(["health"]), openQueue };
}

/** On the database that servers share; jobs that this one had queued in its folder before move there. */
async function openSharedJobs(
  shared: SharedDatabase,
  { dataDir, log, backoff }: JobsOptions,
): Promise<OpenJobs> {
  const table = shared.jobTable(QUEUE);
  const kvPath = join(dataDir, KV_FILE);
  if (await exists(kvPath)) {
    using kv = await Deno.openKv(kvPath);
    const own = await KvJobTable.open({ kv, queue: QUEUE, directory: join(dataDir, "jobs"), log });
    const moved = await moveJobs(own, table);
    if (moved > 0) log.info("background drafts were moved to the database", { jobs: moved });
  }
  const openQueue: OpenJobs["openQueue"] = (queue) =>
    Promise.resolve(new JobQueue({ table: shared.jobTable(queue), log, backoff }));
  return { jobs: await openQueue(QUEUE), pingKv: () => table.stats(), openQueue };
}

function pairingRulesOf(
  { pairing, command, host }: ServerConfig,
): Pick<Core, "pairing" | "command" | "isNetworked"> {
  return { pairing, command, isNetworked: !isLoopback(host) };
}

function setupCodeWhileUnclaimed(
  { store, secret, isNetworked }: Core,
  isProxied: boolean,
): ServerContext["setupCode"] {
  return async () =>
    (isNetworked || isProxied) && !await store.devices.isClaimed() ? setupCodeOf(secret) : null;
}

function openJobs(
  stack: AsyncDisposableStack,
  { shared, ...options }: JobsOptions & { shared: SharedDatabase | null },
): Promise<OpenJobs> {
  return shared === null ? openOwnJobs(stack, options) : openSharedJobs(shared, options);
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
  const { dataDir, databaseUrl, jwtSecret: configured } = config;
  const log = overrides.log ?? createLogger({ level: config.logLevel }).child({ service: "server" });
  const clock = overrides.clock ?? systemClock;
  const now = () => new Date(clock.now());
  await using stack = new AsyncDisposableStack();
  await Deno.mkdir(dataDir, { recursive: true });
  stack.use(await lockKvFile(join(dataDir, KV_FILE)));
  const own = overrides.store === undefined ? stack.use(await openOwnStore(config, log)) : undefined;
  const store = overrides.store ?? own as Store;
  const joined = stack.use(await store.share({ log }));
  const shared = own !== undefined && databaseUrl !== null ? joined : null;
  const secret = await loadSecret({ configured, dataDir, share: shared ? store.sharedSecret : undefined });
  const { jobs, ...others } = await openJobs(stack, { shared, dataDir, log, backoff: overrides.jobBackoff });
  stack.defer(() => jobs.stop({ graceMs: JOB_GRACE_MS }));
  const ml = overrides.ml ?? createMlClient({ baseUrl: config.mlUrl, token: config.mlToken });
  const jobSync = createTrainingJobSync({ ...store, ml, log, startGraceMs: shared ? START_GRACE_MS : 0 });
  const isLeader = shared === null ? undefined : () => shared.link.leads("reconciler");
  const reconciler = stack.use(new MlReconciler({ ...store, jobSync, ml, log, clock, isLeader }));
  stack.defer(joined.link.on("outbox", () => reconciler.trigger()));
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
    ...others,
    ...createAcceptanceService(store),
    announcements: joined.link,
    serverId: shared?.link.id ?? null,
    shared,
    secret,
    dataDir,
    ...pairingRulesOf(config),
    config,
    onRestored: overrides.onRestored ?? (() => {}),
    isLeader,
    clock,
  };
  addGauges(core);
  const services = createServices(core);
  const opened = stack.move();
  return {
    ...core,
    services,
    hosts: allowedHosts({ host: config.host, names: config.allowedHosts }),
    setupCode: setupCodeWhileUnclaimed(core, config.trustedProxies !== NO_PROXIES),
    clientAddressOf: overrides.clientAddressOf ?? connectionAddressOf,
    lost: own?.lost ?? never,
    start: starting(core, { stack: opened, training: services.training }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
