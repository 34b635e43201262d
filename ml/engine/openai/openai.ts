/** The engine on an OpenAI-compatible server, such as vLLM, llama-server or Ollama. */
import { ApiError } from "../../../lib/errors.ts";
import { EngineRequests, type WorkOptions } from "../engine_requests.ts";
import type {
  Engine,
  EngineOccupancy,
  Generation,
  GenerationOptions,
  GenerationRequest,
  Likelihood,
  ModelFile,
} from "../engine.ts";
import { readRemotePieces, remoteModelsSchema, remoteRequestOf } from "./openai_wire.ts";
import { RemoteReply } from "./remote_reply.ts";

export interface OpenAiEngineOptions {
  /** The API's address, with or without `/v1` at its end. */
  url: string;
  token?: string | null;
  /** How many requests are sent at a time. */
  capacity: number;
  /** How many may wait. */
  queueLimit: number;
}

/** An engine that can list the models of its server. */
export interface RemoteEngine extends Engine {
  listModels(): Promise<string[]>;
}

/** Sends a request to the server and returns its successful response. */
type Send = (path: string, init: RequestInit) => Promise<Response>;

const RETRY_AFTER_SECONDS = 10;
const LIST_TIMEOUT_MS = 10_000;
const LLAMA_ONLY = "A remote engine cannot evaluate samples, nor serve adapters; set ENGINE=llama for that";

function unavailable(message: string, cause?: unknown): ApiError {
  return new ApiError("ml_unavailable", message, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

/** A refusal as our own error. The server's words may quote the prompt and are left out. */
function refusalOf(response: Response): ApiError {
  const { status } = response;
  if (status === 404) return new ApiError("model_not_loaded", "The model server does not have the model");
  if (status === 400 || status === 413 || status === 422) {
    return new ApiError(
      "validation_failed",
      "The model server refused the request: its prompt may be too long",
    );
  }
  if (status === 429 || status === 503) {
    const seconds = Number(response.headers.get("retry-after")) || RETRY_AFTER_SECONDS;
    return new ApiError("queue_full", "The model server is busy", { retryAfterSeconds: seconds });
  }
  return unavailable(`The model server answered with status ${status}`);
}

function createSend({ url, token }: OpenAiEngineOptions): Send {
  const baseUrl = url.endsWith("/v1") ? url : `${url}/v1`;
  return async (path, init) => {
    const headers = {
      "content-type": "application/json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const response = await fetch(baseUrl + path, { ...init, headers }).catch((error) => {
      init.signal?.throwIfAborted();
      throw unavailable(`The model server at ${baseUrl} cannot be reached`, error);
    });
    if (response.ok) return response;
    await response.body?.cancel();
    throw refusalOf(response);
  };
}

/** See {@linkcode Engine}. Made by {@linkcode createOpenAiEngine}. */
class OpenAiEngine implements RemoteEngine {
  readonly #send: Send;
  readonly #requests: EngineRequests;
  #modelId: string | null = null;

  constructor(options: OpenAiEngineOptions) {
    this.#send = createSend(options);
    this.#requests = new EngineRequests(options);
  }

  get modelId(): string | null {
    return this.#modelId;
  }

  get occupancy(): EngineOccupancy {
    return this.#requests.occupancy;
  }

  async listModels(): Promise<string[]> {
    const signal = AbortSignal.any([this.#requests.closed, AbortSignal.timeout(LIST_TIMEOUT_MS)]);
    const answer = await this.#send("/models", { signal });
    const parsed = remoteModelsSchema.safeParse(await answer.json().catch(() => null));
    if (!parsed.success) throw unavailable("The model server's list of models has an unknown shape");
    return parsed.data.data.map(({ id }) => id);
  }

  async load({ id }: ModelFile): Promise<void> {
    const ids = await this.listModels();
    const found = id === "auto" ? ids[0] : ids.find((candidate) => candidate === id);
    if (found === undefined) {
      throw new Error(`The model server has no model ${id}; it has ${ids.join(", ") || "none at all"}`);
    }
    this.#modelId = found;
  }

  async generate(request: GenerationRequest, options: GenerationOptions = {}): Promise<Generation> {
    if (request.adapter !== undefined) throw new ApiError("not_implemented", LLAMA_ONLY);
    return await this.#requests.generate(request, options, async (options) => {
      if (this.#modelId === null) {
        throw new ApiError("model_not_loaded", "No model is chosen; /health says why");
      }
      return await this.#generate(request, { ...options, model: this.#modelId });
    });
  }

  evaluate(): Promise<Likelihood[]> {
    return Promise.reject(new ApiError("not_implemented", LLAMA_ONLY));
  }

  probeAdapter(): Promise<never> {
    return Promise.reject(new ApiError("not_implemented", LLAMA_ONLY));
  }

  retireAdapter(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#requests.close();
    return Promise.resolve();
  }

  async #generate(
    request: GenerationRequest,
    options: WorkOptions & { model: string },
  ): Promise<Generation> {
    const { signal, model } = options;
    const reply = new RemoteReply(request, options);
    const { path, body } = remoteRequestOf(request, model);
    try {
      const answer = await this.#send(path, { method: "POST", body: JSON.stringify(body), signal });
      if (!answer.body) throw unavailable("The model server answered without a body");
      for await (const piece of readRemotePieces(answer.body)) {
        signal.throwIfAborted();
        if (reply.add(piece)) break;
      }
      return reply.end(model);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiError) throw error;
      throw unavailable("The model server's answer broke off or has an unknown shape", error);
    }
  }
}

/** Makes an engine on a server. `confidence` is 0 where the server gives no log-probabilities. */
export function createOpenAiEngine(options: OpenAiEngineOptions): RemoteEngine {
  return new OpenAiEngine(options);
}
