/** A model in memory: weights, context, chat template, sequences and adapters. */
import { JinjaTemplateChatWrapper, type Llama, type LlamaModel } from "node-llama-cpp";
import { messageOf } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { AdapterCache } from "../adapter_cache.ts";
import type { AdapterProof } from "../adapter_probe.ts";
import type { AdapterFile, ModelFile } from "../engine.ts";
import { DecodeLoop } from "../libllama/decode_loop.ts";
import { type ContextSizes, NativeContext } from "../libllama/native_context.ts";
import type { NativeAdapter, NativeModel } from "../libllama/native_model.ts";
import { type LoadedAdapter, openAdapter } from "./llama_adapter.ts";
import { loadFile } from "./llama_library.ts";
import { ModelProbe } from "./llama_probe.ts";
import { SequencePool } from "./sequences.ts";

/** How many tokens of a sample's reply are evaluated at a time: the logits of a large vocabulary take megabytes. */
const EVALUATED_OUTPUTS = 8;

export interface LlamaOptions extends ContextSizes {
  /** How many adapters are kept in memory at a time. */
  adapterContexts: number;
  log: Logger;
}

/** What answers a request: the model alone, or with an adapter. */
export interface ServedModel {
  readonly id: string;
  readonly adapterId?: string;
  readonly adapterProof?: AdapterProof;
  readonly adapter: NativeAdapter | null;
  readonly native: NativeModel;
  /** Its vocabulary; the weights are the loop's. */
  readonly model: LlamaModel;
  readonly loop: DecodeLoop;
  readonly pool: SequencePool;
  /** The model's own chat template; null for a base model. */
  readonly template: JinjaTemplateChatWrapper | null;
  readonly contextSize: number;
}

/** A loaded model. Disposing waits for its users. */
export class LoadedModel implements ServedModel, AsyncDisposable {
  readonly id: string;
  readonly adapter = null;
  readonly model: LlamaModel;
  readonly native: NativeModel;
  readonly loop: DecodeLoop;
  readonly pool: SequencePool;
  readonly template: JinjaTemplateChatWrapper | null;
  readonly contextSize: number;
  readonly #memory: AsyncDisposable;
  readonly #adapters: AdapterCache<AdapterFile, LoadedAdapter>;
  readonly #probe = new ModelProbe(this);
  #users = 0;
  #idle = Promise.withResolvers<void>();

  constructor(dependencies: {
    id: string;
    model: LlamaModel;
    native: NativeModel;
    context: NativeContext;
    /** Disposed with the model: it holds the others. */
    memory: AsyncDisposable;
    template: JinjaTemplateChatWrapper | null;
    sizes: ContextSizes;
    adapterContexts: number;
  }) {
    const { native, sizes: { contextSize, sequences } } = dependencies;
    this.id = dependencies.id;
    this.model = dependencies.model;
    this.native = native;
    this.template = dependencies.template;
    this.contextSize = contextSize;
    this.loop = new DecodeLoop(dependencies.context);
    this.pool = new SequencePool({ sequences });
    this.#memory = dependencies.memory;
    this.#adapters = new AdapterCache({
      limit: dependencies.adapterContexts,
      open: (adapter) => openAdapter(this, adapter, { probe: this.#probe }),
    });
    this.#idle.resolve();
  }

  /** Keeps the model in memory until the result is disposed. */
  use(): Disposable {
    if (this.#users++ === 0) this.#idle = Promise.withResolvers();
    return {
      [Symbol.dispose]: () => {
        if (--this.#users === 0) this.#idle.resolve();
      },
    };
  }

  /**
   * The model with an adapter, or without one, for one run; disposing releases it.
   *
   * @throws Error when the adapter cannot be loaded; the signal's reason when that aborts first
   */
  async serve(
    adapter: AdapterFile | undefined,
    options: { signal?: AbortSignal },
  ): Promise<{ served: ServedModel } & Disposable> {
    if (adapter === undefined) return { served: this, [Symbol.dispose]: () => {} };
    const lease = await this.#adapters.acquire(adapter, options);
    const { id, native, model, loop, pool, template, contextSize } = this;
    const { weights, proof: adapterProof } = lease.loaded;
    const shared = { id, native, model, loop, pool, template, contextSize };
    const served = { ...shared, adapterId: adapter.id, adapter: weights, adapterProof };
    return { served, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  }

  /** Proves that an adapter can be served; it is unloaded again. */
  async probeAdapter(adapter: AdapterFile): Promise<AdapterProof> {
    await using loaded = await openAdapter(this, adapter, { probe: this.#probe });
    return loaded.proof;
  }

  /** Frees an adapter once it is idle. */
  retireAdapter(adapterId: string): Promise<void> {
    return this.#adapters.retire(adapterId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#idle.promise;
    await this.#adapters[Symbol.asyncDispose]();
    await this.#memory[Symbol.asyncDispose]();
  }
}

/** The model's own chat template; null when it has none, or none that can be used. */
export function templateOf(model: LlamaModel, log: Logger): JinjaTemplateChatWrapper | null {
  const template = model.fileInfo.metadata.tokenizer?.chat_template;
  if (!template?.trim()) return null;
  try {
    return new JinjaTemplateChatWrapper({ template, tokenizer: model.tokenizer, reasoning: false });
  } catch (error) {
    log.warn("the model's chat template cannot be used; prompts are used without one", {
      reason: messageOf(error),
    });
    return null;
  }
}

/**
 * Loads a GGUF file: its vocabulary and template by node-llama-cpp, its weights and contexts straight by llama.cpp.
 *
 * @throws Error saying what is wrong with the file
 */
export async function loadModel(llama: Llama, file: ModelFile, options: LlamaOptions): Promise<LoadedModel> {
  await Deno.stat(file.path).catch(() => {
    throw new Error(`There is no model file at ${file.path}`);
  });
  await using memory = new AsyncDisposableStack();
  const { model, native } = memory.use(
    await loadFile(llama, file.path).catch((error) => {
      throw new Error(
        `The model file ${file.path} cannot be loaded, it may be cut short or no GGUF: ${messageOf(error)}`,
        { cause: error },
      );
    }),
  );
  const { sequences, threads, adapterContexts, kvCache } = options;
  const contextSize = Math.min(options.contextSize, native.trainContextSize);
  const sizes = { contextSize, sequences, threads, kvCache };
  const context = memory.use(
    await NativeContext.create(native, { ...sizes, outputs: EVALUATED_OUTPUTS }).catch((error) => {
      throw new Error(`There is not enough memory for the model ${file.id}: ${messageOf(error)}`, {
        cause: error,
      });
    }),
  );
  const template = templateOf(model, options.log);
  const parts = { id: file.id, model, native, context, template, sizes, adapterContexts };
  return new LoadedModel({ ...parts, memory: memory.move() });
}
