/** The OpenAI-compatible endpoints: `/v1/chat/completions`, `/v1/completions`, `/v1/models`, and their errors. */
import type { ErrorBody } from "../../contract/errors.ts";
import {
  chatCompletionRequestSchema,
  chatCompletionSchema,
  completionRequestSchema,
  completionSchema,
  MAX_OPENAI_MODEL_LENGTH,
  type OpenAiErrorBody,
  openAiErrorSchema,
  openAiModelListSchema,
  openAiModelSchema,
} from "../../contract/openai.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { type Context, createRoute, streamSSE, z } from "../../deps.ts";
import { errorBodyOf, logFieldsOfError, phraseOfStatus } from "../../lib/errors.ts";
import {
  type ApiEnv,
  createRoutes,
  documentedPath,
  eventStreamContent,
  jsonBody,
  jsonResponse,
} from "../../lib/http/app.ts";
import type { Logger } from "../../lib/log.ts";
import type { ChoicePiece, CompletionResult, OpenAiService } from "../services/openai_service.ts";
import { startGeneration, type StreamedWork, unlessAborted } from "../../lib/http/streamed_work.ts";

const STREAM_TEXT =
  "With `stream: true` the answer is server-sent events, each with a chunk, and last `[DONE]`.";

function errors(...statusCodes: number[]) {
  return Object.fromEntries(
    statusCodes.map((status) => [status, jsonResponse(openAiErrorSchema, phraseOfStatus(status))]),
  );
}

/** A completion as one JSON body, or as events without names. */
function streamedOrWhole<Schema extends z.ZodType>(schema: Schema, description: string) {
  const { content } = jsonResponse(schema, description);
  return { description, content: { ...content, ...eventStreamContent([]) } };
}

const chat = createRoute({
  method: "post",
  path: ML_PATHS.chatCompletions,
  summary: "Answers a chat, as OpenAI's API does",
  description: `${STREAM_TEXT} A chat that is too long for the model's context loses its oldest messages.`,
  request: { body: jsonBody(chatCompletionRequestSchema) },
  responses: {
    200: streamedOrWhole(chatCompletionSchema, "The answer"),
    ...errors(400, 401, 404, 413, 503),
  },
});

const complete = createRoute({
  method: "post",
  path: ML_PATHS.completions,
  summary: "Continues a text, as OpenAI's API does",
  description: STREAM_TEXT,
  request: { body: jsonBody(completionRequestSchema) },
  responses: {
    200: streamedOrWhole(completionSchema, "The continuation"),
    ...errors(400, 401, 404, 413, 503),
  },
});

const models = createRoute({
  method: "get",
  path: ML_PATHS.openAiModels,
  summary: "Lists the served model and its adapters, as OpenAI's API does",
  responses: { 200: jsonResponse(openAiModelListSchema, "What `model` may be"), ...errors(401) },
});

const model = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.openAiModel),
  summary: "Shows one of the models",
  request: { params: z.object({ model: z.string().max(MAX_OPENAI_MODEL_LENGTH) }) },
  responses: { 200: jsonResponse(openAiModelSchema, "The model"), ...errors(400, 401, 404) },
});

const TYPE_OF_STATUS: Record<number, string> = { 401: "authentication_error", 429: "rate_limit_error" };

function openAiErrorOf({ statusCode, message, code, details }: ErrorBody): OpenAiErrorBody {
  const kind = statusCode < 500 ? "invalid_request_error" : "server_error";
  const param = details?.[0]?.path || null;
  const names = { unauthorized: "invalid_api_key", not_found: param === "model" ? "model_not_found" : code };
  return {
    error: {
      message,
      type: TYPE_OF_STATUS[statusCode] ?? kind,
      param,
      code: code in names ? names[code as keyof typeof names] : code,
    },
  };
}

/** The error of a path under `/v1/` as OpenAI's clients read it; undefined elsewhere. */
export function openAiErrorAt(body: ErrorBody, path: string): OpenAiErrorBody | undefined {
  return path.startsWith("/v1/") ? openAiErrorOf(body) : undefined;
}

/** How a kind of completion is written. */
interface Format {
  idPrefix: string;
  object: { answer: string; chunk: string };
  choice: (text: string) => object;
  /** `isFirst`: the first chunk of a choice. */
  delta: (text: string, isFirst: boolean) => object;
}

