/** Owns the real small model for tests: fetched once into the checkout's own data folder. */
import { fileURLToPath } from "node:url";
import { DEFAULT_HUB_URL, SMALL_MODEL } from "../../../ml/models/catalog.ts";
import { type ResolvedModel, resolveModel } from "../../../ml/models/resolve_model.ts";
import { createLogger } from "../../../lib/log.ts";

/** Where the model lies after its first use; git ignores the folder. */
export const TEST_MODELS_DIR = fileURLToPath(new URL("../../../data/models", import.meta.url));

/** The small model's file. */
export async function fetchSmallModel(): Promise<ResolvedModel> {
  return await resolveModel({
    model: SMALL_MODEL.id,
    modelsDir: TEST_MODELS_DIR,
    hubUrl: DEFAULT_HUB_URL,
    log: createLogger(),
  });
}
