/** Owns the sequences of a context, and which of the idle ones a prompt gets: the one that knows most of it. */
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
   * Takes the idle sequence that shares the longest beginning with a prompt; of equals the conversation's
   * own, then the one unused for longest.
   */
  take(tokens: Token[], options: { conversationId?: string } = {}): SequenceLease {
    const isOwn = (slot: Slot) =>
      Number(slot.conversationId !== undefined && slot.conversationId === options.conversationId);
    const [best] = this.#idle
      .map((slot) => ({ slot, shared: slot.sequence.compareContextTokens(tokens).firstDifferentIndex }))
      .sort((a, b) => b.shared - a.shared || isOwn(b.slot) - isOwn(a.slot) || a.slot.usedAt - b.slot.usedAt);
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
