/** The wire of the server's `/api/training`: samples and training jobs. */
import * as z from "zod";
import { modelIdSchema } from "./generation.ts";
import {
  DEFAULT_LEARNING_RATE,
  learningRateSchema,
  loraSettingsSchema,
  MAX_EPOCHS,
  MAX_TRAINING_SAMPLES,
  mlStartTrainingRequestSchema,
  TRAINING_METHODS,
} from "./ml_training.ts";
import { pageFields, pageQuery } from "./paging.ts";
import { idSchema, timeSchema } from "./scalars.ts";
import { trainingMetricsSchema } from "./training_figures.ts";

export const SAMPLE_SOURCES = ["accept", "edit", "reject", "import", "sent"] as const;
export const TRAINING_STATUSES = ["queued", "training", "completed", "failed", "cancelled"] as const;

export const trainingStatusSchema = z.enum(TRAINING_STATUSES).meta({ id: "TrainingStatus" });
export type TrainingStatus = z.infer<typeof trainingStatusSchema>;

export const trainingSampleSchema = z.object({
  id: idSchema,
  input: z.string().describe("The prompt, as it was drafted from"),
  output: z.string().describe("What the person sent, or for a rejected draft the empty string"),
  rejectedOutput: z.string().nullable().describe("The draft the person did not want, where there is one"),
  quality: z.number().min(0).max(1).describe("Weight in training; 0 is kept out of it"),
  source: z.enum(SAMPLE_SOURCES).describe(
    "`import`: what the person sent without a draft; `sent`: what they sent in place of a draft that was not used",
  ),
  responseId: idSchema.nullable(),
  conversationId: idSchema.nullable(),
  createdAt: timeSchema,
}).meta({ id: "TrainingSample" });
export type TrainingSample = z.infer<typeof trainingSampleSchema>;

export const trainingSampleListSchema = z.object({ samples: z.array(trainingSampleSchema), ...pageFields })
  .meta({ id: "TrainingSampleList" });
export type TrainingSampleList = z.infer<typeof trainingSampleListSchema>;

/** Which samples to list, and which page of them. */
export const samplesQuerySchema = pageQuery.extend({
  source: z.enum(SAMPLE_SOURCES).optional().describe("Only samples of this source"),
});
export type SamplesQuery = z.infer<typeof samplesQuerySchema>;

/** Most samples that one import makes. */
export const MAX_IMPORTED_SAMPLES = 5_000;
/** Longest sent reply that an import makes a sample of, in UTF-16 units: a longer one was pasted, or is a letter. */
export const MAX_IMPORTED_REPLY_LENGTH = 2_000;

export const importSamplesRequestSchema = z.object({
  conversationIds: z.array(idSchema).min(1).max(100).optional()
    .describe("Absent: all direct conversations; groups are left out always"),
  limit: z.int().min(1).max(MAX_IMPORTED_SAMPLES).default(1_000)
    .describe("Most samples to make; the latest replies come first"),
  dryRun: z.boolean().default(false).describe("Nothing is made: `imported` says how many samples would be"),
}).meta({ id: "ImportSamplesRequest" });
export type ImportSamplesRequest = z.infer<typeof importSamplesRequestSchema>;

/** Why a sent message made no sample, and how many each. */
export const skippedRepliesSchema = z.object({
  repeated: z.int().min(0).describe("It, or the draft it was sent from, is a sample already"),
  unprompted: z.int().min(0).describe(
    "It answers no message: the conversation's first, or one after a pause",
  ),
  late: z.int().min(0).describe("Too long after what it follows to answer it"),
  automated: z.int().min(0).describe("To a sender that is no person, such as a short code"),
  neverTrain: z.int().min(0).optional().describe("Of a conversation that nothing is learned from"),
  unsuitable: z.int().min(0).describe("It is nothing but a link or a number, or too long"),
}).meta({ id: "SkippedReplies" });
export type SkippedReplies = z.infer<typeof skippedRepliesSchema>;

export const importSamplesResponseSchema = z.object({
  imported: z.int().min(0),
  examined: z.int().min(0).describe("Replies looked at, latest first, until the limit was reached"),
  skipped: skippedRepliesSchema,
}).meta({ id: "ImportSamplesResponse" });
export type ImportSamplesResponse = z.infer<typeof importSamplesResponseSchema>;

export const epochsSchema = z.int().min(1).max(MAX_EPOCHS);

export const trainingMethodSchema = z.enum(TRAINING_METHODS).meta({ id: "TrainingMethod" });
export type TrainingMethod = z.infer<typeof trainingMethodSchema>;

/** Optional settings of a job beside the documented fields; ml has a default for each. */
const settingsFields = {
  seed: mlStartTrainingRequestSchema.shape.seed,
  batchSize: mlStartTrainingRequestSchema.shape.batch_size,
  lora: loraSettingsSchema.optional(),
};
const trainingSettingsSchema = z.object(settingsFields);
export type TrainingSettings = z.infer<typeof trainingSettingsSchema>;

export const startTrainingRequestSchema = z.object({
  baseModel: modelIdSchema.optional().describe(
    "Default: the model that ml serves, which is the only one it trains",
  ),
  epochs: epochsSchema.default(3),
  learningRate: learningRateSchema.default(DEFAULT_LEARNING_RATE),
  sampleIds: z.array(idSchema).min(1).max(MAX_TRAINING_SAMPLES).optional()
    .describe("Absent: all samples of the account with a quality above 0"),
  method: trainingMethodSchema.default("sft").describe(
    "`sft` learns what was sent; `dpo` learns to prefer it to the draft that was edited or not used, from such pairs alone",
  ),
  ...settingsFields,
}).meta({ id: "StartTrainingRequest" });
export type StartTrainingRequest = z.infer<typeof startTrainingRequestSchema>;

export const trainingJobSchema = z.object({
  id: idSchema,
  status: trainingStatusSchema,
  progress: z.number().min(0).max(100).describe("Percent"),
  error: z.string().nullable().describe("What happened"),
  fix: z.string().nullable().describe("What to do about the error, where there is something"),
  baseModel: z.string(),
  epochs: z.int(),
  learningRate: z.number(),
  method: trainingMethodSchema,
  sampleCount: z.int().min(0),
  metrics: trainingMetricsSchema.nullable().describe("Its progress, as ml last reported it"),
  createdAt: timeSchema,
  startedAt: timeSchema.nullable(),
  finishedAt: timeSchema.nullable(),
}).meta({ id: "TrainingJob" });
export type TrainingJob = z.infer<typeof trainingJobSchema>;

export const trainingJobResponseSchema = z.object({ job: trainingJobSchema })
  .meta({ id: "TrainingJobResponse" });
export type TrainingJobResponse = z.infer<typeof trainingJobResponseSchema>;

export const trainingJobListSchema = z.object({ jobs: z.array(trainingJobSchema), ...pageFields })
  .meta({ id: "TrainingJobList" });
export type TrainingJobList = z.infer<typeof trainingJobListSchema>;
