/** Builds everything that a running ml service holds: engine, cache, job queues, services; closed in reverse order. */
import { join } from "node:path";
import { allowedHosts } from "../lib/http/allowed_hosts.ts";
import { JobQueue } from "../lib/jobs/job_queue.ts";
import { KvJobTable, lockKvFile } from "../lib/jobs/kv_job_table.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { createMetrics, type Metrics } from "../lib/metrics.ts";
import type { MlServices } from "./app.ts";
import { createResponseCache } from "./cache/response_cache.ts";
import { type MlConfig, vllmConfigOf } from "./config.ts";
import type { Engine } from "./engine/engine.ts";
import { type AdapterRegistry, openAdapterRegistry } from "./models/adapter_registry.ts";
import { DEFAULT_HUB_URL } from "./models/catalog.ts";
import { fileModelSource, type ModelSource, remoteModelSource } from "./models/model_source.ts";
import { readTextingAdapter, type TextingAdapter } from "./models/texting_adapter.ts";
import { AdapterProofs } from "./services/adapter_proofs.ts";
import { type AdapterDependencies, createAdapterService } from "./services/adapter_service.ts";
import { createGenerateHandler, GenerationJobs, type MlTasks } from "./services/generation_jobs.ts";
import { createGenerationService } from "./services/generation_service.ts";
import {
  createHealthService,
  createModelService,
  findGpu,
  type ModelService,
  type ModelServiceOptions,
} from "./services/model_service.ts";
import { createOpenAiService } from "./services/openai_service.ts";
import { openTraining } from "./services/training.ts";

/** How long background generations may continue once the service stops; the rest are requeued. */
const JOB_GRACE_MS = 3_000;
/** Results of background generations hold replies: they are deleted after a day. */
const JOB_RETENTION_MS = 24 * 3_600_000;

const BYTES_OF_MB = 1_000_000;

/** A service that is ready to serve, with no model loaded yet. Disposing it closes everything. */
export interface MlContext extends MlServices, AsyncDisposable {
  readonly engine: Engine;
  readonly registry: AdapterRegistry;
  readonly proofs: AdapterProofs;
  readonly jobs: JobQueue<MlTasks>;
}

/** What a caller may provide; the context does not close it. */
export interface MlOverrides {
  /** Aborts when the service begins to stop: ends downloads and the training process. */
  signal: AbortSignal;
  engine: Engine;
  /** Default: the one that is shipped. */
  texting: TextingAdapter;
  /** Where the models of that engine come from. Default: the models folder and the hub. */
  source: ModelSource;
  /** Where a GPU's driver is looked for. Default: where systems have it. */
  driverFolders: readonly string[];
  kv: Deno.Kv;
  log: Logger;
}

function hubModelSource(config: MlConfig, options: { log: Logger; signal: AbortSignal }): ModelSource {
  const { modelsDir, hubUrl } = config;
  return fileModelSource({ modelsDir, hubUrl: hubUrl ?? DEFAULT_HUB_URL, ...options });
}

/** Loads only the engine that is used. */
async function openEngine(
  config: MlConfig,
  options: Partial<MlOverrides> & Pick<MlOverrides, "log" | "signal"> & { metrics: Metrics },
): Promise<{ engine: Engine; source: ModelSource }> {
  const { log, signal, source = hubModelSource(config, { log, signal }) } = options;
  if (options.engine !== undefined) return { engine: options.engine, source };
  if (config.engine === "openai") {
    const { createOpenAiEngine } = await import("./engine/openai/openai.ts");
    const vllm = vllmConfigOf(config);
    const engine = createOpenAiEngine({
      url: config.engineUrl ?? "",
      token: config.engineToken,
      capacity: config.sequences,
      queueLimit: config.queueLimit,
      vllm,
    });
    const base = vllm && { source, model: vllm.baseModel };
    return { engine, source: remoteModelSource(() => engine.listModels(), { base }) };
  }
  const { createProcessEngine } = await import("./engine/process/process_engine.ts");
  const { gpu, threads, sequences, contextSize, kvCache, queueLimit, adapterContexts, keepAlive, logLevel } =
    config;
  const engine = createProcessEngine({
    gpu,
    threads,
    sequences,
    contextSize,
    kvCache,
    queueLimit,
    adapterContexts,
    keepAliveSeconds: keepAlive,
    logLevel,
    metrics: options.metrics,
    log,
  });
  return { engine, source };
}

