/** Completions as OpenAI's API has them, on the generation service: models, messages, choices, usage. */
import type { JsonSchema } from "../../contract/json_schema.ts";
import type { GenerateRequest, GenerateResult } from "../../contract/ml.ts";
import { DEFAULT_STOP, MAX_GENERATED_TOKENS } from "../../contract/ml.ts";
import type {
  ChatCompletionRequest,
  ChatMessage,
  CompletionRequest,
  CompletionUsage,
  OpenAiModel,
} from "../../contract/openai.ts";
import { formatTranscript, type Turn } from "../../contract/prompt.ts";
import { runSideBySide } from "../../lib/async.ts";
import { ApiError, invalidRequest } from "../../lib/errors.ts";
import type { AdapterService } from "./adapter_service.ts";
import { seedOf } from "./candidates.ts";
import type { GenerationService } from "./generation_service.ts";
import type { ModelService } from "./model_service.ts";

/** Between a model's id and an adapter's: neither holds it. */
const ADAPTER_SEPARATOR = ":";
/** How much OpenAI's text completions generate by default. */
const DEFAULT_TEXT_TOKENS = 16;
const OWNER = "conversation-assistant";

/** A piece of one choice; the last one of a choice has its finish reason. */
export interface ChoicePiece {
  index: number;
  text: string;
  finishReason: "stop" | "length" | null;
}

export interface CompletionResult {
  choices: { index: number; text: string; finishReason: "stop" | "length" }[];
  usage: CompletionUsage;
}

export interface CompletionOptions {
  signal?: AbortSignal;
  onPiece?: (piece: ChoicePiece) => void;
}

/** See `contract/openai.ts` for the shapes. */
export interface OpenAiService {
  /** The served model, and the adapters that it can be asked with. */
  models(): Promise<OpenAiModel[]>;
  /** Throws ApiError `not_found`. */
  model(id: string): Promise<OpenAiModel>;
  /** Throws ApiError `not_found` for an unknown model, `validation_failed`, and as {@linkcode GenerationService}. */
  chat(request: ChatCompletionRequest, options?: CompletionOptions): Promise<CompletionResult>;
  /** Continues a text as it is, without a template. Throws as `chat` does. */
  complete(request: CompletionRequest, options?: CompletionOptions): Promise<CompletionResult>;
}

export interface OpenAiDependencies {
  generation: Pick<GenerationService, "generate" | "capacity">;
  models: Pick<ModelService, "state">;
  adapters: Pick<AdapterService, "list" | "require">;
}

function textOf({ content }: ChatMessage): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("");
}

function isSystem({ role }: ChatMessage): boolean {
  return role === "system" || role === "developer";
}

/** The messages as a prompt; the assistant's are the owner's own in a transcript. */
function promptOf(messages: readonly ChatMessage[]): string {
  const firstTurn = messages.findIndex((message) => !isSystem(message));
  if (firstTurn < 0) {
    throw invalidRequest([{ path: "messages", message: "must have a message of the user or the assistant" }]);
  }
  const turns = messages.slice(firstTurn).map((message, index): Turn => {
    if (isSystem(message)) {
      const path = `messages.${firstTurn + index}.role`;
      throw invalidRequest([{ path, message: "system messages must come before all others" }]);
    }
    return { speaker: message.role === "assistant" ? "me" : "them", text: textOf(message) };
  });
  const system = firstTurn === 0 ? undefined : messages.slice(0, firstTurn).map(textOf).join("\n\n");
  return formatTranscript({ system, turns });
}

/** What the answer is held to; undefined: nothing. */
function answerSchemaOf(format: ChatCompletionRequest["response_format"]): JsonSchema | undefined {
  if (format?.type === "json_schema") return format.json_schema.schema;
  return format?.type === "json_object" ? { type: "object" } : undefined;
}

function stopsOf(stop: ChatCompletionRequest["stop"]): string[] {
  return typeof stop === "string" ? [stop] : stop ?? [];
}

/** What chat and text completions have in common; null is as good as absent. */
function samplingOf(request: ChatCompletionRequest | CompletionRequest) {
  return {
    temperature: request.temperature ?? 1,
    top_p: request.top_p ?? 1,
    top_k: request.top_k ?? undefined,
    min_p: request.min_p ?? undefined,
    repeat_penalty: request.repeat_penalty ?? 1,
    presence_penalty: request.presence_penalty ?? undefined,
    frequency_penalty: request.frequency_penalty ?? undefined,
    account_id: request.user ?? undefined,
    conversation_id: request.prompt_cache_key ?? undefined,
    seed: request.seed,
    choices: request.n ?? 1,
  };
}

