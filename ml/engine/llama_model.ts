/** Owns a model in memory: weights, context, chat template and sequences, and its orderly end. */
import { JinjaTemplateChatWrapper, type Llama, type LlamaContext, type LlamaModel } from "node-llama-cpp";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { ModelFile } from "./engine.ts";
import { SequencePool } from "./sequence_pool.ts";

export interface LlamaOptions {
  /** Tokens one sequence can hold, prompt and reply together. */
  contextSize: number;
  /** How many replies are generated at a time. */
  sequences: number;
  threads: number;
  log: Logger;
}

/** A loaded model. `dispose` waits until nobody uses it. */
export class LoadedModel implements AsyncDisposable {
  readonly id: string;
  readonly model: LlamaModel;
  readonly pool: SequencePool;
  /** The model's own chat template; null for a base model. */
  readonly template: JinjaTemplateChatWrapper | null;
  readonly contextSize: number;
  readonly #context: LlamaContext;
  #users = 0;
  #idle = Promise.withResolvers<void>();

  constructor(parts: {
    id: string;
    model: LlamaModel;
    context: LlamaContext;
    template: JinjaTemplateChatWrapper | null;
  }) {
    this.id = parts.id;
    this.model = parts.model;
    this.template = parts.template;
    this.contextSize = parts.context.contextSize;
    this.#context = parts.context;
    this.pool = new SequencePool(parts.context);
    this.#idle.resolve();
  }

  /** Keeps the model in memory until the returned `Disposable` is disposed. */
  use(): Disposable {
    if (this.#users++ === 0) this.#idle = Promise.withResolvers();
    return {
      [Symbol.dispose]: () => {
        if (--this.#users === 0) this.#idle.resolve();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#idle.promise;
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
    log.warn("the model's chat template cannot be used; prompts are given as they are", {
      reason: messageOf(error),
    });
    return null;
  }
}

/**
 * Loads a GGUF file.
 *
 * @throws Error with a sentence that says what is wrong with the file
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
    return new LoadedModel({ id: file.id, model, context, template: templateOf(model, options.log) });
  } catch (error) {
    await model.dispose();
    throw new Error(`There is not enough memory for the model ${file.id}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
