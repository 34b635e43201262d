/** Adapters on a loaded model: their weights, and the proof that they are applied. */
import { messageOf } from "../../../lib/errors.ts";
import { checkAdapterFile, ModelError } from "../../models/model_file.ts";
import type { AdapterProof } from "../adapter_probe.ts";
import type { AdapterFile } from "../engine.ts";
import { NativeAdapter } from "../libllama/native_model.ts";
import type { EvaluatedModel, ModelProbe } from "./llama_probe.ts";

/** The weights of an adapter. */
export interface LoadedAdapter extends AsyncDisposable {
  readonly weights: NativeAdapter;
  /** What the probe showed when they were loaded. */
  readonly proof: AdapterProof;
}

/**
 * Loads an adapter's weights, and proves by the probe that they are applied.
 *
 * @throws DamagedAdapterError for a file that is not the one that was trained; UnprovenAdapterError; ModelError saying
 * what else is wrong
 */
export async function openAdapter(
  { native, loop }: Pick<EvaluatedModel, "native" | "loop">,
  adapter: AdapterFile,
  { probe }: { probe: ModelProbe },
): Promise<LoadedAdapter> {
  await checkAdapterFile(adapter);
  // llama.cpp lists a model's adapters, and reads that list while it plans an evaluation.
  const weights = await loop.between(() => NativeAdapter.load(native, adapter.path)).catch((error) => {
    throw new ModelError(`The adapter ${adapter.id} cannot be loaded on this model: ${messageOf(error)}`, {
      cause: error,
    });
  });
  const close = () =>
    loop.between((context) => {
      context.forget(weights);
      weights[Symbol.dispose]();
    });
  try {
    return { weights, proof: await probe.prove(weights, adapter), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
