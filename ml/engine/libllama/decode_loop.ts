/**
 * The loop that evaluates: one call of llama.cpp for all replies that are being written, one for each piece of a prompt.
 *
 * Prompts are evaluated apart from replies, since llama.cpp takes longer for a batch of both than for two; between two
 * replies' tokens at most `PROMPT_TOKENS_PER_TURN` of them, so that a long prompt holds nobody up. Prompts are evaluated on
 * another thread, the next tokens of replies on this one, which has nothing else to do until they are there.
 *
 * A prompt's beginning that another sequence holds is copied from there; one that another one is about to hold is waited
 * for. So several replies to one prompt cost one evaluation of it.
 */
import { setImmediate } from "node:timers/promises";
import { SerialExecutor } from "../../../lib/async.ts";
import { type Evaluation, type Piece, rowsOf, type Sequence, sharedLength, type Task } from "./evaluation.ts";
import type { NativeContext } from "./native_context.ts";
import type { NativeAdapter } from "./native_model.ts";

/** Tokens of prompts that are evaluated before the replies go on. */
const PROMPT_TOKENS_PER_TURN = 256;
/** A piece counts as this many tokens at least: a small one takes about as long. */
const LEAST_PIECE_TOKENS = 32;
/** Fewer are evaluated: a copy takes a fifth of evaluating so many with 2,048 tokens a sequence, and grows with those. */
const LEAST_COPIED_TOKENS = 16;
/** Turns that one adapter has before it is another one's turn: each change costs llama.cpp a new plan of its memory. */
const TURNS_PER_ADAPTER = 8;

/** See the module. */
export class DecodeLoop {
  readonly #context: NativeContext;
  readonly #tasks = new Set<Task>();
  /** By id, all that have been used. */
  readonly #sequences = new Map<number, Sequence>();
  /** One turn or other work on the context at a time. */
  readonly #turns = new SerialExecutor();
  #isRunning = false;
  #adapter: NativeAdapter | null = null;
  #turnsOfAdapter = 0;

  constructor(context: NativeContext) {
    this.#context = context;
  }

  /**
   * Evaluates to the end.
   *
   * @throws the signal's reason; what `next` throws; Error when llama.cpp fails, and the sequence is then empty
   */
  async run(evaluation: Evaluation): Promise<void> {
    const task = { ...evaluation, pending: [], started: false, done: Promise.withResolvers<void>() };
    this.#tasks.add(task);
    if (!this.#isRunning) void this.#runAll();
    await task.done.promise;
  }

  /** Does work while nothing is evaluated. */
  between<Result>(work: (context: NativeContext) => Promise<Result> | Result): Promise<Result> {
    return this.#turns.run(async () => await work(this.#context));
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    while (this.#tasks.size > 0) {
      await this.#turns.run(() => this.#takeTurn());
      // Lets in what waits for this thread: requests, and callers who leave.
      await setImmediate();
    }
    this.#isRunning = false;
  }

  /** Some tokens of prompts, then one token for each reply. */
  async #takeTurn(): Promise<void> {
    for (const task of [...this.#tasks]) {
      if (task.signal?.aborted) this.#end(task, task.signal.reason);
    }
    if (this.#tasks.size === 0) return;
    this.#chooseAdapter();
    let budget = PROMPT_TOKENS_PER_TURN;
    for (let prompt = this.#findPrompt(); prompt && budget > 0; prompt = this.#findPrompt()) {
      const count = Math.min(budget, this.#pieceOf(prompt));
      budget -= Math.max(count, LEAST_PIECE_TOKENS);
      await this.#evaluate([{ task: prompt, count }], { here: false });
    }
    const replies = this.#served().filter(({ pending }) => pending.length === 1);
    if (replies.length > 0) await this.#evaluate(replies.map((task) => ({ task, count: 1 })), { here: true });
  }

  /** Keeps the adapter for some turns, then goes on to the one that has waited longest. */
  #chooseAdapter(): void {
    const others = [...this.#tasks].filter(({ adapter }) => adapter !== this.#adapter);
    const own = this.#served();
    const [next] = others;
    const isOver = own.length === 0 || this.#turnsOfAdapter >= TURNS_PER_ADAPTER;
    if (next !== undefined && isOver) {
      for (const task of own) {
        this.#tasks.delete(task);
        this.#tasks.add(task);
      }
      this.#adapter = next.adapter;
      this.#turnsOfAdapter = 0;
    }
    this.#turnsOfAdapter++;
    for (const task of this.#served()) this.#startUnlessEarly(task);
  }

  #served(): Task[] {
    return [...this.#tasks].filter(({ adapter }) => adapter === this.#adapter);
  }

  #findPrompt(): Task | undefined {
    for (const task of this.#served()) {
      this.#startUnlessEarly(task);
      if (task.pending.length > 1) return task;
    }
    return undefined;
  }

  /** Starts a task, unless another one evaluates what it can copy once that is done. */
  #startUnlessEarly(task: Task): void {
    if (task.started) return;
    const least = this.#sharedOf(this.#sourceOf(task), task) + LEAST_COPIED_TOKENS;
    const isEarly = this.#served().some((other) =>
      other.started && other.pending.length > 1 && sharedLength(other.tokens, task.tokens) >= least
    );
    if (!isEarly) this.#start(task);
  }

  #sharedOf({ adapter, tokens }: Sequence, task: Task): number {
    return adapter === task.adapter ? sharedLength(tokens, task.tokens) : 0;
  }