async function openKv(stack: AsyncDisposableStack, path: string): Promise<Deno.Kv> {
  stack.use(await lockKvFile(path));
  return stack.adopt(await Deno.openKv(path), (kv) => kv.close());
}

async function openAdapters(
  { dataDir, adaptersLimitMb, textingAdapter }: MlConfig,
  { log, ...parts }: Pick<AdapterDependencies, "engine" | "cache" | "models" | "texting"> & { log: Logger },
): Promise<Pick<MlContext, "registry" | "proofs" | "adapters">> {
  const registry = await openAdapterRegistry({ directory: join(dataDir, "adapters"), log });
  const texting = textingAdapter === "on" ? parts.texting ?? await readTextingAdapter() : undefined;
  const proofs = new AdapterProofs({
    get: (id) => id === texting?.manifest.id ? texting.manifest : registry.get(id),
  });
  const limitBytes = adaptersLimitMb * BYTES_OF_MB;
  return {
    registry,
    proofs,
    adapters: createAdapterService({ ...parts, registry, limitBytes, proofs, texting }),
  };
}

async function openModels(
  { model, gpu }: MlConfig,
  { driverFolders, ...parts }:
    & Pick<ModelServiceOptions, "engine" | "source" | "log">
    & Partial<Pick<MlOverrides, "driverFolders">>,
): Promise<ModelService> {
  return createModelService({
    ...parts,
    model,
    expectedGpu: gpu === "off" ? null : await findGpu(driverFolders),
  });
}

/**
 * Builds the service.
 *
 * @throws UserError when another process uses the data folder
 */
export async function createContext(
  config: MlConfig,
  overrides: Partial<MlOverrides> = {},
): Promise<MlContext> {
  const { signal = new AbortController().signal, texting } = overrides;
  const log = overrides.log ?? createLogger({ level: config.logLevel }).child({ service: "ml" });
  const metrics = createMetrics();
  const { dataDir, threads, trainingStart } = config;
  await using stack = new AsyncDisposableStack();
  await Deno.mkdir(dataDir, { recursive: true });
  const kv = overrides.kv ?? await openKv(stack, join(dataDir, "ml.kv"));
  const { engine, source } = await openEngine(config, { ...overrides, log, signal, metrics });
  if (engine !== overrides.engine) stack.use(engine);
  const table = await KvJobTable.open({ kv, queue: "ml", directory: join(dataDir, "jobs"), log });
  const jobs = new JobQueue<MlTasks>({ table, log, retentionMs: JOB_RETENTION_MS });
  stack.defer(() => jobs.stop({ graceMs: JOB_GRACE_MS }));
  const cache = createResponseCache({ kv, metrics });
  const models = await openModels(config, { engine, source, driverFolders: overrides.driverFolders, log });
  const { registry, proofs, adapters } = await openAdapters(config, { engine, cache, models, texting, log });
  const trainingJobs = await openTraining(stack, {
    kv,
    adapters,
    models,
    dataDir,
    queuedLimitBytes: config.trainingQueueLimitMb * BYTES_OF_MB,
    threads,
    trainingStart,
    stopping: signal,
    log,
  });
  const generation = createGenerationService({ engine, adapters, proofs, cache, metrics, log });
  const health = createHealthService({
    models,
    engine,
    proofs,
    pingKv: () => kv.get(["health"]),
    queuedJobs: () => jobs.queueLength(),
  });
  jobs.listen({ generate: createGenerateHandler(generation) }, { concurrency: config.sequences });
  const owned = stack.move();
  return {
    engine,
    registry,
    proofs,
    jobs,
    generation,
    generationJobs: new GenerationJobs(jobs, config),
    openAi: createOpenAiService({ generation, models, adapters }),
    models,
    adapters,
    cache,
    trainingJobs,
    health,
    token: config.token,
    hosts: allowedHosts({ host: config.host, names: config.allowedHosts }),
    metrics,
    log,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
