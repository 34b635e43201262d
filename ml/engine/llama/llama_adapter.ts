/** Adapters on a loaded model: their contexts, the check that one can be served, and freeing their memory. */
import { resolve } from "node:path";
import type { LlamaContext, LlamaModel, Token } from "node-llama-cpp";
import { messageOf } from "../../../lib/errors.ts";
import { DamagedAdapterError, ModelError, sha256OfFile } from "../../models/model_file.ts";
import type { AdapterFile } from "../engine.ts";
import { SequencePool } from "./sequences.ts";

export interface ContextSizes {
  /** Tokens one sequence can hold, prompt and reply together. */
  contextSize: number;
  /** How many replies are generated at a time. */
  sequences: number;
  threads: number;
}

/** Any token will do for the probe. */
const PROBED_TOKEN = 1 as Token;
const PROBE_SIZES = { contextSize: 256, sequences: 1, threads: 1 };
const ALL_PROBABILITIES = { generateNext: { probabilities: true, options: { temperature: 0 } } } as const;

/** A context in which an adapter answers. */
export interface AdapterContext extends AsyncDisposable {
  readonly pool: SequencePool;
}

/**
 * Frees an adapter's weights.
 *
 * node-llama-cpp 3.21.1 keeps every adapter that was ever loaded, by path, until the model itself is disposed
 * (`LlamaModel._loraAdapters`): 40 adapters of 3.7 MB held 200 MB. It has no public way to free one, hence the access
 * to a private field; if that is missing, the memory is freed with the model.
 */
async function freeWeights(model: LlamaModel, path: string): Promise<void> {
  const held: unknown = Reflect.get(model, "_loraAdapters");
  if (!(held instanceof Map)) return;
  const key = resolve(path);
  const adapter: unknown = held.get(key);
  held.delete(key);
  if (typeof adapter !== "object" || adapter === null) return;
  const dispose: unknown = Reflect.get(adapter, "dispose");
  if (typeof dispose === "function") await dispose.call(adapter);
}

/** llama.cpp would load a file of wrong numbers, and some that are cut short: only the hash tells. */
async function checkFile({ id, path, sha256 }: AdapterFile): Promise<void> {
  const actual = await sha256OfFile(path).catch((cause) => {
    const isGone = cause instanceof Deno.errors.NotFound;
    const message = `The adapter ${id} cannot be served: its file ${isGone ? "is gone" : "cannot be read"}`;
    throw new DamagedAdapterError(message, { cause });
  });
  if (actual === sha256) return;
  throw new DamagedAdapterError(`The adapter ${id} is damaged: its file is not the one that was trained`);
}

async function createContext(
  model: LlamaModel,
  { adapter, ...sizes }: ContextSizes & { adapter: AdapterFile },
): Promise<LlamaContext> {
  await checkFile(adapter);
  return await model.createContext({
    ...sizes,
    lora: { adapters: [{ filePath: adapter.path, scale: 1 }] },
    // The remedy would retry with smaller contexts, whatever went wrong.
    failedCreationRemedy: false,
  }).catch((error) => {
    throw new ModelError(`The adapter ${adapter.id} cannot be loaded on this model: ${messageOf(error)}`, {
      cause: error,
    });
  });
}

/**
 * Opens a context that answers with an adapter; the model's own context keeps answering without it.
 *
 * @throws DamagedAdapterError for a file that is not the one that was trained; ModelError saying what else is wrong
 */
export async function openAdapterContext(
  model: LlamaModel,
  options: ContextSizes & { adapter: AdapterFile },
): Promise<AdapterContext> {
  const context = await createContext(model, options);
  return {
    pool: new SequencePool(context),
    [Symbol.asyncDispose]: async () => {
      await context.dispose();
      await freeWeights(model, options.adapter.path);
    },
  };
}

/**
 * Checks that an adapter can be served: llama.cpp loads it, and the model then gives finite probabilities.
 *
 * @throws ModelError saying what is wrong
 */
export async function probeAdapter(model: LlamaModel, adapter: AdapterFile): Promise<void> {
  const context = await createContext(model, { adapter, ...PROBE_SIZES });
  try {
    const [output] = await context.getSequence().controlledEvaluate([[PROBED_TOKEN, ALL_PROBABILITIES]]);
    const probabilities = [...output?.next.probabilities?.values() ?? []];
    if (probabilities.length === 0 || !probabilities.every(Number.isFinite)) {
      throw new ModelError(`The model does not answer with numbers once the adapter ${adapter.id} is on it`);
    }
  } finally {
    await context.dispose();
    await freeWeights(model, adapter.path);
  }
}
