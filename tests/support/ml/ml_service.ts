/** Runs the ml service in this process for tests: on any engine, with real KV, in a folder of its own. */
import assert from "node:assert/strict";
import { errorBodySchema } from "../../../contract/errors.ts";
import { createLogger } from "../../../lib/log.ts";
import { createMlApp } from "../../../ml/app.ts";
import { type MlConfig, mlConfigFrom } from "../../../ml/config.ts";
import { createContext, type MlContext } from "../../../ml/context.ts";
import type { Engine } from "../../../ml/engine/engine.ts";
import type { TextingAdapter } from "../../../ml/models/texting_adapter.ts";
import { remoteModelSource } from "../../../ml/models/model_source.ts";

export interface MlService extends Pick<MlContext, "engine" | "models" | "registry" | "adapters" | "jobs"> {
  dir: string;
  /** Lines of the service's log. */
  logLines: string[];
  /** Answers a request, as the running service does. */
  fetch: (request: Request) => Promise<Response>;
  request: (path: string, init?: RequestInit) => Promise<Response>;
  post: (path: string, body: unknown, init?: RequestInit) => Promise<Response>;
}

export interface MlServiceOptions {
  engine: Engine;
  /** The models folder and the data folder in one. */
  dir: string;
  token?: string;
  /** The setting MODEL. */
  model?: string;
  adaptersLimitBytes?: number;
  queuedLimitBytes?: number;
  /** How many background generations may wait. */
  queueLimit?: number;
  /** Shared with another service, as a restarted one finds it; by default an own, empty one. */
  kv?: Deno.Kv;
  /** Shipped, for drafts of accounts without an adapter. */
  texting?: TextingAdapter;
  /** The settings TEXTING_ADAPTER and TRAINING_START. */
  settings?: Pick<Partial<MlConfig>, "textingAdapter" | "trainingStart">;
  /** The folder of device files. */
  driverFolders?: readonly string[];
  /** Lists the models of another server, which then replaces the models folder. */
  remote?: () => Promise<string[]>;
}

/** Runs a test on the service around an engine. It loads no model before `models.start()`. */
export async function withMlService(
  options: MlServiceOptions,
  use: (service: MlService) => Promise<void>,
): Promise<void> {
  const { engine, dir, token = null, model = "tiny", remote } = options;
  const { adaptersLimitBytes = 1e9, queuedLimitBytes = 1e9 } = options;
  const config = {
    ...mlConfigFrom({ DATA_DIR: dir, MODELS_DIR: dir, MODEL: model, SEQUENCES: "2", THREADS: "1" }),
    token,
    ...options.settings,
    ...(options.queueLimit === undefined ? {} : { queueLimit: options.queueLimit }),
    // Port 9 of the loopback address: no hub answers there.
    hubUrl: "http://127.0.0.1:9",
    adaptersLimitMb: adaptersLimitBytes / 1e6,
    trainingQueueLimitMb: queuedLimitBytes / 1e6,
  };
  const logLines: string[] = [];
  const log = createLogger({ pretty: false, level: "debug", write: (line) => logLines.push(line) });
  const stopping = new AbortController();
  await using stack = new AsyncDisposableStack();
  const kv = options.kv ?? stack.adopt(await Deno.openKv(":memory:"), (kv) => kv.close());
  const source = remote && remoteModelSource(remote);
  const context = stack.use(
    await createContext(config, {
      engine,
      source,
      kv,
      log,
      signal: stopping.signal,
      texting: options.texting,
      driverFolders: options.driverFolders,
    }),
  );
  stack.defer(() => stopping.abort());
  const app = createMlApp(context);
  const request = async (path: string, init?: RequestInit) => await app.request(path, init);
  const post: MlService["post"] = (path, body, init = {}) =>
    request(path, {
      method: "POST",
      body: JSON.stringify(body),
      ...init,
      headers: { "content-type": "application/json", ...init.headers },
    });
  const fetch: MlService["fetch"] = async (request) => await app.fetch(request);
  await use({ ...context, dir, logLines, fetch, request, post });
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

/** The events of a stream of server-sent events, without the comments that keep a slow one open. */
export function eventsOf(text: string): ServerSentEvent[] {
  return text.trim().split("\n\n").filter((block) => !block.startsWith(":")).map((block) => {
    const fields = block.split("\n").map((line) => /^(\w+): (.*)$/.exec(line)?.slice(1) ?? []);
    const { data, ...event } = Object.fromEntries(fields);
    return { ...event, data: JSON.parse(data) };
  });
}
