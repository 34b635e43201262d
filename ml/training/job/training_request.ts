/** Defines a training job's request: its schema, defaults and file. */
import { join } from "node:path";
import { z } from "zod";
import {
  MAX_BATCH_SIZE,
  MAX_EPOCHS,
  MAX_LORA_ALPHA,
  MAX_LORA_LAYERS,
  MAX_LORA_RANK,
} from "../../../contract/ml_training.ts";
import { MAX_SEED } from "../../../contract/scalars.ts";
import { DEFAULT_LEARNING_RATE, LORA_TARGETS } from "../trainer.ts";
import { writeFileAtomically } from "../../../lib/files.ts";
import { TrainingError } from "../training_error.ts";

export const REQUEST_FILE = "request.json";

/** Leaves one core free: ggml's threads spin while they wait for one another. */
function defaultThreads(): number {
  return Math.max(1, navigator.hardwareConcurrency - 1);
}

export const trainingRequestSampleSchema = z.object({
  /** The caller's name for it, by which the result names those that were held out. */
  id: z.string().optional(),
  /** A transcript that ends in `Me:`; any other text becomes one `Them:` line. */
  input: z.string(),
  /** What the person sent. */
  output: z.string(),
  /** Weight in the loss; a sample of 0 is left out. */
  quality: z.number().min(0).max(1).default(1),
  /** A draft that the person rejected: the losing side of a pair. `dpo` learns from samples that have one. */
  rejected: z.string().nullish(),
  /** Forces a sample to be held out or trained; absent: decided by content. */
  heldOut: z.boolean().optional(),
  /** Which exchanges belong together: an opaque word. */
  conversation: z.string().optional(),
});

const loraSchema = z.object({
  rank: z.int().min(1).max(MAX_LORA_RANK).default(8),
  /** Default: twice the rank. */
  alpha: z.number().positive().max(MAX_LORA_ALPHA).optional(),
  dropout: z.number().min(0).lt(1).default(0),
  /** Default: the four matrices of attention. */
  targets: z.array(z.enum(LORA_TARGETS)).min(1).optional(),
  /** Only this many upper layers are trained. Default: all. */
  layers: z.int().min(1).max(MAX_LORA_LAYERS).optional(),
});

export const trainingRequestSchema = z.object({
  jobId: z.string().min(1).max(200),
  /** The base model's GGUF file. */
  modelPath: z.string().min(1),
  /** SHA-256 of the file that is served, in hex: another one is not trained on. Absent: any file will do. */
  modelHash: z.string().optional(),
  /** Its name on the wire, for provenance. */
  modelId: z.string().min(1),
  method: z.enum(["sft", "dpo"]).default("sft"),
  samples: z.array(trainingRequestSampleSchema),
  epochs: z.int().min(1).max(MAX_EPOCHS).default(3),
  learningRate: z.number().positive().max(1).default(DEFAULT_LEARNING_RATE),
  /** Steps of warm-up. Absent: five, or a tenth of all steps if that is less. */
  warmupSteps: z.int().min(0).optional(),
  weightDecay: z.number().min(0).max(1).default(0),
  maxGradientNorm: z.number().positive().default(1),
  seed: z.int().min(0).max(MAX_SEED).default(1),
  threads: z.int().min(1).max(512).default(defaultThreads),
  /** Samples per optimizer step. */
  batchSize: z.int().min(1).max(MAX_BATCH_SIZE).default(8),
  lora: loraSchema.default(() => loraSchema.parse({})),
  /** An adapter of many others' replies: the gate reports it beside this one, which starts from it where asked to. */
  textingAdapter: z.object({ path: z.string().min(1), start: z.boolean() }).optional(),
  weights: z.enum(["auto", "f32", "bf16", "mixed", "q8_0", "file"]).default("auto"),
  /** Tokens computed at a time. Default: the trainer's. */
  microBatchTokens: z.int().min(1).optional(),
  /** Longer prompts lose their oldest turns; samples with longer replies are excluded. */
  maxSampleTokens: z.int().min(16).default(1_024),
  heldOutShare: z.number().min(0.01).max(0.5).default(0.1),
  /** The most samples that are held out. */
  maxHeldOut: z.int().min(1).default(400),
  /** Training stops after this many epochs in a row without a lower held-out loss. */
  patienceEpochs: z.int().min(1).default(2),
  /** How strongly `dpo` penalizes moving away from the base model. */
  dpoBeta: z.number().positive().max(10).default(0.1),
  /** Weight of the preferred reply's own loss in `dpo`; with 0, preferred replies may become less probable too. */
  dpoAnchor: z.number().min(0).max(100).default(1),
  /** Steps between checkpoints; each epoch ends with one too. */
  checkpointSteps: z.int().min(1).default(25),
  /** Bytes that training may take. Absent: four fifths of the memory free at its start. */
  memoryLimitBytes: z.number().positive().optional(),
  /** Additional metadata for the adapter's file. */
  provenance: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

/** A training request with every default filled in. */
export type TrainingRequest = z.output<typeof trainingRequestSchema>;
/** A training request as given, defaults optional. */
export type TrainingRequestInput = z.input<typeof trainingRequestSchema>;
export type TrainingRequestSample = z.output<typeof trainingRequestSampleSchema>;

/**
 * Checks a request and fills in its defaults.
 *
 * @throws TrainingError `bad_request`, naming the first field that cannot be used
 */
export function parseTrainingRequest(value: unknown): TrainingRequest {
  const parsed = trainingRequestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join(".") || "request";
  throw new TrainingError("bad_request", `The training request is not valid at ${path}: ${issue?.message}`);
}

/**
 * Writes a request into a job's folder, which is created when missing; both are private to the user.
 *
 * @throws TrainingError `bad_request`
 */
export async function writeTrainingRequest(folder: string, request: TrainingRequestInput): Promise<void> {
  const parsed = parseTrainingRequest(request);
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileAtomically(join(folder, REQUEST_FILE), JSON.stringify(parsed), { mode: 0o600 });
}

/**
 * Reads the request of a job's folder.
 *
 * @throws TrainingError `bad_request` when it is missing, not JSON or not valid
 */
export async function readTrainingRequest(folder: string): Promise<TrainingRequest> {
  const text = await Deno.readTextFile(join(folder, REQUEST_FILE)).catch((cause) => {
    throw new TrainingError("bad_request", `There is no ${REQUEST_FILE} in the job's folder`, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TrainingError("bad_request", `The job's ${REQUEST_FILE} is no JSON`, { cause });
  }
  return parseTrainingRequest(value);
}
