/** The ml service's HTTP app: mounts the routes on the services of a context, behind the token where there is one. */
import { createHash, timingSafeEqual } from "node:crypto";
import { ML_PATHS, pathOf } from "../contract/paths.ts";
import { createMiddleware } from "../deps.ts";
import { ApiError } from "../lib/errors.ts";
import type { AllowedHosts } from "../lib/http/allowed_hosts.ts";
import { DOCS_PATHS, mountDocs } from "../lib/http/api_docs.ts";
import { type ApiEnv, bearerTokenOf, createApiApp } from "../lib/http/app.ts";
import { type BodyLimits, receiveBodies } from "../lib/http/request_bodies.ts";
import type { Logger } from "../lib/log.ts";
import { measureRequests, type Metrics, mountMetrics } from "../lib/metrics.ts";
import { VERSION } from "../lib/version.ts";
import type { ResponseCache } from "./cache/response_cache.ts";
import { generationRoutes } from "./routes/generation_routes.ts";
import { modelRoutes } from "./routes/model_routes.ts";
import { openAiErrorAt, openAiRoutes } from "./routes/openai_routes.ts";
import { serviceRoutes } from "./routes/service_routes.ts";
import { trainingRoutes } from "./routes/training_routes.ts";
import type { AdapterService } from "./services/adapter_service.ts";
import type { GenerationJobs } from "./services/generation_jobs.ts";
import type { GenerationService } from "./services/generation_service.ts";
import type { HealthService, ModelService } from "./services/model_service.ts";
import type { OpenAiService } from "./services/openai_service.ts";
import type { TrainingJobs } from "./services/training_jobs.ts";

const MEBIBYTE = 1024 * 1024;
/** Largest request body; a prompt has at most a million characters. */
const MAX_BODY_BYTES = 4 * MEBIBYTE;
/** Requests that carry many samples: room for 20,000 of 3,300 bytes, prompt and reply together. */
const MAX_SAMPLES_BODY_BYTES = 64 * MEBIBYTE;

const ADAPTER_FILE_PATH = new RegExp(
  `^${pathOf(ML_PATHS.adapterFile, { id: "ID" }).replace("ID", "[^/]+")}$`,
);

const BODY_LIMITS: BodyLimits = {
  maxBodyBytes: MAX_BODY_BYTES,
  maxBytesInFlight: 32 * MEBIBYTE,
  maxBodyBytesOf: {
    [ML_PATHS.evaluate]: MAX_SAMPLES_BODY_BYTES,
    [ML_PATHS.startTraining]: MAX_SAMPLES_BODY_BYTES,
  },
  // An adapter is written to the disk as it comes, within what its manifest and ADAPTERS_LIMIT_MB allow.
  isStreamed: ({ method, path }) => method === "PUT" && ADAPTER_FILE_PATH.test(path),
};

/** Operations that need no token. */
const OPEN_PATHS: readonly string[] = [ML_PATHS.health, ML_PATHS.ready];

/** What the routes need of a context. */
export interface MlServices {
  readonly generation: GenerationService;
  readonly generationJobs: GenerationJobs;
  readonly openAi: OpenAiService;
  readonly models: ModelService;
  readonly adapters: AdapterService;
  readonly cache: ResponseCache;
  readonly trainingJobs: TrainingJobs;
  readonly health: HealthService;
  /** Required of every request but those for health and documentation; null on a loopback address. */
  readonly token: string | null;
  readonly hosts: AllowedHosts;
  readonly metrics: Metrics;
  readonly log: Logger;
}

function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/**
 * Rejects requests without the token, except for some paths.
 *
 * Hashes are compared in constant time, so that timing reveals neither the token nor its length.
 */
function requireToken(options: { token: string; openPaths: readonly string[] }) {
  const expected = digestOf(options.token);
  return createMiddleware<ApiEnv>(async (c, next) => {
    const given = bearerTokenOf(c);
    const isOpen = options.openPaths.includes(c.req.path);
    if (!isOpen && (given === null || !timingSafeEqual(digestOf(given), expected))) {
      throw new ApiError("unauthorized", "This needs the header Authorization: Bearer with the ML_TOKEN");
    }
    await next();
  });
}

/** Makes the service's app; `app.fetch` serves it and `app.request` tests it. */
export function createMlApp(services: MlServices) {
  const { log, metrics, token, hosts } = services;
  const app = createApiApp({ log, hosts, errorAnswerOf: openAiErrorAt });
  app.use(measureRequests(metrics));
  if (token !== null) app.use(requireToken({ token, openPaths: [...OPEN_PATHS, ...DOCS_PATHS] }));
  app.use(receiveBodies(BODY_LIMITS));
  app.route("/", serviceRoutes(services));
  app.route("/", generationRoutes(services));
  app.route("/", openAiRoutes(services));
  app.route("/", modelRoutes(services));
  app.route("/", trainingRoutes(services));
  mountMetrics(app, { path: ML_PATHS.metrics, metrics });
  mountDocs(app, {
    paths: ML_PATHS,
    openPaths: OPEN_PATHS,
    title: "Conversation Assistant: ml",
    version: VERSION,
    description:
      "Runs the language model: generates replies, rates how probable it finds them, and learns from a person's own.",
  });
  return app;
}
