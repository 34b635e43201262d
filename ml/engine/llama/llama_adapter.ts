/** Adapters on a loaded model: their weights, and the check that one can be served. */
import { messageOf } from "../../../lib/errors.ts";
import { DamagedAdapterError, ModelError, sha256OfFile } from "../../models/model_file.ts";
import type { AdapterFile } from "../engine.ts";
import type { DecodeLoop } from "../libllama/decode_loop.ts";
import { NativeContext } from "../libllama/native_context.ts";
import { NativeAdapter, type NativeModel } from "../libllama/native_model.ts";

/** Any token will do for the probe. */
const PROBED_TOKEN = 1;
const PROBE_SIZES = { contextSize: 256, sequences: 1, threads: 1, outputs: 1 };

/** A model in memory, and the loop that evaluates on it. */
export interface EvaluatedModel {
  native: NativeModel;
  loop: DecodeLoop;
}

/** The weights of an adapter. */
export interface LoadedAdapter extends AsyncDisposable {
  readonly weights: NativeAdapter;
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

/**
 * Loads an adapter's weights.
 *
 * @throws DamagedAdapterError for a file that is not the one that was trained; ModelError saying what else is wrong
 */
export async function openAdapter(
  { native, loop }: EvaluatedModel,
  adapter: AdapterFile,
): Promise<LoadedAdapter> {
  await checkFile(adapter);
  // llama.cpp lists a model's adapters, and reads that list while it plans an evaluation.
  const weights = await loop.between(() => NativeAdapter.load(native, adapter.path)).catch((error) => {
    throw new ModelError(`The adapter ${adapter.id} cannot be loaded on this model: ${messageOf(error)}`, {
      cause: error,
    });
  });
  return {
    weights,
    [Symbol.asyncDispose]: () =>
      loop.between((context) => {
        context.forget(weights);
        weights[Symbol.dispose]();
      }),
  };
}

/**
 * Checks that an adapter can be served: llama.cpp loads it, and the model then gives finite numbers.
 *
 * @throws DamagedAdapterError, ModelError saying what is wrong
 */
export async function probeAdapter(model: EvaluatedModel, adapter: AdapterFile): Promise<void> {
  await using loaded = await openAdapter(model, adapter);
  await model.loop.between(async () => {
    using context = await NativeContext.create(model.native, PROBE_SIZES);
    context.use(loaded.weights);
    await context.decode([{ sequence: 0, token: PROBED_TOKEN, position: 0, wanted: true }]);
    if (context.logits(0).every(Number.isFinite)) return;
    throw new ModelError(`The model does not answer with numbers once the adapter ${adapter.id} is on it`);
  });
}
