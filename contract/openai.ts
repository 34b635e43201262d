/** The wire of ml's OpenAI-compatible endpoints: chat and text completions, their streams, models and errors. */
import * as z from "zod";
import { MAX_PROMPT_LENGTH } from "./generation.ts";
import { MAX_GENERATED_TOKENS, MAX_STOP_TEXT_LENGTH, MAX_STOP_TEXTS } from "./ml.ts";
import { jsonSchemaSchema } from "./json_schema.ts";
import { labelSchema, MAX_SEED, textSchema } from "./scalars.ts";

/** Choices of one request. */
export const MAX_CHOICES = 8;
const MAX_MESSAGES = 10_000;
/** A model's id and an adapter's, with a colon between them. */
export const MAX_OPENAI_MODEL_LENGTH = 512;

/** A field that would change the answer in a way that is not supported: only values that change nothing pass. */
function unsupported(harmless: readonly unknown[], message: string) {
  const accepted = new Set(harmless.map((value) => JSON.stringify(value)));
  return z.unknown()
    .refine((value) => value === null || value === undefined || accepted.has(JSON.stringify(value)), message)
    .optional()
    .describe(`Not supported: ${message}`);
}

const stopSchema = textSchema(MAX_STOP_TEXT_LENGTH, { minLength: 1 });
const penaltySchema = z.number().min(-2).max(2).nullish();

/** What both kinds of completion take. The field names are OpenAI's; `null` is as good as absent. */
const samplingFields = {
  model: textSchema(MAX_OPENAI_MODEL_LENGTH, { minLength: 1 })
    .describe("An id of `GET /v1/models`: the model, or the model with an adapter"),
  max_tokens: z.int().min(1).max(MAX_GENERATED_TOKENS).nullish(),
  temperature: z.number().min(0).max(2).nullish().describe("Default 1"),
  top_p: z.number().gt(0).max(1).nullish().describe("Default 1"),
  top_k: z.int().min(0).max(100_000).nullish().describe("Not of OpenAI. Default 40; 0 keeps all"),
  min_p: z.number().min(0).max(1).nullish().describe("Not of OpenAI. Default 0.05; 0 keeps all"),
  repeat_penalty: z.number().gt(0).max(2).nullish().describe("Not of OpenAI. Default 1"),
  presence_penalty: penaltySchema,
  frequency_penalty: penaltySchema,
  stop: z.union([stopSchema, z.array(stopSchema).max(MAX_STOP_TEXTS)]).nullish(),
  seed: z.int().min(0).max(MAX_SEED).nullish().describe("Choice number i uses seed + i"),
  n: z.int().min(1).max(MAX_CHOICES).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  user: labelSchema(128).nullish().describe("Whose request it is: users take turns"),
  prompt_cache_key: labelSchema().nullish().describe("Lets the engine reuse the prefix of a conversation"),
  logit_bias: unsupported([{}], "logit_bias cannot be set"),
};

/** Says where options of a stream come without one. */
function needsStream(request: { stream?: boolean | null; stream_options?: unknown }): boolean {
  return request.stream === true || request.stream_options === null || request.stream_options === undefined;
}
const STREAM_FAULT = { message: "needs stream: true", path: ["stream_options"] };

const textPartSchema = z.object({
  type: z.literal("text", { error: "only parts of type text are supported" }),
  text: textSchema(MAX_PROMPT_LENGTH),
});

export const chatMessageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([textSchema(MAX_PROMPT_LENGTH), z.array(textPartSchema).min(1)], {
    error: "must be a text, or parts of type text",
  }),
}).meta({ id: "ChatMessage" });
export type ChatMessage = z.infer<typeof chatMessageSchema>;

