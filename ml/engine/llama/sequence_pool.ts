/** Owns the sequences of a context, and which of the idle ones a prompt gets: the one that saves most work. */
import type { LlamaContext, LlamaContextSequence, Token } from "node-llama-cpp";

/** A sequence and whose prompt it holds. */
interface Slot {
  sequence: LlamaContextSequence;
  conversationId?: string;
  /** Counts up; the least recently used sequence has the lowest. */
  usedAt: number;
}

/** A sequence held for one run; disposing gives it back with what it has evaluated. */
export interface SequenceLease extends AsyncDisposable {
  readonly sequence: LlamaContextSequence;
  /** Tells the pool that the sequence's state cannot be trusted: it is cleared when given back. */
  spoil(): void;
}

/**
 * How many tokens need not be evaluated because of a sequence, now or later.
 *
 * What a sequence knows beyond the prompt's beginning is lost. That matters when another conversation may come
 * back to it, not when it is this one's own past.
 */
function savingOf(slot: Slot, options: { tokens: Token[]; conversationId?: string }): number {
  const shared = slot.sequence.compareContextTokens(options.tokens).firstDifferentIndex;
  const isOwn = slot.conversationId !== undefined && slot.conversationId === options.conversationId;
  const lost = isOwn ? 0 : slot.sequence.nextTokenIndex - shared;
  return Math.max(0, shared - lost);
}

/** All sequences of one context. Callers are admitted beforehand, so an idle one is always there. */
export class SequencePool {
  readonly #idle: Slot[];
  #clock = 0;

  constructor(context: LlamaContext) {
    this.#idle = Array.from({ length: context.totalSequences }, () => ({
      sequence: context.getSequence(),
      usedAt: 0,
    }));
  }

  /**
   * Takes the idle sequence that saves most: what it shares with the prompt, less what others lose by it. Of
   * equals the one unused for longest.
   */
  take(tokens: Token[], options: { conversationId?: string } = {}): SequenceLease {
    const [best] = this.#idle
      .map((slot) => ({ slot, saving: savingOf(slot, { ...options, tokens }) }))
      .sort((a, b) => b.saving - a.saving || a.slot.usedAt - b.slot.usedAt);
    if (!best) throw new Error("No sequence is idle: more runs were admitted than there are sequences");
    const { slot } = best;
    this.#idle.splice(this.#idle.indexOf(slot), 1);
    slot.conversationId = options.conversationId;
    slot.usedAt = ++this.#clock;
    let spoiled = false;
    return {
      sequence: slot.sequence,
      spoil: () => {
        spoiled = true;
      },
      [Symbol.asyncDispose]: async () => {
        if (spoiled) await slot.sequence.clearHistory();
        this.#idle.push(slot);
      },
    };
  }
}
