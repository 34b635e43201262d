/** Checks what the schema cannot: a request that no training could run is refused with its path. */
import type { MlStartTrainingRequest } from "../../contract/ml_training.ts";
import { ApiError, invalidRequest, messageOf } from "../../lib/errors.ts";
import { estimateTrainingMemory } from "../training/memory_estimate.ts";
import type { TrainingRequestInput } from "../training/job/training_request.ts";
import type { ModelService, ServedModelFile } from "./model_service.ts";
import { TrainingError } from "../training/training_error.ts";

const DEFAULT_RANK = 8;

function refusal(path: string, message: string): ApiError {
  return invalidRequest([{ path, message }]);
}

async function checkBaseModel(
  baseModel: string,
  { served, models }: { served: ServedModelFile; models: Pick<ModelService, "list"> },
): Promise<void> {
  if (baseModel === served.id) return;
  const isKnown = (await models.list()).some(({ id }) => id === baseModel);
  throw refusal(
    "base_model",
    isKnown
      ? `must be the model that is served, which is ${served.id}: load ${baseModel} first`
      : `must be a model that there is: GET /models lists them, and ${served.id} is served`,
  );
}

function checkSamples({ samples, method = "sft" }: MlStartTrainingRequest): void {
  if (!samples.some(({ quality }) => quality > 0)) {
    throw refusal("samples", "must hold a sample with a quality above 0");
  }
  if (method === "dpo" && !samples.some(({ quality, rejected }) => quality > 0 && rejected !== undefined)) {
    throw refusal("samples", "must hold a sample with a rejected draft for dpo");
  }
}

/** Checks the model file's metadata: its architecture, tensors and weight types. */
function checkTrainable(modelPath: string, { lora }: Pick<MlStartTrainingRequest, "lora">): void {
  try {
    estimateTrainingMemory({ modelPath, lora: { rank: DEFAULT_RANK, ...lora }, seed: 0, threads: 1 });
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    if (error.code === "library_unusable") {
      throw new ApiError("not_implemented", messageOf(error), { cause: error });
    }
    throw refusal(error.code === "bad_settings" ? "lora" : "base_model", messageOf(error));
  }
}

/**
 * Checks what the schema cannot.
 *
 * @throws ApiError `validation_failed` with the path; `model_not_loaded`; `not_implemented` where nothing can be trained
 */
export async function checkTrainingRequest(
  request: MlStartTrainingRequest,
  models: Pick<ModelService, "list" | "servedFile">,
): Promise<ServedModelFile> {
  const served = await models.servedFile();
  await checkBaseModel(request.base_model, { served, models });
  checkSamples(request);
  checkTrainable(served.path, request);
  return served;
}

/** Whether an adapter of these settings has the shape of the texting adapter, which has the default ones. */
export function hasTextingShape({ lora = {} }: Pick<MlStartTrainingRequest, "lora">): boolean {
  const { rank = DEFAULT_RANK, alpha = 2 * rank, targets, layers } = lora;
  return rank === DEFAULT_RANK && alpha === 2 * DEFAULT_RANK && targets === undefined && layers === undefined;
}

/** The request as the training process reads it. */
export function processRequestOf(
  request: MlStartTrainingRequest,
  options: Pick<TrainingRequestInput, "modelPath" | "modelHash" | "threads" | "textingAdapter">,
): TrainingRequestInput {
  const { job_id, base_model, samples, method, epochs, learning_rate, seed, batch_size, lora } = request;
  return {
    ...options,
    jobId: job_id,
    modelId: base_model,
    samples,
    method,
    epochs,
    learningRate: learning_rate,
    seed,
    batchSize: batch_size,
    lora,
  };
}