export const chatCompletionRequestSchema = z.object({
  ...samplingFields,
  messages: z.array(chatMessageSchema).min(1).max(MAX_MESSAGES)
    .describe("System messages come first; `developer` is another word for `system`"),
  max_completion_tokens: samplingFields.max_tokens.describe("Goes before `max_tokens`"),
  logprobs: unsupported([false], "log-probabilities are not given"),
  top_logprobs: unsupported([0], "log-probabilities are not given"),
  response_format: z.discriminatedUnion("type", [
    z.object({ type: z.literal("text") }),
    z.object({ type: z.literal("json_object") }),
    z.object({
      type: z.literal("json_schema"),
      json_schema: z.object({ name: z.string(), schema: jsonSchemaSchema }),
    }),
  ]).nullish().describe(
    "What the answer is held to; `json_schema` takes what `json_schema` of /generate does",
  ),
  tools: unsupported([[]], "tools cannot be called"),
  tool_choice: unsupported(["none", "auto"], "tools cannot be called"),
  functions: unsupported([[]], "functions cannot be called"),
  function_call: unsupported(["none", "auto"], "functions cannot be called"),
  modalities: unsupported([["text"]], "the answer is text"),
  audio: unsupported([], "the answer is text"),
}).refine(needsStream, STREAM_FAULT).meta({ id: "ChatCompletionRequest" });
export type ChatCompletionRequest = z.infer<typeof chatCompletionRequestSchema>;

const promptSchema = textSchema(MAX_PROMPT_LENGTH, { minLength: 1 });

export const completionRequestSchema = z.object({
  ...samplingFields,
  prompt: z.union([promptSchema, z.array(promptSchema).length(1)], {
    error: "must be one text; token ids and several prompts are not supported",
  }),
  logprobs: unsupported([], "log-probabilities are not given"),
  echo: unsupported([false], "the prompt is not repeated"),
  suffix: unsupported([""], "text cannot be inserted before a suffix"),
  best_of: unsupported([1], "every choice is returned: set n"),
}).refine(needsStream, STREAM_FAULT).meta({ id: "CompletionRequest" });
export type CompletionRequest = z.infer<typeof completionRequestSchema>;

const finishReasonSchema = z.enum(["stop", "length"]);

export const completionUsageSchema = z.object({
  prompt_tokens: z.int().min(0),
  completion_tokens: z.int().min(0).describe("Of all choices, without end-of-turn tokens"),
  total_tokens: z.int().min(0),
  prompt_tokens_details: z.object({ cached_tokens: z.int().min(0) }),
}).meta({ id: "CompletionUsage" });
export type CompletionUsage = z.infer<typeof completionUsageSchema>;

const answerFields = {
  id: z.string(),
  created: z.int().min(0).describe("Seconds since 1970"),
  model: z.string(),
  usage: completionUsageSchema,
};

export const chatCompletionSchema = z.object({
  ...answerFields,
  object: z.literal("chat.completion"),
  choices: z.array(z.object({
    index: z.int().min(0),
    message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
    logprobs: z.null(),
    finish_reason: finishReasonSchema,
  })),
}).meta({ id: "ChatCompletion" });

export const completionSchema = z.object({
  ...answerFields,
  object: z.literal("text_completion"),
  choices: z.array(z.object({
    index: z.int().min(0),
    text: z.string(),
    logprobs: z.null(),
    finish_reason: finishReasonSchema,
  })),
}).meta({ id: "Completion" });

export const openAiModelSchema = z.object({
  id: z.string().describe("`model`, or `model:adapter`"),
  object: z.literal("model"),
  created: z.int().min(0).describe("When the adapter was trained, in seconds since 1970; 0 for the model"),
  owned_by: z.string(),
}).meta({ id: "OpenAiModel" });
export type OpenAiModel = z.infer<typeof openAiModelSchema>;

export const openAiModelListSchema = z.object({
  object: z.literal("list"),
  data: z.array(openAiModelSchema),
}).meta({ id: "OpenAiModelList" });

/** Every error under `/v1/`. */
export const openAiErrorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().describe("The faulty field"),
    code: z.string().nullable(),
  }),
}).meta({ id: "OpenAiError" });
export type OpenAiErrorBody = z.infer<typeof openAiErrorSchema>;
