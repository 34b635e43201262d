/** A model in memory: weights, context, chat template, sequences and adapters. */
import { JinjaTemplateChatWrapper, type Llama, type LlamaContext, type LlamaModel } from "node-llama-cpp";
import { messageOf } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { AdapterContexts } from "./adapter_contexts.ts";
import type { AdapterFile, ModelFile } from "../engine.ts";
import { type AdapterContext, type ContextSizes, openAdapterContext } from "./llama_adapter.ts";
import { SequencePool } from "./sequences.ts";

export interface LlamaOptions extends ContextSizes {
  /** How many adapters have a context of their own at a time. */
  adapterContexts: number;
  log: Logger;
}

/** What answers a request: the model alone, or with an adapter. */
export interface ServedModel {
  readonly id: string;
  readonly adapterId?: string;
  readonly model: LlamaModel;
  readonly pool: SequencePool;
  /** The model's own chat template; null for a base model. */
  readonly template: JinjaTemplateChatWrapper | null;
  readonly contextSize: number;
}

/** A loaded model. Disposing waits for its users. */
export class LoadedModel implements ServedModel, AsyncDisposable {
  readonly id: string;
  readonly model: LlamaModel;
  readonly pool: SequencePool;
  readonly template: JinjaTemplateChatWrapper | null;
  readonly contextSize: number;
  readonly #context: LlamaContext;
  readonly #adapters: AdapterContexts<AdapterFile, AdapterContext>;
  #users = 0;
  #idle = Promise.withResolvers<void>();

  constructor(dependencies: {
    id: string;
    model: LlamaModel;
    context: LlamaContext;
    template: JinjaTemplateChatWrapper | null;
    options: LlamaOptions;
  }) {
    const { model, options: { sequences, threads, adapterContexts } } = dependencies;
    this.id = dependencies.id;
    this.model = model;
    this.template = dependencies.template;
    this.contextSize = dependencies.context.contextSize;
    this.#context = dependencies.context;
    this.pool = new SequencePool(dependencies.context);
    const sizes = { contextSize: this.contextSize, sequences, threads };
    this.#adapters = new AdapterContexts({
      limit: adapterContexts,
      open: (adapter) => openAdapterContext(model, { adapter, ...sizes }),
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
    const { id, model, template, contextSize } = this;
    const served = { id, adapterId: adapter.id, model, template, contextSize, pool: lease.context.pool };
    return { served, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  }

  /** Closes an adapter's context once it is idle. */
  retireAdapter(adapterId: string): Promise<void> {
    return this.#adapters.retire(adapterId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#idle.promise;
    await this.#adapters[Symbol.asyncDispose]();
    await this.#context.dispose();
    await this.model.dispose();
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
 * Loads a GGUF file.
 *
 * @throws Error saying what is wrong with the file
 */
export async function loadModel(llama: Llama, file: ModelFile, options: LlamaOptions): Promise<LoadedModel> {
  await Deno.stat(file.path).catch(() => {
    throw new Error(`There is no model file at ${file.path}`);
  });
  const model = await llama.loadModel({ modelPath: file.path }).catch((error) => {
    throw new Error(
      `The model file ${file.path} cannot be loaded, it may be cut short or no GGUF: ${messageOf(error)}`,
      { cause: error },
    );
  });
  try {
    const context = await model.createContext({
      contextSize: Math.min(options.contextSize, model.trainContextSize),
      sequences: options.sequences,
      threads: options.threads,
    });
    const template = templateOf(model, options.log);
    return new LoadedModel({ id: file.id, model, context, template, options });
  } catch (error) {
    await model.dispose();
    throw new Error(`There is not enough memory for the model ${file.id}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
