/** Owns what a running ml service holds open: engine, cache, jobs; closed in reverse order. */
import { join } from "node:path";
import { KvJobQueue } from "../lib/jobs/kv_job_queue.ts";
import { messageOf, UserError } from "../lib/errors.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { createMetrics } from "../lib/metrics.ts";
import { createMlApp } from "./app.ts";
import { createResponseCache } from "./cache/response_cache.ts";
import type { MlConfig } from "./config.ts";
import type { Engine } from "./engine/engine.ts";
import { openAdapterRegistry } from "./models/adapter_registry.ts";
import { DEFAULT_HUB_URL } from "./models/catalog.ts";
import { createAdapterService } from "./services/adapter_service.ts";
import { createGenerateHandler, type MlTasks } from "./services/generation_jobs.ts";
import { createGenerationService } from "./services/generation_service.ts";
import { createModelService, type ModelService, type ModelSource } from "./services/model_service.ts";
import { openTraining } from "./services/training.ts";
import { fileModelSource, remoteModelSource } from "./services/model_sources.ts";

/** How long background generations may go on once the service stops; the rest are handed back to the queue. */
const JOB_GRACE_MS = 3_000;
/** Results of background generations hold replies: they are kept for a day. */
const JOB_RETENTION_MS = 24 * 3_600_000;

const BYTES_OF_MB = 1_000_000;

/** A service that is ready to serve, with no model loaded yet. Disposing it closes everything. */
export interface MlContext extends AsyncDisposable {
  readonly app: ReturnType<typeof createMlApp>;
  readonly models: ModelService;
  readonly log: Logger;
}

interface OpenedEngine {
  engine: Engine;
  source: ModelSource;
}

/** Only the engine that is used is loaded: llama.cpp's library is large. */
async function openEngine(
  config: MlConfig,
  options: { log: Logger; signal: AbortSignal },
): Promise<OpenedEngine> {
  if (config.engine === "openai") {
    const { createOpenAiEngine } = await import("./engine/openai/openai.ts");
    const engine = createOpenAiEngine({
      url: config.engineUrl ?? "",
      token: config.engineToken,
      capacity: config.sequences,
      queueLimit: config.queueLimit,
    });
    return { engine, source: remoteModelSource(() => engine.listModels()) };
  }
  const { createLlamaEngine } = await import("./engine/llama/llama.ts");
  const engine = await createLlamaEngine({ ...config, log: options.log }).catch((error) => {
    throw new UserError(messageOf(error));
  });
  const hubUrl = config.hubUrl ?? DEFAULT_HUB_URL;
  return { engine, source: fileModelSource({ modelsDir: config.modelsDir, hubUrl, ...options }) };
}

/**
 * Opens all that the service needs.
 *
 * @param options `signal` ends downloads of a model
 * @throws UserError when the engine cannot run on this machine
 */
export async function openContext(config: MlConfig, options: { signal: AbortSignal }): Promise<MlContext> {
  const log = createLogger({ level: config.logLevel }).child({ service: "ml" });
  await using stack = new AsyncDisposableStack();
  const { engine, source } = await openEngine(config, { log, ...options });
  stack.use(engine);
  await Deno.mkdir(config.dataDir, { recursive: true });
  const kv = stack.adopt(await Deno.openKv(join(config.dataDir, "ml.kv")), (kv) => kv.close());
  const jobs = new KvJobQueue<MlTasks>({
    name: "ml",
    kv,
    directory: join(config.dataDir, "jobs"),
    log,
    retentionMs: JOB_RETENTION_MS,
  });
  stack.defer(() => jobs.stop({ graceMs: JOB_GRACE_MS }));
  const metrics = createMetrics();
  const cache = createResponseCache({ kv });
  const models = createModelService({ engine, source, model: config.model, log });
  const adapters = createAdapterService({
    registry: await openAdapterRegistry({ directory: join(config.dataDir, "adapters"), log }),
    engine,
    cache,
    models,
    limitBytes: config.adaptersLimitMb * BYTES_OF_MB,
  });
  const trainingJobs = await openTraining(stack, {
    kv,
    adapters,
    models,
    dataDir: config.dataDir,
    queuedLimitBytes: config.trainingQueueLimitMb * BYTES_OF_MB,
    threads: config.threads,
    stopping: options.signal,
    log,
  });
  const generation = createGenerationService({ engine, adapters, cache, metrics, log });
  const app = createMlApp({
    engine,
    generation,
    models,
    adapters,
    cache,
    jobs,
    trainingJobs,
    pingKv: () => kv.get(["health"]),
    token: config.token,
    metrics,
    log,
  });
  jobs.listen({ generate: createGenerateHandler(generation) }, { concurrency: config.sequences });
  const owned = stack.move();
  return { app, models, log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
