/** The sequences of a context: which one a prompt gets. */
import { type Sequence, sharedLength } from "../libllama/evaluation.ts";
import type { NativeAdapter } from "../libllama/native_model.ts";

/** A sequence and the conversation whose prompt it holds. */
interface Slot {
  sequence: Sequence;
  conversationId?: string;
  /** Counts up; the least recently used sequence has the lowest. */
  usedAt: number;
}

export interface PromptToPlace {
  tokens: readonly number[];
  adapter: NativeAdapter | null;
  conversationId?: string;
}

/** A sequence held for one run; disposing releases it with the tokens it has evaluated. */
export interface SequenceLease extends Disposable {
  readonly sequence: Sequence;
}

/**
 * How many token evaluations a sequence saves, now or later.
 *
 * What a sequence holds beyond the shared prefix is lost. That matters when another conversation may return to it,
 * not when it is this conversation's own past.
 */
function savingOf({ sequence, conversationId }: Slot, prompt: PromptToPlace): number {
  const shared = sequence.adapter === prompt.adapter ? sharedLength(sequence.tokens, prompt.tokens) : 0;
  const isOwn = conversationId !== undefined && conversationId === prompt.conversationId;
  const lost = isOwn ? 0 : sequence.tokens.length - shared;
  return Math.max(0, shared - lost);
}

/** All sequences of one context. The request queue limits the callers, so one is always idle. */
export class SequencePool {
  readonly #idle: Slot[];
  #clock = 0;

  constructor({ sequences }: { sequences: number }) {
    this.#idle = Array.from({ length: sequences }, (_, id) => ({
      sequence: { id, tokens: [], adapter: null },
      usedAt: 0,
    }));
  }

  /** Takes the idle sequence that saves most: the shared prefix less what others lose. Ties: least recently used. */
  acquire(prompt: PromptToPlace): SequenceLease {
    const [best] = this.#idle
      .map((slot) => ({ slot, saving: savingOf(slot, prompt) }))
      .sort((a, b) => b.saving - a.saving || a.slot.usedAt - b.slot.usedAt);
    if (!best) throw new Error("No sequence is idle: more runs were admitted than there are sequences");
    const { slot } = best;
    this.#idle.splice(this.#idle.indexOf(slot), 1);
    slot.conversationId = prompt.conversationId;
    slot.usedAt = ++this.#clock;
    return {
      sequence: slot.sequence,
      [Symbol.dispose]: () => {
        this.#idle.push(slot);
      },
    };
  }
}
