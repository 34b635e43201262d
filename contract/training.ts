/** Owns the wire of the server's `/api/training`: samples and training jobs. */
import { z } from "zod";
import { modelIdSchema } from "./ml.ts";
import { pageFields } from "./paging.ts";
import { idSchema, timeSchema } from "./scalars.ts";

export const SAMPLE_SOURCES = ["accept", "edit", "reject", "import"] as const;
export const TRAINING_STATUSES = ["queued", "training", "completed", "failed", "cancelled"] as const;
export const MAX_TRAINING_SAMPLES = 100_000;

export const trainingStatusSchema = z.enum(TRAINING_STATUSES).meta({ id: "TrainingStatus" });
export type TrainingStatus = z.infer<typeof trainingStatusSchema>;

export const trainingSampleSchema = z.object({
  id: idSchema,
  input: z.string().describe("The prompt, as it was drafted from"),
  output: z.string().describe("What the person sent, or for a rejected draft the empty string"),
  rejectedOutput: z.string().nullable().describe("The draft the person did not want, where there is one"),
  quality: z.number().min(0).max(1).describe("Weight in training; 0 is kept out of it"),
  source: z.enum(SAMPLE_SOURCES),
  responseId: idSchema.nullable(),
  conversationId: idSchema.nullable(),
  createdAt: timeSchema,
}).meta({ id: "TrainingSample" });
export type TrainingSample = z.infer<typeof trainingSampleSchema>;

export const trainingSampleListSchema = z.object({ samples: z.array(trainingSampleSchema), ...pageFields })
  .meta({ id: "TrainingSampleList" });
export type TrainingSampleList = z.infer<typeof trainingSampleListSchema>;

export const epochsSchema = z.int().min(1).max(100);
export const learningRateSchema = z.number().positive().max(1);

export const startTrainingRequestSchema = z.object({
  baseModel: modelIdSchema,
  epochs: epochsSchema.default(3),
  learningRate: learningRateSchema.default(0.0001),
  sampleIds: z.array(idSchema).min(1).max(MAX_TRAINING_SAMPLES).optional()
    .describe("Absent: all samples of the account with a quality above 0"),
}).meta({ id: "StartTrainingRequest" });
export type StartTrainingRequest = z.infer<typeof startTrainingRequestSchema>;

export const trainingJobSchema = z.object({
  id: idSchema,
  status: trainingStatusSchema,
  progress: z.number().min(0).max(100).describe("Percent"),
  error: z.string().nullable(),
  baseModel: z.string(),
  epochs: z.int(),
  learningRate: z.number(),
  sampleCount: z.int().min(0),
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
