/** The wire of the ml service's `/training`: how a job is started, and how its progress is reported. */
import * as z from "zod";
import { MAX_PROMPT_LENGTH, modelIdSchema } from "./generation.ts";
import { labelSchema, MAX_SEED, textSchema, timeSchema } from "./scalars.ts";
import { mlTrainingProgressSchema, trainingResultSchema } from "./training_figures.ts";

/** Longest reply that a sample may have, in UTF-16 units: a message of a person is far shorter. */
export const MAX_REPLY_LENGTH = 20_000;
export const MAX_TRAINING_SAMPLES = 100_000;
export const MAX_EPOCHS = 100;
/** Samples in one step of the optimiser. */
export const MAX_BATCH_SIZE = 1_024;
export const MAX_LORA_RANK = 256;
export const MAX_LORA_ALPHA = 1_024;
/** Smaller numbers change nothing, or are no 32-bit numbers at all, in which weights and the database hold them. */
const MIN_LORA_ALPHA = 1e-3;
const MIN_LEARNING_RATE = 1e-8;
const MIN_QUALITY = 1e-6;
/** What is left of an input is scaled up by 1 / (1 - dropout). */
const MAX_LORA_DROPOUT = 0.99;
export const MAX_LORA_LAYERS = 1_000;

/** A training job's name as its caller chose it. */
export const trainingJobIdSchema = z.string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "must be 1 to 128 letters, digits, dots, dashes, underscores");

/** `sft` learns what was replied; `dpo` learns to prefer it to the draft that was not wanted. */
export const TRAINING_METHODS = ["sft", "dpo"] as const;

/** Peak of the rate when a job names none: fits adapters of attention with alpha = 2 · rank (docs/training-speed.md). */
export const DEFAULT_LEARNING_RATE = 1e-3;

/** Weight matrices of a layer that an adapter can change, by their names in a GGUF file. */
export const LORA_TARGETS = [
  "attn_q",
  "attn_k",
  "attn_v",
  "attn_output",
  "ffn_gate",
  "ffn_up",
  "ffn_down",
] as const;
export type LoraTarget = typeof LORA_TARGETS[number];

export const learningRateSchema = z.number().min(MIN_LEARNING_RATE).max(1);

const replySchema = textSchema(MAX_REPLY_LENGTH, { minLength: 1 });

export const mlTrainingSampleSchema = z.object({
  id: labelSchema().optional().describe("The caller's name for it"),
  input: textSchema(MAX_PROMPT_LENGTH),
  output: replySchema.describe("What was replied"),
  rejected: replySchema.optional().describe("A draft that was not wanted; `dpo` needs it"),
  quality: z.number().min(0).max(1)
    .refine((weight) => weight === 0 || weight >= MIN_QUALITY, `must be 0 or at least ${MIN_QUALITY}`)
    .default(1).describe(`Its weight, at least ${MIN_QUALITY}; 0 is left out`),
  conversation: labelSchema().optional()
    .describe(
      "An opaque word for the conversation that it is of: the gate draws a conversation's replies together",
    ),
}).meta({ id: "MlTrainingSample" });
export type MlTrainingSample = z.infer<typeof mlTrainingSampleSchema>;

export const loraSettingsSchema = z.object({
  rank: z.int().min(1).max(MAX_LORA_RANK).optional().describe("Default 8"),
  alpha: z.number().min(MIN_LORA_ALPHA).max(MAX_LORA_ALPHA).optional().describe("Default: twice the rank"),
  dropout: z.number().min(0).max(MAX_LORA_DROPOUT).optional().describe("Default 0"),
  targets: z.array(z.enum(LORA_TARGETS)).min(1).max(LORA_TARGETS.length).optional()
    .describe("Default: the four matrices of attention"),
  layers: z.int().min(1).max(MAX_LORA_LAYERS).optional().describe(
    "So many upper layers are trained; default all",
  ),
}).meta({ id: "LoraSettings" });

export const mlStartTrainingRequestSchema = z.object({
  job_id: trainingJobIdSchema,
  base_model: modelIdSchema,
  samples: z.array(mlTrainingSampleSchema).min(1).max(MAX_TRAINING_SAMPLES),
  epochs: z.int().min(1).max(MAX_EPOCHS).default(3),
  learning_rate: learningRateSchema.default(DEFAULT_LEARNING_RATE),
  method: z.enum(TRAINING_METHODS).optional().describe("Default sft"),
  seed: z.int().min(0).max(MAX_SEED).optional(),
  batch_size: z.int().min(1).max(MAX_BATCH_SIZE).optional().describe("Samples in a step"),
  lora: loraSettingsSchema.optional(),
}).meta({ id: "MlStartTrainingRequest" });
export type MlStartTrainingRequest = z.infer<typeof mlStartTrainingRequestSchema>;

export const mlTrainingStatusSchema = z.object({
  job_id: trainingJobIdSchema,
  status: z.enum(["queued", "training", "completed", "failed", "cancelled"]),
  progress: z.number().min(0).max(100).describe("Percent"),
  error: z.string().nullable().describe("What happened"),
  fix: z.string().nullable().optional().describe("What to do about the error, where there is something"),
  ...mlTrainingProgressSchema.partial().shape,
  result: trainingResultSchema.nullable().optional(),
  position: z.int().min(0).nullable().optional().describe("Jobs ahead of this one while it is queued"),
  created_at: timeSchema.optional(),
  started_at: timeSchema.nullable().optional(),
  finished_at: timeSchema.nullable().optional(),
}).meta({ id: "MlTrainingStatus" });
export type MlTrainingStatus = z.infer<typeof mlTrainingStatusSchema>;
