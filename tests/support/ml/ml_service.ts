/** Runs the ml service's app in this process for tests: around any engine, with real KV, in a folder of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { errorBodySchema } from "../../../contract/errors.ts";
import { KvJobQueue } from "../../../lib/jobs/kv_job_queue.ts";
import { createLogger } from "../../../lib/log.ts";
import { createMetrics } from "../../../lib/metrics.ts";
import { createMlApp } from "../../../ml/app.ts";
import { createResponseCache } from "../../../ml/cache/response_cache.ts";
import type { Engine } from "../../../ml/engine/engine.ts";
import { type AdapterRegistry, openAdapterRegistry } from "../../../ml/models/adapter_registry.ts";
import { type AdapterService, createAdapterService } from "../../../ml/services/adapter_service.ts";
import { createGenerateHandler, type MlTasks } from "../../../ml/services/generation_jobs.ts";
import { createGenerationService } from "../../../ml/services/generation_service.ts";
import { createModelService, type ModelService } from "../../../ml/services/model_service.ts";
import { fileModelSource, remoteModelSource } from "../../../ml/services/model_sources.ts";
import { openTraining } from "../../../ml/services/training.ts";

export interface MlService {
  engine: Engine;
  models: ModelService;
  registry: AdapterRegistry;
  adapters: AdapterService;
  jobs: KvJobQueue<MlTasks>;
  dir: string;
  /** Lines of the service's log. */
  logLines: string[];
  request: (path: string, init?: RequestInit) => Promise<Response>;
  post: (path: string, body: unknown, init?: RequestInit) => Promise<Response>;
}

export interface MlServiceOptions {
  engine: Engine;
  /** The models folder; data go into it too. */
  dir: string;
  token?: string;
  /** The setting MODEL. */
  model?: string;
  adaptersLimitBytes?: number;
  queuedLimitBytes?: number;
  /** Asks the server that holds the models, instead of the models folder. */
  remote?: () => Promise<string[]>;
}

/** Runs a test on the app around an engine. No model is loaded through the service before `models.start()`. */
export async function withMlService(
  options: MlServiceOptions,
  use: (service: MlService) => Promise<void>,
): Promise<void> {
  const { engine, dir, token = null, model = "tiny" } = options;
  const { adaptersLimitBytes: limitBytes = 1e9, queuedLimitBytes = 1e9 } = options;
  const logLines: string[] = [];
  const log = createLogger({ pretty: false, level: "debug", write: (line) => logLines.push(line) });
  await using stack = new AsyncDisposableStack();
  const kv = stack.adopt(await Deno.openKv(":memory:"), (kv) => kv.close());
  const jobs = new KvJobQueue<MlTasks>({ name: "ml", kv, directory: dir, log });
  stack.defer(() => jobs.stop());
  const metrics = createMetrics();
  const cache = createResponseCache({ kv });
  // Port 9 of the loopback address: no hub answers there.
  const source = options.remote
    ? remoteModelSource(options.remote)
    : fileModelSource({ modelsDir: dir, hubUrl: "http://127.0.0.1:9", log });
  const models = createModelService({ engine, source, model, log });
  const registry = await openAdapterRegistry({ directory: join(dir, "adapters"), log });
  const adapters = createAdapterService({ registry, engine, cache, models, limitBytes });
  const generation = createGenerationService({ engine, adapters, cache, metrics, log });
  const stopping = new AbortController();
  stack.defer(() => stopping.abort());
  const trainingJobs = await openTraining(stack, {
    kv,
    adapters,
    models,
    dataDir: dir,
    queuedLimitBytes,
    threads: 1,
    stopping: stopping.signal,
    log,
  });
  const pingKv = () => kv.get(["health"]);
  const app = createMlApp({
    engine,
    generation,
    models,
    adapters,
    cache,
    jobs,
    trainingJobs,
    pingKv,
    token,
    metrics,
    log,
  });
  jobs.listen({ generate: createGenerateHandler(generation) }, { concurrency: 2 });
  const request = async (path: string, init?: RequestInit) => await app.request(path, init);
  const post: MlService["post"] = (path, body, init = {}) =>
    request(path, {
      method: "POST",
      body: JSON.stringify(body),
      ...init,
      headers: { "content-type": "application/json", ...init.headers },
    });
  await use({ engine, models, registry, adapters, jobs, dir, logLines, request, post });
}

/**
 * Asserts that an answer is the documented error.
 *
 * @param expected status and code, such as `404 not_found`
 * @returns its sentence
 */
export async function assertError(response: Response, expected: string): Promise<string> {
  const body = errorBodySchema.parse(await response.json());
  assert.equal(`${response.status} ${body.code}`, expected, body.message);
  assert.equal(body.statusCode, response.status);
  return body.message;
}

export interface ServerSentEvent {
  event?: string;
  id?: string;
  data: Record<string, unknown>;
}

/** The events of a stream of server-sent events. */
export function eventsOf(text: string): ServerSentEvent[] {
  return text.trim().split("\n\n").map((block) => {
    const fields = block.split("\n").map((line) => /^(\w+): (.*)$/.exec(line)?.slice(1) ?? []);
    const { data, ...event } = Object.fromEntries(fields);
    return { ...event, data: JSON.parse(data) };
  });
}
