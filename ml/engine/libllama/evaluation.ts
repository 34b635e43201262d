/** What the loop evaluates: tokens on a sequence, how far it has come with them, and the rows of a batch that come next. */
import type { BatchRow } from "./batch.ts";
import type { NativeAdapter } from "./native_model.ts";

/** A sequence of the context, and the tokens whose keys and values it holds. */
export interface Sequence {
  readonly id: number;
  tokens: number[];
  /** What they were evaluated with: with other weights they mean something else. */
  adapter: NativeAdapter | null;
}

/** Tokens to evaluate on a sequence, and what to do with what the model says after them. */
export interface Evaluation {
  sequence: Sequence;
  adapter: NativeAdapter | null;
  /** From the sequence's start: what it holds already is not evaluated again. */
  tokens: readonly number[];
  /** How many of the last tokens are followed by a call of `next`; at least 1. */
  outputs: number;
  /** Given the logits after a token, returns a token to evaluate after all others; ends without one. */
  next: (logits: Float32Array) => number | undefined;
  /** Called once, with how many tokens the sequence held already. */
  onStart?: (cachedTokens: number) => void;
  signal?: AbortSignal;
}

/** An evaluation that is under way. */
export interface Task extends Evaluation {
  pending: number[];
  started: boolean;
  done: PromiseWithResolvers<void>;
}

/** Tokens of one task in a batch. */
export interface Piece {
  task: Task;
  count: number;
}

/** How many tokens, from their start, two lists have in common. */
export function sharedLength(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < length && a[shared] === b[shared]) shared++;
  return shared;
}

/** A piece's rows of a batch. */
export function rowsOf({ task, count }: Piece): BatchRow[] {
  const { pending, sequence, outputs } = task;
  return pending.slice(0, count).map((token, index) => ({
    sequence: sequence.id,
    token,
    position: sequence.tokens.length + index,
    wanted: index >= pending.length - outputs,
  }));
}
