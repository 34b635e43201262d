/** The figures of a training job, each declared once: ml's wire has them in snake_case, the server's in camelCase. */
import * as z from "zod";

/** Of one step: what the training process reports after it. */
const stepFields = {
  step: z.int().min(0),
  steps: z.int().min(0),
  epoch: z.int().min(0),
  loss: z.number().describe("Of the latest step, per token"),
  learningRate: z.number(),
  tokensPerSecond: z.number().min(0),
  etaMs: z.number().min(0).nullable(),
};

/** A step's figures, as the training process reports them. */
export type StepFigures = z.infer<z.ZodObject<typeof stepFields>>;

/** How far a job is. */
const progressFields = {
  phase: z.string().describe("What the job is at, such as `training`"),
  ...stepFields,
  heldOutLoss: z.number().describe("Of the latest evaluation, per token"),
  evaluated: z.int().min(0).describe("Replies that the running evaluation has measured"),
  toEvaluate: z.int().min(0).describe("Replies that the running evaluation measures in all"),
  excluded: z.record(z.string(), z.int().min(0)).describe("Samples that were left out, by reason"),
  memoryBytes: z.number().min(0).describe("What it needs by its estimate, beside the model that is served"),
};

/** So many of the replies that were kept out are named: to look at, not to count. */
export const MAX_HELD_OUT_IDS = 20;

/** What a finished job achieved. Losses are per token of replies kept out of training, natural logarithm. */
const outcomeFields = {
  adapterId: z.string(),
  offered: z.boolean().describe(
    "It may be promoted: on at least 30 replies it did better than the base model, alone and with examples",
  ),
  offerReason: z.string().nullable().describe(
    "Why it is offered or not, with the figures; null where that was not noted",
  ),
  baseLoss: z.number().nullable(),
  examplesLoss: z.number().nullable().describe("The base model with some replies as examples in its prompt"),
  adapterLoss: z.number().nullable(),
  heldOutSamples: z.int().min(0),
  heldOutIds: z.array(z.string()).max(MAX_HELD_OUT_IDS).nullable().optional().describe(
    `Some of the samples that it did not learn from, ${MAX_HELD_OUT_IDS} at most; null where that was not noted`,
  ),
  trainSamples: z.int().min(0),
};

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;

/** A record with its names in snake_case. */
export type SnakeCased<Fields> = {
  [Name in keyof Fields & string as SnakeCase<Name>]: Fields[Name];
};

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A record under the names of ml's wire; what is nested keeps its own. */
export function snakeCased<Fields extends object>(fields: Fields): SnakeCased<Fields> {
  const entries = Object.entries(fields).map(([name, value]) => [snakeCase(name), value]);
  return Object.fromEntries(entries) as SnakeCased<Fields>;
}

/** The record of a schema while nothing is known. */
export function nothingOf<Shape extends z.ZodRawShape>(
  { shape }: z.ZodObject<Shape>,
): { [Name in keyof Shape]: null } {
  const entries = Object.keys(shape).map((name) => [name, null]);
  return Object.fromEntries(entries) as { [Name in keyof Shape]: null };
}

type Nullable<Shape extends z.ZodRawShape> = { [Name in keyof Shape]: z.ZodNullable<Shape[Name]> };

/** Fields that are null while nothing is known. */
function nullable<Shape extends z.ZodRawShape>(fields: Shape): Nullable<Shape> {
  const entries = Object.entries(fields).map(([name, schema]) => [name, z.nullable(schema)]);
  return Object.fromEntries(entries) as Nullable<Shape>;
}

const nullableProgress = nullable(progressFields);

/** How far a job is, on ml's wire; all of it null before its process has reported. */
export const mlTrainingProgressSchema = z.object(snakeCased(nullableProgress));
/** A finished job on ml's wire. */
export const trainingResultSchema = z.object(snakeCased(outcomeFields)).meta({ id: "TrainingResult" });
export type TrainingResult = z.infer<typeof trainingResultSchema>;

/** A finished job on the server's wire. */
export const trainingOutcomeSchema = z.object(outcomeFields).meta({ id: "TrainingOutcome" });
export type TrainingOutcome = z.infer<typeof trainingOutcomeSchema>;
/** How far a job is, on the server's wire and in the column `metrics` of its row. */
export const trainingMetricsSchema = z.object({
  ...nullableProgress,
  result: trainingOutcomeSchema.nullable(),
})
  .meta({ id: "TrainingMetrics" });
export type TrainingMetrics = z.infer<typeof trainingMetricsSchema>;

/** A schema's record out of the same figures on ml's wire; null for what an older ml does not report. */
function fromSnakeCase(schema: z.ZodObject, figures: object): Record<string, unknown> {
  const values = new Map<string, unknown>(Object.entries(figures));
  return Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, values.get(snakeCase(name)) ?? null]),
  );
}

/** The figures of ml's wire as the server has them. */
export function metricsOf(
  figures: Partial<z.infer<typeof mlTrainingProgressSchema>> & {
    result?: TrainingResult | null;
  },
): TrainingMetrics {
  const { result } = figures;
  return trainingMetricsSchema.parse({
    ...fromSnakeCase(trainingMetricsSchema, figures),
    result: result ? fromSnakeCase(trainingOutcomeSchema, result) : null,
  });
}
