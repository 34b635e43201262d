/** How probable a model of vLLM finds replies: it tokenises them and gives the log-probabilities of a prompt's tokens. */
import { transcriptOf } from "../../../contract/prompt.ts";
import { z } from "../../../deps.ts";
import type { Likelihood, Sample, TokenizedSample } from "../engine.ts";
import { messagesOf } from "./openai_wire.ts";
import { type RemoteServer, unavailable } from "./remote_server.ts";

const tokensSchema = z.object({ tokens: z.array(z.int()) });
/** By position, and there by token id; the first token has nothing before it. */
const scoresSchema = z.object({
  choices: z.tuple([
    z.object({
      prompt_logprobs: z.array(z.record(z.string(), z.object({ logprob: z.number() })).nullable()),
    }),
  ]),
});

/** A model of the server, by the name that requests give it. */
export interface RemoteModel {
  server: RemoteServer;
  name: string;
}

async function post<Result>(
  { server, name }: RemoteModel,
  { path, body, schema, signal }: {
    path: string;
    body: Record<string, unknown>;
    schema: z.ZodType<Result>;
    signal?: AbortSignal;
  },
): Promise<Result> {
  const answer = await server.send(path, {
    method: "POST",
    body: JSON.stringify({ model: name, ...body }),
    signal,
  });
  const parsed = schema.safeParse(await answer.json().catch(() => null));
  if (parsed.success) return parsed.data;
  throw unavailable(`The model server's answer to ${path} has an unknown shape`);
}

async function tokensOf(
  model: RemoteModel,
  body: Record<string, unknown>,
  { signal }: { signal?: AbortSignal },
): Promise<number[]> {
  return (await post(model, { path: "/tokenize", body, schema: tokensSchema, signal })).tokens;
}

/**
 * A sample's tokens: the prompt through the server's chat template, and the reply by itself.
 *
 * @throws ApiError as a generation does
 */
export async function remoteSampleTokens(
  model: RemoteModel,
  { input, output }: Sample,
  options: { signal?: AbortSignal } = {},
): Promise<TokenizedSample> {
  const messages = messagesOf(transcriptOf(input));
  return {
    prompt: await tokensOf(model, { messages, add_generation_prompt: true }, options),
    reply: await tokensOf(model, { prompt: output, add_special_tokens: false }, options),
  };
}

/**
 * A sample's tokens with the first token that the server's template puts after a reply, which training counts too; null
 * where the template does not leave prompt and reply as they are.
 */
export async function remoteTurnTokens(model: RemoteModel, sample: Sample): Promise<TokenizedSample | null> {
  const { prompt, reply } = await remoteSampleTokens(model, sample);
  const messages = [
    ...messagesOf(transcriptOf(sample.input)),
    { role: "assistant", content: sample.output },
  ];
  const turn = await tokensOf(model, { messages, add_generation_prompt: false }, {});
  const tokens = [...prompt, ...reply];
  const [endOfTurn] = turn.slice(tokens.length);
  const isWhole = endOfTurn !== undefined && tokens.every((token, index) => token === turn[index]);
  return isWhole ? { prompt, reply: [...reply, endOfTurn] } : null;
}

/** The natural logarithm of the probability of each token of `reply` after `prompt`. */
export async function remoteLogProbabilities(
  model: RemoteModel,
  { prompt, reply }: TokenizedSample,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number[]> {
  if (reply.length === 0) return [];
  const tokens = [...prompt, ...reply];
  // One token has to be generated; what is asked for is of the prompt.
  const body = { prompt: tokens, max_tokens: 1, temperature: 0, prompt_logprobs: 1 };
  const { choices: [choice] } = await post(model, {
    path: "/v1/completions",
    body,
    schema: scoresSchema,
    signal,
  });
  return reply.map((token, index) => {
    const score = choice.prompt_logprobs[prompt.length + index]?.[token]?.logprob;
    if (score !== undefined) return score;
    throw unavailable("The model server left out the log-probability of a token");
  });
}

/** How probable the model finds each sample's reply. */
export async function evaluateRemotely(
  model: RemoteModel,
  samples: readonly Sample[],
  options: { signal?: AbortSignal },
): Promise<Likelihood[]> {
  const likelihoods: Likelihood[] = [];
  for (const sample of samples) {
    const tokens = await remoteSampleTokens(model, sample, options);
    const logs = await remoteLogProbabilities(model, tokens, options);
    likelihoods.push({ tokens: logs.length, logLikelihood: logs.reduce((sum, log) => sum + log, 0) });
  }
  return likelihoods;
}
