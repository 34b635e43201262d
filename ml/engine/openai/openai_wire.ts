/** The parts of the OpenAI wire format that the engine uses: requests, streamed responses, the list of models. */
import type { JsonSchema } from "../../../contract/json_schema.ts";
import { parseTranscript, type Transcript } from "../../../contract/prompt.ts";
import { z } from "../../../deps.ts";
import { serverSentEventsOf } from "../../../lib/http/client.ts";
import { mergeNeighbours } from "../chat_prompt.ts";
import type { GenerationRequest } from "../engine.ts";

/** OpenAI's own API takes at most this many; the engine checks for all of them itself. */
const MAX_STOP_STRINGS = 4;

const finishReasonSchema = z.string().nullish();

/** One event of a streamed response; servers differ in what they leave out. */
const chunkSchema = z.object({
  choices: z.array(z.object({
    delta: z.object({ content: z.string().nullish() }).optional(),
    text: z.string().optional(),
    finish_reason: finishReasonSchema,
    logprobs: z.object({
      content: z.array(z.object({ logprob: z.number() })).nullish(),
      token_logprobs: z.array(z.number().nullable()).nullish(),
    }).nullish(),
  })).default([]),
  usage: z.object({
    prompt_tokens: z.number(),
    completion_tokens: z.number(),
    prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
  }).nullish(),
});

export const remoteModelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

/** What one event adds to the reply. */
export interface RemotePiece {
  text: string;
  /** Natural logarithms of its tokens' probabilities; empty when the server gives none. */
  logProbabilities: number[];
  finishReason: string | null;
  usage: { promptTokens: number; cachedTokens: number; generatedTokens: number } | null;
}

/** Where to send a request, and its body. */
export interface RemoteRequest {
  path: "/chat/completions" | "/completions";
  body: Record<string, unknown>;
}

/** A conversation as the messages of a chat. */
export function messagesOf({ system, turns }: Transcript): { role: string; content: string }[] {
  const messages = mergeNeighbours(turns).map(({ speaker, text }) => ({
    role: speaker === "me" ? "assistant" : "user",
    content: text,
  }));
  return system === undefined ? messages : [{ role: "system", content: system }, ...messages];
}

function responseFormatOf(schema: JsonSchema): Record<string, unknown> {
  return { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
}

/**
 * A request as OpenAI's API takes it, plus the fields of compatible servers.
 *
 * `top_k`, `min_p` and the repeat penalty are known to llama-server, vLLM and others under these names.
 */
export function remoteRequestOf(request: GenerationRequest, model: string): RemoteRequest {
  const transcript = request.raw ? null : parseTranscript(request.prompt);
  const { repeatPenalty } = request;
  const common = {
    model,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop.slice(0, MAX_STOP_STRINGS),
    seed: request.seed,
    top_k: request.topK,
    min_p: request.minP,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    ...(request.jsonSchema ? { response_format: responseFormatOf(request.jsonSchema) } : {}),
    ...(repeatPenalty === 1 ? {} : { repeat_penalty: repeatPenalty, repetition_penalty: repeatPenalty }),
  };
  return transcript
    ? { path: "/chat/completions", body: { ...common, messages: messagesOf(transcript), logprobs: true } }
    : { path: "/completions", body: { ...common, prompt: request.prompt, logprobs: 1 } };
}

function pieceOf(data: string): RemotePiece {
  const { choices, usage } = chunkSchema.parse(JSON.parse(data));
  const [choice] = choices;
  const chat = choice?.logprobs?.content?.map(({ logprob }) => logprob);
  const plain = choice?.logprobs?.token_logprobs?.filter((logprob) => logprob !== null);
  return {
    text: choice?.delta?.content ?? choice?.text ?? "",
    logProbabilities: chat ?? plain ?? [],
    finishReason: choice?.finish_reason ?? null,
    usage: usage
      ? {
        promptTokens: usage.prompt_tokens,
        cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
        generatedTokens: usage.completion_tokens,
      }
      : null,
  };
}

/** The pieces of a streamed response, until the server says it is done. */
export async function* readRemotePieces(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<RemotePiece> {
  for await (const { data } of serverSentEventsOf(body)) {
    if (data === "[DONE]") return;
    if (data !== "") yield pieceOf(data);
  }
}
