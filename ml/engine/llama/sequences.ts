/** The sequences of a context: which one a prompt gets, and how it is evaluated and continued there. */
import type { LlamaContext, LlamaContextSequence, Token } from "node-llama-cpp";
import { endsReply } from "../chat_prompt.ts";
import { PROBABILITY_FLOOR, type SampledToken, sampleToken, type SamplingOptions } from "../sampling.ts";

/** A long prompt is evaluated in chunks of this many tokens, and an abort is noticed between them. */
const PROMPT_CHUNK_TOKENS = 256;

/** How many of the most probable tokens are considered: sorting more costs time, and the rest weigh about 0.1 %. */
const TOP_TOKENS = 16_384;

/** Settings of llama.cpp's sampler chain under which it only normalises and drops negligible tokens. */
const UNCHANGED_PROBABILITIES = {
  temperature: 1,
  topK: TOP_TOKENS,
  topP: 1,
  minP: PROBABILITY_FLOOR,
  seed: 0,
  yieldEogToken: true,
} as const;

/** A sequence and the conversation whose prompt it holds. */
interface Slot {
  sequence: LlamaContextSequence;
  conversationId?: string;
  /** Counts up; the least recently used sequence has the lowest. */
  usedAt: number;
}

/** A sequence held for one run; disposing releases it with the tokens it has evaluated. */
export interface SequenceLease extends AsyncDisposable {
  readonly sequence: LlamaContextSequence;
  /** Marks the sequence's state as unusable: it is cleared on release. */
  invalidate(): void;
}

/**
 * How many token evaluations a sequence saves, now or later.
 *
 * What a sequence holds beyond the shared prefix is lost. That matters when another conversation may return to it,
 * not when it is this conversation's own past.
 */
function savingOf(slot: Slot, options: { tokens: Token[]; conversationId?: string }): number {
  const shared = slot.sequence.compareContextTokens(options.tokens).firstDifferentIndex;
  const isOwn = slot.conversationId !== undefined && slot.conversationId === options.conversationId;
  const lost = isOwn ? 0 : slot.sequence.nextTokenIndex - shared;
  return Math.max(0, shared - lost);
}

/** All sequences of one context. The request queue limits the callers, so one is always idle. */
export class SequencePool {
  readonly #idle: Slot[];
  #clock = 0;

  constructor(context: LlamaContext) {
    this.#idle = Array.from({ length: context.totalSequences }, () => ({
      sequence: context.getSequence(),
      usedAt: 0,
    }));
  }

  /** Takes the idle sequence that saves most: the shared prefix less what others lose. Ties: least recently used. */
  acquire(tokens: Token[], options: { conversationId?: string } = {}): SequenceLease {
    const [best] = this.#idle
      .map((slot) => ({ slot, saving: savingOf(slot, { ...options, tokens }) }))
      .sort((a, b) => b.saving - a.saving || a.slot.usedAt - b.slot.usedAt);
    if (!best) throw new Error("No sequence is idle: more runs were admitted than there are sequences");
    const { slot } = best;
    this.#idle.splice(this.#idle.indexOf(slot), 1);
    slot.conversationId = options.conversationId;
    slot.usedAt = ++this.#clock;
    let isInvalid = false;
    return {
      sequence: slot.sequence,
      invalidate: () => {
        isInvalid = true;
      },
      [Symbol.asyncDispose]: async () => {
        if (isInvalid) await slot.sequence.clearHistory();
        this.#idle.push(slot);
      },
    };
  }
}

/**
 * Evaluates a prompt except its last chunk, which is returned: evaluating that one yields the first token.
 *
 * @returns `cachedTokens`: how many tokens the sequence held already
 */
export async function evaluatePrompt(
  sequence: LlamaContextSequence,
  tokens: Token[],
  options: { signal?: AbortSignal },
): Promise<{ rest: Token[]; cachedTokens: number }> {
  await sequence.adaptStateToTokens(tokens.slice(0, -1), false);
  const cachedTokens = sequence.nextTokenIndex;
  let rest = tokens.slice(cachedTokens);
  while (rest.length > PROMPT_CHUNK_TOKENS) {
    options.signal?.throwIfAborted();
    await sequence.evaluateWithoutGeneratingNewTokens(rest.slice(0, PROMPT_CHUNK_TOKENS));
    rest = rest.slice(PROMPT_CHUNK_TOKENS);
  }
  options.signal?.throwIfAborted();
  return { rest, cachedTokens };
}

/** Samples one token after another until the model ends its reply or the caller stops iterating. */
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
