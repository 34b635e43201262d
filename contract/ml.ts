/** The wire of the ml service: health, generation, models and adapters, cache, evaluation. */
import * as z from "zod";
import { MAX_CANDIDATES, MAX_PROMPT_LENGTH, modelIdSchema, timingsSchema } from "./generation.ts";
import { jsonSchemaSchema } from "./json_schema.ts";
import { idSchema, labelSchema, MAX_SEED, textSchema, timeSchema } from "./scalars.ts";

export const MAX_GENERATED_TOKENS = 4_096;
export const MAX_STOP_TEXTS = 16;
export const MAX_STOP_TEXT_LENGTH = 64;
/** Endings at which a raw transcript's reply stops; both names of design section 7. */
export const DEFAULT_STOP = ["\nThem:", "\nMe:"];

/** The proof that an adapter is applied to the model it is served with. */
export const adapterProofSchema = z.object({
  id: z.string(),
  sha256: z.string().describe("Of its file, in hex"),
  probe: z.enum(["agrees", "measured", "refused"]).describe(
    "`agrees`: it changes the model as it did in training; `measured`: it changes the model, and nothing was stored in " +
      "training to compare with; `refused`: it does not change the model, or not as it did in training, and is not served",
  ),
  shift: z.number().min(0).nullable().describe(
    "How far it moves the log-probability of a token of a fixed probe (root mean square); null where it was refused",
  ),
  expected_shift: z.number().min(0).nullable().describe("The same as the trainer stored it"),
}).meta({ id: "AdapterProof" });
export type AdapterProof = z.infer<typeof adapterProofSchema>;

export const backendSchema = z.object({
  device: z.string().describe(
    "What computes: `cpu`, or llama.cpp's GPU interface, such as `cuda`, `metal` or `vulkan`",
  ),
  gpu_layers: z.int().min(0).describe("Layers of the model that the GPU has"),
  warning: z.string().nullable().describe("A sentence where the machine has a GPU and the CPU is used"),
}).meta({ id: "Backend" });
export type Backend = z.infer<typeof backendSchema>;

export const healthResponseSchema = z.object({
  status: z.enum(["healthy", "loading", "degraded"]),
  model_loaded: z.boolean().describe(
    "False also while its memory is given back (`KEEP_ALIVE`) or it starts again",
  ),
  model_version: z.string().nullable().describe("The model that is served"),
  redis_connected: z.boolean().describe("True when the job and cache store answers; kept for compatibility"),
  kv_connected: z.boolean(),
  queue_length: z.int().min(0),
  reason: z.string().optional().describe("Why the model is not in memory"),
  backend: backendSchema.nullable().optional()
    .describe("What the model was last loaded on; null before that, and for an engine elsewhere"),
  adapters: z.array(adapterProofSchema).optional().describe(
    "The adapters that were asked to answer since the service started, the latest first, and whether they are applied",
  ),
}).meta({ id: "MlHealth" });
export type HealthResponse = z.infer<typeof healthResponseSchema>;

export const generateRequestSchema = z.object({
  prompt: textSchema(MAX_PROMPT_LENGTH, { minLength: 1 }),
  max_tokens: z.int().min(1).max(MAX_GENERATED_TOKENS).default(256),
  temperature: z.number().min(0).max(2).default(0.7),
  top_p: z.number().gt(0).max(1).default(0.9),
  repeat_penalty: z.number().gt(0).max(2).default(1.1).describe(
    "Above 1 makes the last 64 tokens of the reply less probable; the prompt's own do not count. 1: no penalty",
  ),
  stop: z.array(textSchema(MAX_STOP_TEXT_LENGTH, { minLength: 1 })).max(MAX_STOP_TEXTS).default(DEFAULT_STOP),
  cache_key: labelSchema(512).optional(),
  seed: z.int().min(0).max(MAX_SEED).optional(),
  n: z.int().min(1).max(MAX_CANDIDATES).optional().describe(
    "Candidates to generate from one evaluation of the prompt, number i with the seed `seed + i`; the most confident one is " +
      "the reply. At temperature 0 all would be equal, and one is generated. Not for a stream of events",
  ),
  top_k: z.int().min(0).max(100_000).optional(),
  min_p: z.number().min(0).max(1).optional(),
  conversation_id: labelSchema().optional().describe("Lets the engine reuse this conversation's prefix"),
  account_id: labelSchema(128).optional()
    .describe(
      "Whose request it is, an opaque word: accounts take turns. Requests without one are one account's",
    ),
  background: z.boolean().optional()
    .describe("Nobody waits at a screen for it: it runs after the requests for which somebody does"),
  adapter_id: modelIdSchema.optional(),
  texting: z.boolean().optional().describe(
    "Without adapter_id: write with the texting adapter, where it fits the served model and TEXTING_ADAPTER is on",
  ),
  presence_penalty: z.number().min(-2).max(2).optional()
    .describe("Subtracted from the logit of each token that was generated"),
  frequency_penalty: z.number().min(-2).max(2).optional()
    .describe("Subtracted from a token's logit for each time that it was generated"),
  json_schema: jsonSchemaSchema.optional().describe(
    "Holds the reply to JSON of this schema: types, properties, items, enum, const, anyOf, lengths of texts and lists, formats of " +
      "dates. All properties come, in this order. What a grammar cannot say is refused",
  ),
  verbatim: z.boolean().optional().describe(
    "Keep white space at both ends of the reply to a prompt that is no transcript",
  ),
  raw: z.boolean().default(false).describe("Give the prompt to the model as it is, without a template"),
}).meta({ id: "GenerateRequest" });
export type GenerateRequest = z.infer<typeof generateRequestSchema>;
export type GenerateInput = z.input<typeof generateRequestSchema>;

