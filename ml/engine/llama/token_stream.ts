/** Owns the tokens of one generation: evaluates a prompt on a sequence and chooses one token after the other. */
import type { LlamaContextSequence, Token } from "node-llama-cpp";
import { endsReply } from "../prompt/end_of_turn.ts";
import { PROBABILITY_FLOOR, type SampledToken, sampleToken, type SamplingOptions } from "./sampling.ts";

/** A long prompt is evaluated in pieces of this many tokens, and an abort is noticed between them. */
const PROMPT_PIECE_TOKENS = 256;

/** How many of the most probable tokens are looked at: sorting more costs time, and beyond lies about 0.1 %. */
const TOP_TOKENS = 16_384;

/** llama.cpp's sampler chain, set so that it only normalises and drops what is next to impossible. */
const UNCHANGED_PROBABILITIES = {
  temperature: 1,
  topK: TOP_TOKENS,
  topP: 1,
  minP: PROBABILITY_FLOOR,
  seed: 0,
  yieldEogToken: true,
} as const;

/**
 * Evaluates a prompt but for its last piece, which is returned: evaluating that one gives the first token.
 *
 * @returns `cachedTokens`: how many tokens the sequence knew already
 */
export async function evaluatePrompt(
  sequence: LlamaContextSequence,
  tokens: Token[],
  options: { signal?: AbortSignal },
): Promise<{ rest: Token[]; cachedTokens: number }> {
  await sequence.adaptStateToTokens(tokens.slice(0, -1), false);
  const cachedTokens = sequence.nextTokenIndex;
  let rest = tokens.slice(cachedTokens);
  while (rest.length > PROMPT_PIECE_TOKENS) {
    options.signal?.throwIfAborted();
    await sequence.evaluateWithoutGeneratingNewTokens(rest.slice(0, PROMPT_PIECE_TOKENS));
    rest = rest.slice(PROMPT_PIECE_TOKENS);
  }
  options.signal?.throwIfAborted();
  return { rest, cachedTokens };
}

/** Chosen tokens one after the other, until the model ends its reply or the caller stops asking. */
export async function* chooseTokens(
  sequence: LlamaContextSequence,
  rest: Token[],
  options: Omit<SamplingOptions, "generated">,
): AsyncGenerator<SampledToken<Token>, void, void> {
  const generated: Token[] = [];
  const steps = sequence.evaluateWithMetadata(rest, { probabilities: true }, UNCHANGED_PROBABILITIES);
  try {
    let step = await steps.next();
    while (!step.done) {
      const chosen = sampleToken(step.value.probabilities, { ...options, generated });
      if (endsReply(chosen.token, sequence.model)) return;
      generated.push(chosen.token);
      yield chosen;
      step = await steps.next(chosen.token);
    }
  } finally {
    await steps.return();
  }
}
