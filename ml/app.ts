/** Owns the ml service's HTTP app: its services made, its routes mounted, the token required, requests measured. */
import { ML_PATHS } from "../contract/paths.ts";
import { mountDocs } from "../lib/http/api_docs.ts";
import { createApiApp } from "../lib/http/app.ts";
import type { JobQueue } from "../lib/jobs/job_queue.ts";
import type { Logger } from "../lib/log.ts";
import { measureRequests, type Metrics, mountMetrics } from "../lib/metrics.ts";
import { VERSION } from "../lib/version.ts";
import type { ResponseCache } from "./cache/response_cache.ts";
import type { Engine } from "./engine/engine.ts";
import { cacheRoutes } from "./routes/cache_routes.ts";
import { evaluationRoutes } from "./routes/evaluation_routes.ts";
import { generationJobRoutes } from "./routes/generation_job_routes.ts";
import { generationRoutes } from "./routes/generation_routes.ts";
import { healthRoutes } from "./routes/health_routes.ts";
import { modelRoutes } from "./routes/model_routes.ts";
import { requireToken } from "./routes/require_token.ts";
import { trainingRoutes } from "./routes/training_routes.ts";
import type { AdapterService } from "./services/adapter_service.ts";
import { createEvaluationService } from "./services/evaluation_service.ts";
import { createGenerationJobs, type MlTasks } from "./services/generation_jobs.ts";
import type { GenerationService } from "./services/generation_service.ts";
import { createHealthService } from "./services/health_service.ts";
import type { ModelService } from "./services/model_service.ts";
import type { TrainingJobs } from "./services/training_jobs.ts";

const MEBIBYTE = 1024 * 1024;
/** Largest request body; a prompt has at most a million characters. */
const MAX_BODY_BYTES = 4 * MEBIBYTE;
/** Requests that carry many samples. */
const MAX_SAMPLES_BODY_BYTES = 256 * MEBIBYTE;

export interface MlAppOptions {
  engine: Engine;
  generation: GenerationService;
  models: ModelService;
  adapters: AdapterService;
  cache: ResponseCache;
  jobs: JobQueue<MlTasks>;
  trainingJobs: TrainingJobs;
  /** Rejects unless the store of jobs and cache answers. */
  pingKv: () => Promise<unknown>;
  /** Required of every request but `/health`; null on a loopback address. */
  token: string | null;
  metrics: Metrics;
  log: Logger;
}

/** Makes the service's app; `app.fetch` serves it and `app.request` tests it. */
export function createMlApp(options: MlAppOptions) {
  const { engine, generation, models, adapters, cache, jobs, trainingJobs, pingKv, token, metrics, log } =
    options;
  const app = createApiApp({
    log,
    maxBodyBytes: MAX_BODY_BYTES,
    maxBodyBytesOf: {
      [ML_PATHS.evaluate]: MAX_SAMPLES_BODY_BYTES,
      [ML_PATHS.startTraining]: MAX_SAMPLES_BODY_BYTES,
    },
  });
  const health = createHealthService({ models, engine, pingKv, queuedJobs: () => jobs.queueLength() });
  app.use(measureRequests(metrics));
  if (token !== null) app.use(requireToken({ token, openPaths: [ML_PATHS.health] }));
  app.route("/", healthRoutes({ health }));
  app.route("/", generationRoutes({ generation, log }));
  app.route("/", generationJobRoutes({ generationJobs: createGenerationJobs(jobs) }));
  app.route("/", modelRoutes({ models, adapters }));
  app.route("/", cacheRoutes({ cache }));
  app.route("/", evaluationRoutes({ evaluation: createEvaluationService({ engine, adapters }) }));
  app.route("/", trainingRoutes({ trainingJobs, log }));
  mountMetrics(app, { path: ML_PATHS.metrics, metrics });
  mountDocs(app, {
    title: "Conversation Assistant: ml",
    version: VERSION,
    description:
      "Runs the language model: generates replies, says how probable it finds them, and learns a person's.",
  });
  return app;
}