  /** The sequence whose tokens a task begins with: its own, or one that has so many more that copying them pays. */
  #sourceOf(task: Task): Sequence {
    const least = this.#sharedOf(task.sequence, task) + LEAST_COPIED_TOKENS;
    let [source, most] = [task.sequence, least - 1];
    for (const sequence of this.#sequences.values()) {
      const shared = this.#sharedOf(sequence, task);
      if (shared > most) [source, most] = [sequence, shared];
    }
    return source;
  }

  #start(task: Task): void {
    const { sequence, adapter, tokens, outputs } = task;
    this.#sequences.set(sequence.id, sequence);
    const source = this.#sourceOf(task);
    const shared = this.#sharedOf(source, task);
    if (source !== sequence) this.#context.copy(source.id, sequence.id);
    const kept = this.#context.keep(sequence.id, Math.min(shared, tokens.length - outputs));
    sequence.adapter = adapter;
    sequence.tokens = tokens.slice(0, kept);
    task.pending = tokens.slice(kept);
    task.started = true;
    task.onStart?.(kept);
  }

  /** How many of a prompt's next tokens one batch can take: its outputs are limited. */
  #pieceOf({ pending, outputs }: Task): number {
    return Math.min(pending.length, pending.length - outputs + this.#context.maxOutputs);
  }

  async #evaluate(pieces: readonly Piece[], options: { here: boolean }): Promise<void> {
    const rows = pieces.flatMap(rowsOf);
    try {
      this.#context.use(this.#adapter);
      await this.#context.decode(rows, options);
    } catch (error) {
      for (const { task } of pieces) this.#fail(task, error);
      return;
    }
    let row = 0;
    for (const { task, count } of pieces) {
      this.#take(task, { count, row });
      row += count;
    }
  }

  /** Gives a task what the model says after its evaluated tokens. */
  #take(task: Task, { count, row }: { count: number; row: number }): void {
    const { pending, sequence } = task;
    const silent = pending.length - task.outputs;
    sequence.tokens.push(...pending.splice(0, count));
    try {
      for (let index = Math.max(0, silent); index < count; index++) {
        if (task.signal?.aborted) return this.#end(task, task.signal.reason);
        task.outputs--;
        const token = task.next(this.#context.logits(row + index));
        if (token === undefined) continue;
        pending.push(token);
        task.outputs++;
      }
      if (pending.length === 0) this.#end(task);
    } catch (error) {
      this.#fail(task, error);
    }
  }

  #fail(task: Task, error: unknown): void {
    this.#context.keep(task.sequence.id, 0);
    task.sequence.tokens = [];
    this.#end(task, error);
  }

  #end(task: Task, error?: unknown): void {
    this.#tasks.delete(task);
    if (error === undefined) task.done.resolve();
    else task.done.reject(error);
  }
}
