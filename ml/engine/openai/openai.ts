/** The engine on an OpenAI-compatible server, such as vLLM, llama-server or Ollama. */
import { ApiError } from "../../../lib/errors.ts";
import { EngineRequests, type WorkOptions } from "../engine_requests.ts";
import type { AdapterProof } from "../adapter_probe.ts";
import type {
  AdapterFile,
  Engine,
  EngineOccupancy,
  EvaluationRequest,
  Generation,
  GenerationOptions,
  GenerationRequest,
  Likelihood,
  ModelFile,
} from "../engine.ts";
import { readRemotePieces, remoteModelsSchema, remoteRequestOf } from "./openai_wire.ts";
import { RemoteReply } from "./remote_reply.ts";
import {
  createRemoteServer,
  type RemoteServer,
  type RemoteServerOptions,
  unavailable,
} from "./remote_server.ts";
import { ADAPTER_NAME_PREFIX, VllmAdapters, type VllmFolders } from "./vllm_adapters.ts";
import { evaluateRemotely } from "./vllm_evaluation.ts";

export interface OpenAiEngineOptions extends RemoteServerOptions {
  /** How many requests are sent at a time. */
  capacity: number;
  /** How many may wait. */
  queueLimit: number;
  /** Where the server is vLLM and may load adapters; null or absent: it serves none. */
  vllm?: VllmFolders | null;
}

/** An engine that can list the models of its server. */
export interface RemoteEngine extends Engine {
  listModels(): Promise<string[]>;
}

const LIST_TIMEOUT_MS = 10_000;
const LLAMA_ONLY =
  "A remote engine cannot evaluate samples, nor serve adapters; set ENGINE=llama for that, or " +
  "ENGINE_ADAPTERS=vllm where the server is vLLM";

/** What a request is sent to, and what its reply says of that. */
interface Target extends Pick<Generation, "modelId" | "adapterId" | "adapterProof"> {
  /** What the server calls it. */
  name: string;
}

/** See {@linkcode Engine}. Made by {@linkcode createOpenAiEngine}. */
class OpenAiEngine implements RemoteEngine {
  readonly #server: RemoteServer;
  readonly #requests: EngineRequests;
  readonly #adapters: VllmAdapters | null;
  #modelId: string | null = null;

  constructor(options: OpenAiEngineOptions) {
    this.#server = createRemoteServer(options);
    this.#requests = new EngineRequests(options);
    this.#adapters = options.vllm ? new VllmAdapters(this.#server, options.vllm) : null;
  }

  get modelId(): string | null {
    return this.#modelId;
  }

  get occupancy(): EngineOccupancy {
    return this.#requests.occupancy;
  }

  async listModels(): Promise<string[]> {
    const signal = AbortSignal.any([this.#requests.closed, AbortSignal.timeout(LIST_TIMEOUT_MS)]);
    const answer = await this.#server.send("/v1/models", { signal });
    const parsed = remoteModelsSchema.safeParse(await answer.json().catch(() => null));
    if (!parsed.success) throw unavailable("The model server's list of models has an unknown shape");
    const ids = parsed.data.data.map(({ id }) => id);
    return ids.filter((id) => !id.startsWith(ADAPTER_NAME_PREFIX));
  }

  async load({ id, path }: ModelFile): Promise<void> {
    const ids = await this.listModels();
    const found = id === "auto" ? ids[0] : ids.find((candidate) => candidate === id);
    if (found === undefined) {
      throw new Error(`The model server has no model ${id}; it has ${ids.join(", ") || "none at all"}`);
    }
    await this.#adapters?.begin({ id: found, path });
    this.#modelId = found;
  }

  async generate(request: GenerationRequest, options: GenerationOptions = {}): Promise<Generation> {
    if (request.adapter !== undefined && this.#adapters === null) {
      throw new ApiError("not_implemented", LLAMA_ONLY);
    }
    return await this.#requests.generate(request, options, (options) => {
      return this.#naming(request.adapter, options, (target) => {
        return this.#generate(request, { ...options, target });
      });
    });
  }

  async evaluate(
    { samples, adapter }: EvaluationRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<Likelihood[]> {
    if (this.#adapters === null) throw new ApiError("not_implemented", LLAMA_ONLY);
    return await this.#requests.background(options, (signal) => {
      return this.#naming(adapter, { signal }, ({ name }) => {
        return evaluateRemotely({ server: this.#server, name }, samples, { signal });
      });
    });
  }

  async probeAdapter(adapter: AdapterFile): Promise<AdapterProof> {
    if (this.#adapters === null) throw new ApiError("not_implemented", LLAMA_ONLY);
    return await this.#adapters.prove(adapter);
  }

  async retireAdapter(adapterId: string): Promise<void> {
    await this.#adapters?.retire(adapterId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requests.close();
    await this.#adapters?.[Symbol.asyncDispose]();
  }

  /**
   * Asks the server by the name of the model, or of an adapter. One that the server has forgotten, as it does when it
   * starts again, is loaded once more.
   */
  async #naming<Result>(
    adapter: AdapterFile | undefined,
    { signal }: { signal: AbortSignal },
    ask: (target: Target) => Promise<Result>,
  ): Promise<Result> {
    const modelId = this.#modelId;
    if (modelId === null) {
      throw new ApiError("model_not_loaded", "No model is chosen; /health says why");
    }
    if (adapter === undefined || this.#adapters === null) return await ask({ modelId, name: modelId });
    for (let isRetry = false;; isRetry = true) {
      using lease = await this.#adapters.acquire(adapter, { signal });
      try {
        const { name, proof: adapterProof } = lease.loaded;
        return await ask({ modelId, name, adapterId: adapter.id, adapterProof });
      } catch (error) {
        const isForgotten = error instanceof ApiError && error.code === "model_not_loaded";
        if (!isForgotten || isRetry) throw error;
        lease.loaded.isLost = true;
      }
    }
  }

  async #generate(
    request: GenerationRequest,
    options: WorkOptions & { target: Target },
  ): Promise<Generation> {
    const { signal, target: { name, modelId, ...adapter } } = options;
    const reply = new RemoteReply(request, options);
    const { path, body } = remoteRequestOf(request, name);
    try {
      const answer = await this.#server.send(`/v1${path}`, {
        method: "POST",
        body: JSON.stringify(body),
        signal,
      });
      if (!answer.body) throw unavailable("The model server answered without a body");
      for await (const piece of readRemotePieces(answer.body)) {
        signal.throwIfAborted();
        if (reply.add(piece)) break;
      }
      return { ...reply.end(modelId), ...adapter };
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