const replyFields = {
  response: z.string(),
  confidence: z.number().min(0).max(1).describe("Geometric mean probability of the generated tokens"),
  tokens_used: z.int().min(0),
  cached: z.boolean(),
  finish_reason: z.enum(["stop", "length"]).optional(),
  timings: timingsSchema.optional(),
};

export const generateCandidateSchema = z.object({
  ...replyFields,
  seed: z.int().min(0).max(MAX_SEED).optional().describe("Absent where the request has none"),
}).meta({ id: "GenerateCandidate" });
export type GenerateCandidate = z.infer<typeof generateCandidateSchema>;

export const generateResultSchema = z.object({
  ...replyFields,
  model_version: z.string(),
  adapter: adapterProofSchema.optional().describe(
    "The adapter that wrote it, and the proof that it was applied; absent for the base model",
  ),
  candidates: z.array(generateCandidateSchema).optional().describe(
    "With `n` above 1: all that were generated, equal ones too, the most confident first, which is the reply",
  ),
}).meta({ id: "GenerateResponse" });
export type GenerateResult = z.infer<typeof generateResultSchema>;

export const ML_JOB_STATUSES = ["queued", "running", "completed", "failed", "cancelled"] as const;

const positionSchema = z.int().min(0).nullable().optional()
  .describe("Queued jobs that came before this one; it starts earlier where those are another account's");

export const generateAsyncResponseSchema = z.object({
  job_id: idSchema,
  status: z.enum(ML_JOB_STATUSES),
  position: positionSchema,
}).meta({ id: "GenerateAsyncResponse" });
export type GenerateAsyncResponse = z.infer<typeof generateAsyncResponseSchema>;

export const generateStatusResponseSchema = z.object({
  job_id: idSchema,
  status: z.enum(ML_JOB_STATUSES),
  result: generateResultSchema.nullable(),
  error: z.string().nullable(),
  created_at: timeSchema,
  completed_at: timeSchema.nullable(),
  position: positionSchema,
}).meta({ id: "GenerateStatus" });
export type GenerateStatusResponse = z.infer<typeof generateStatusResponseSchema>;

export const reloadQuerySchema = z.object({ model_id: modelIdSchema.optional() });
export const reloadResponseSchema = z.object({
  model_loaded: z.boolean(),
  model_version: z.string().nullable(),
}).meta({ id: "ReloadResponse" });
export type ReloadResponse = z.infer<typeof reloadResponseSchema>;

export const clearCacheQuerySchema = z.object({
  pattern: textSchema(512, { minLength: 1 }).default("*").describe("Glob over cache keys"),
});
export const clearCacheResponseSchema = z.object({ invalidated: z.int().min(0) })
  .meta({ id: "ClearCacheResponse" });
export type ClearCacheResponse = z.infer<typeof clearCacheResponseSchema>;

export const modelInfoSchema = z.object({
  id: z.string(),
  present: z.boolean().describe("Its file is in the models folder"),
  loaded: z.boolean(),
  size_bytes: z.int().min(0).nullable(),
  licence: z.string().nullable(),
}).meta({ id: "ModelInfo" });

export const adapterInfoSchema = z.object({
  id: z.string(),
  base_model: z.string().describe("The model that it was trained on, and serves with alone"),
  job_id: z.string().describe("The training job that made it"),
  state: z.enum(["ready", "tainted"]).describe("A tainted one is served no more, for good"),
  created_at: timeSchema,
  base_loss: z.number().nullable().describe("Loss per token of the base model on the held-out replies"),
  adapter_loss: z.number().nullable().describe("Loss per token with the adapter on the same replies"),
  offered: z.boolean().describe("It did better than the base model, alone and with examples"),
  offer_reason: z.string().nullable().describe(
    "Why it is offered or not, with the figures; null where not noted",
  ),
  size_bytes: z.int().min(0),
  proof: adapterProofSchema.nullable().optional().describe(
    "The latest proof that it is applied; null for one of an earlier version that has not answered yet",
  ),
}).meta({ id: "AdapterInfo" });
export type AdapterInfo = z.infer<typeof adapterInfoSchema>;

export const modelListSchema = z.object({
  models: z.array(modelInfoSchema),
  adapters: z.array(adapterInfoSchema).default([]),
}).meta({ id: "ModelList" });
export type ModelList = z.infer<typeof modelListSchema>;

export const evaluateRequestSchema = z.object({
  samples: z.array(z.object({
    input: textSchema(MAX_PROMPT_LENGTH),
    output: textSchema(50_000, { minLength: 1 }),
  })).min(1).max(1_000),
  adapter_id: modelIdSchema.optional(),
}).meta({ id: "EvaluateRequest" });
export type EvaluateRequest = z.infer<typeof evaluateRequestSchema>;

const likelihoodFields = {
  tokens: z.int().min(0),
  log_likelihood: z.number().describe("Natural logarithm, summed over the reply's own tokens"),
};
export const evaluateResponseSchema = z.object({
  ...likelihoodFields,
  loss: z.number().describe("-log_likelihood / tokens"),
  samples: z.array(z.object(likelihoodFields)),
}).meta({ id: "EvaluateResponse" });
export type EvaluateResponse = z.infer<typeof evaluateResponseSchema>;