function usageOf(results: readonly GenerateResult[]): CompletionUsage {
  const promptTokens = results[0]?.timings?.prompt_tokens ?? 0;
  const completionTokens = results.reduce((sum, result) => sum + result.tokens_used, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: results[0]?.timings?.cached_tokens ?? 0 },
  };
}

function unknownModel(id: string): ApiError {
  return new ApiError("not_found", `There is no model ${id}; GET /v1/models lists those there are`, {
    details: [{ path: "model", message: "must be the id of a model that is served" }],
  });
}

/**
 * The adapter that a model's id names; undefined: the model alone.
 *
 * @throws ApiError `not_found`, `model_not_loaded`
 */
async function adapterOf(
  id: string,
  { models, adapters }: Pick<OpenAiDependencies, "models" | "adapters">,
): Promise<string | undefined> {
  const { modelId } = models.state;
  if (modelId === null) {
    throw new ApiError("model_not_loaded", "No model is loaded; /health says why", { retryAfterSeconds: 5 });
  }
  if (id === modelId) return undefined;
  const prefix = modelId + ADAPTER_SEPARATOR;
  if (!id.startsWith(prefix)) throw unknownModel(id);
  const adapterId = id.slice(prefix.length);
  await adapters.require(adapterId).catch((error) => {
    const isGone = error instanceof ApiError && error.code !== "model_not_loaded";
    throw isGone ? unknownModel(id) : error;
  });
  return adapterId;
}

async function servedModels(
  { models, adapters }: Pick<OpenAiDependencies, "models" | "adapters">,
): Promise<OpenAiModel[]> {
  const { modelId } = models.state;
  if (modelId === null) return [];
  const entry = (id: string, created: number) => ({ id, object: "model" as const, created, owned_by: OWNER });
  const served = await Promise.all(
    adapters.list().map(async ({ id, created_at: createdAt }) => {
      const isServed = await adapters.require(id).then(() => true, () => false);
      const created = Math.floor(Date.parse(createdAt) / 1_000);
      return isServed ? [entry(modelId + ADAPTER_SEPARATOR + id, created)] : [];
    }),
  );
  return [entry(modelId, 0), ...served.flat()];
}

/** Generates the choices side by side, from one evaluation of the prompt. */
async function generateChoices(
  generation: OpenAiDependencies["generation"],
  request: Omit<GenerateRequest, "seed"> & { seed?: number | null; choices: number },
  { signal, onPiece }: CompletionOptions,
): Promise<CompletionResult> {
  const { seed, choices, ...common } = request;
  const results = await runSideBySide(async (index, signal) => {
    const own = { ...common, seed: seed === null || seed === undefined ? undefined : seedOf(seed, index) };
    const onToken = (text: string) => onPiece?.({ index, text, finishReason: null });
    const result = await generation.generate(own, { signal, onToken });
    onPiece?.({ index, text: "", finishReason: result.finish_reason ?? "stop" });
    return result;
  }, { count: choices, limit: generation.capacity, signal });
  return {
    choices: results.map(({ response, finish_reason: reason }, index) => {
      return { index, text: response, finishReason: reason ?? "stop" };
    }),
    usage: usageOf(results),
  };
}

/** Makes the service. */
export function createOpenAiService(dependencies: OpenAiDependencies): OpenAiService {
  const { generation } = dependencies;
  return {
    models: () => servedModels(dependencies),

    async model(id) {
      const found = (await servedModels(dependencies)).find((model) => model.id === id);
      if (found === undefined) throw unknownModel(id);
      return found;
    },

    async chat(request, options = {}) {
      const wanted = {
        ...samplingOf(request),
        prompt: promptOf(request.messages),
        max_tokens: request.max_completion_tokens ?? request.max_tokens ?? MAX_GENERATED_TOKENS,
        // Where a model without a template continues the transcript, these end its turn.
        stop: [...stopsOf(request.stop), ...DEFAULT_STOP],
        json_schema: answerSchemaOf(request.response_format),
        raw: false,
        adapter_id: await adapterOf(request.model, dependencies),
      };
      return await generateChoices(generation, wanted, options);
    },

    async complete(request, options = {}) {
      const { prompt } = request;
      const wanted = {
        ...samplingOf(request),
        prompt: typeof prompt === "string" ? prompt : prompt[0] ?? "",
        max_tokens: request.max_tokens ?? DEFAULT_TEXT_TOKENS,
        stop: stopsOf(request.stop),
        raw: true,
        verbatim: true,
        adapter_id: await adapterOf(request.model, dependencies),
      };
      return await generateChoices(generation, wanted, options);
    },
  };
}
