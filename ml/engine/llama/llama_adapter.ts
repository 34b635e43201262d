/** Adapters on a loaded model: their weights, and the proof that they are applied. */
import { messageOf } from "../../../lib/errors.ts";
import { DamagedAdapterError, ModelError, sha256OfFile } from "../../models/model_file.ts";
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
  await checkFile(adapter);
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