const CHAT_FORMAT: Format = {
  idPrefix: "chatcmpl",
  object: { answer: "chat.completion", chunk: "chat.completion.chunk" },
  choice: (content) => ({ message: { role: "assistant", content, refusal: null } }),
  delta: (content, isFirst) => ({
    delta: { ...(isFirst ? { role: "assistant" } : {}), ...(content === "" && !isFirst ? {} : { content }) },
  }),
};

const TEXT_FORMAT: Format = {
  idPrefix: "cmpl",
  object: { answer: "text_completion", chunk: "text_completion" },
  choice: (text) => ({ text }),
  delta: (text) => ({ text }),
};

/** What a request says of its answer. */
interface AnswerRequest {
  model: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean | null } | null;
}

type CompletionWork = StreamedWork<ChoicePiece, CompletionResult>;

function answerHead(request: AnswerRequest, { idPrefix }: Format) {
  return {
    id: `${idPrefix}-${crypto.randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1_000),
    model: request.model,
  };
}

/** The chunks of a streamed completion, without the last one, which has the usage. */
async function* chunksOf(pieces: AsyncIterable<ChoicePiece>, format: Format): AsyncGenerator<object> {
  let current = -1;
  for await (const { index, text, finishReason } of pieces) {
    const isFirst = index !== current;
    current = index;
    yield { index, ...format.delta(text, isFirst), logprobs: null, finish_reason: finishReason };
  }
}

async function streamCompletion(
  c: Context<ApiEnv>,
  options: { request: AnswerRequest; format: Format; work: CompletionWork; log: Logger },
): Promise<Response> {
  const { request, format, work, log } = options;
  const withUsage = request.stream_options?.include_usage === true;
  const head = { ...answerHead(request, format), object: format.object.chunk };
  const { pieces, result, signal, leave } = await startGeneration(c, work);
  return streamSSE(c, async (stream) => {
    stream.onAbort(leave);
    const write = (data: object) => stream.writeSSE({ data: JSON.stringify(data) });
    for await (const choice of chunksOf(pieces, format)) {
      await write({ ...head, choices: [choice], ...(withUsage ? { usage: null } : {}) });
    }
    try {
      const { usage } = await result;
      if (withUsage) await write({ ...head, choices: [], usage });
      await stream.writeSSE({ data: "[DONE]" });
    } catch (error) {
      if (!signal.aborted) log.error("generation failed", logFieldsOfError(error));
      await write(openAiErrorOf(errorBodyOf(error, c.get("requestId"))));
    }
  });
}

/** The routes; `openAiErrorAt` writes their errors. */
export function openAiRoutes({ openAi, log }: { openAi: OpenAiService; log: Logger }) {
  async function answer(
    c: Context<ApiEnv>,
    options: { request: AnswerRequest; format: Format; work: CompletionWork },
  ): Promise<Response> {
    const { request, format, work } = options;
    const { signal } = c.req.raw;
    try {
      if (request.stream) return await streamCompletion(c, { ...options, log });
      const { choices, usage } = await work({ signal, onPiece: () => {} });
      return c.json({
        ...answerHead(request, format),
        object: format.object.answer,
        choices: choices.map(({ index, text, finishReason }) => {
          return { index, ...format.choice(text), logprobs: null, finish_reason: finishReason };
        }),
        usage,
      });
    } catch (error) {
      throw unlessAborted(error, signal);
    }
  }

  return createRoutes()
    .openapi(chat, async (c) => {
      const request = c.req.valid("json");
      const work: CompletionWork = (options) => openAi.chat(request, options);
      return await answer(c, { request, format: CHAT_FORMAT, work }) as never;
    })
    .openapi(complete, async (c) => {
      const request = c.req.valid("json");
      const work: CompletionWork = (options) => openAi.complete(request, options);
      return await answer(c, { request, format: TEXT_FORMAT, work }) as never;
    })
    .openapi(models, async (c) => c.json({ object: "list" as const, data: await openAi.models() }, 200))
    .openapi(model, async (c) => c.json(await openAi.model(c.req.valid("param").model), 200));
}
