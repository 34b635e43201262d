/** A bounded queue in front of a fixed number of slots, in which the accounts take turns. */
import { ApiError } from "../../lib/errors.ts";
import type { GenerationRequest } from "./engine.ts";

/** Whose a request is. Requests without an account are one account's together, as are those without a conversation. */
export interface Requester {
  account?: string;
  conversation?: string;
  /** Nobody waits at a screen for it. */
  background?: boolean;
}

/** Whose a generation is. */
export function requesterOf(
  { account, conversationId, background }: Pick<
    GenerationRequest,
    "account" | "conversationId" | "background"
  >,
): Requester {
  return { account, conversation: conversationId, background };
}

interface WaitingRequest extends Requester {
  /** Counts up. */
  arrival: number;
}

/** So many interactive requests in a row may go before a background one that waits. */
const INTERACTIVE_IN_A_ROW = 8;

function conversationKey({ account, conversation }: Requester): string {
  return JSON.stringify([account, conversation]);
}

/** What an account has had. */
interface AccountTurns {
  running: number;
  lastTurn: number;
  /** By conversation. */
  lastTurns: Map<string, number>;
}

/** What has run and is running, as far as the order of the next ones depends on it. */
class TurnHistory {
  readonly #accounts = new Map<string | undefined, AccountTurns>();
  #running = 0;
  #turns = 0;
  #interactiveInARow = 0;

  get running(): number {
    return this.#running;
  }

  /** Whether a background request goes first now, if one waits: interactive ones never keep it waiting for good. */
  get isBackgroundDue(): boolean {
    return this.#interactiveInARow >= INTERACTIVE_IN_A_ROW;
  }

  /** How many requests of the account run. */
  runningOf({ account }: Requester): number {
    return this.#accounts.get(account)?.running ?? 0;
  }

  /** Counts up; 0 before an account's first turn. */
  lastTurnOf({ account }: Requester): number {
    return this.#accounts.get(account)?.lastTurn ?? 0;
  }

  /** As {@linkcode lastTurnOf}, of the conversation. */
  lastTurnOfConversation(requester: Requester): number {
    return this.#accounts.get(requester.account)?.lastTurns.get(conversationKey(requester)) ?? 0;
  }

  begin(requester: Requester): void {
    const account = this.#accounts.get(requester.account) ??
      { running: 0, lastTurn: 0, lastTurns: new Map<string, number>() };
    this.#accounts.set(requester.account, account);
    this.#running++;
    account.running++;
    account.lastTurn = ++this.#turns;
    account.lastTurns.set(conversationKey(requester), this.#turns);
    this.#interactiveInARow = requester.background ? 0 : this.#interactiveInARow + 1;
  }

  end({ account }: Requester): void {
    this.#running--;
    const turns = this.#accounts.get(account);
    if (turns !== undefined) turns.running--;
  }

  /** Forgets an account of which nothing waits, unless something of it runs. */
  forgetIdle({ account }: Requester): void {
    if (this.#accounts.get(account)?.running === 0) this.#accounts.delete(account);
  }
}

/** Whether one waiting request goes before another. */
function isBefore(a: WaitingRequest, b: WaitingRequest, turns: TurnHistory): boolean {
  const order = Number(a.background ?? false) - Number(b.background ?? false) ||
    turns.runningOf(a) - turns.runningOf(b) ||
    turns.lastTurnOf(a) - turns.lastTurnOf(b) ||
    turns.lastTurnOfConversation(a) - turns.lastTurnOfConversation(b) ||
    a.arrival - b.arrival;
  return order < 0;
}

/** The assumed duration of a run before any has been measured. */
const FIRST_GUESS_MS = 2_000;
/** Weight of the latest run in the moving average. */
const LATEST_WEIGHT = 0.2;
const MAX_RETRY_AFTER_SECONDS = 60;

interface Waiter extends WaitingRequest {
  admit: () => void;
  refuse: (error: unknown) => void;
}

export interface RequestQueueOptions {
  /** How many run at a time. */
  capacity: number;
  /** How many may wait. */
  queueLimit: number;
}

/**
 * Lets `capacity` requests run at a time. Interactive ones go before background ones, then accounts take turns, then the
 * conversations of an account, then whoever came first. When too many wait, the account with the most gives one up.
 */
export class RequestQueue {
  readonly capacity: number;
  readonly #queueLimit: number;
  /** By account, the longest waiting first; no account without any. */
  readonly #waiters = new Map<string | undefined, Set<Waiter>>();
  #waiting = 0;
  readonly #turns = new TurnHistory();
  #arrivals = 0;
  #meanMs = FIRST_GUESS_MS;

  constructor(options: RequestQueueOptions) {
    this.capacity = options.capacity;
    this.#queueLimit = options.queueLimit;
  }

  get running(): number {
    return this.#turns.running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits for a slot. Disposing the result releases it.
   *
   * @throws ApiError `queue_full` when too many wait, at once or when an account with fewer requests needs the place; the
   * signal's reason when it aborts first
   */
  async acquire(signal?: AbortSignal, requester: Requester = {}): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.running < this.capacity) this.#turns.begin(requester);
    else await this.#wait(requester, signal);
    const startedAt = performance.now();
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#meanMs += LATEST_WEIGHT * (performance.now() - startedAt - this.#meanMs);
        this.#release(requester);
      },
    };
  }

  async #wait(requester: Requester, signal?: AbortSignal): Promise<void> {
    if (this.#waiting >= this.#queueLimit) this.#makeRoomFor(requester);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { ...requester, arrival: this.#arrivals++, admit: resolve, refuse: reject };
    const onAbort = () => {
      // A slot that was given to it meanwhile is its own to release.
      if (this.#remove(waiter)) reject(signal?.reason);
    };
    this.#waiters.set(waiter.account, this.#waitersOf(waiter).add(waiter));
    this.#waiting++;
    signal?.addEventListener("abort", onAbort, { once: true });
    await promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Gives a freed slot to the request whose turn it is. */
  #release(requester: Requester): void {
    this.#turns.end(requester);
    const next = this.#next();
    if (next !== undefined) {
      this.#turns.begin(next);
      this.#remove(next);
      next.admit();
    }
    this.#forget(requester);
  }

  #next(): Waiter | undefined {
    const waiters = [...this.#waiters.values()].flatMap((set) => [...set]);
    const background = waiters.filter(({ background }) => background);
    const candidates = this.#turns.isBackgroundDue && background.length > 0 ? background : waiters;
    return candidates.reduce<Waiter | undefined>(
      (first, waiter) => first === undefined || isBefore(waiter, first, this.#turns) ? waiter : first,
      undefined,
    );
  }

  #waitersOf({ account }: Requester): Set<Waiter> {
    return this.#waiters.get(account) ?? new Set();
  }

  /** Takes a request out of the queue; false when it is not in it. */
  #remove(waiter: Waiter): boolean {
    const isRemoved = this.#waitersOf(waiter).delete(waiter);
    if (isRemoved) this.#waiting--;
    this.#forget(waiter);
    return isRemoved;
  }

  /** Forgets an account that has nothing in the queue or a slot. */
  #forget(requester: Requester): void {
    if (this.#waitersOf(requester).size > 0) return;
    this.#waiters.delete(requester.account);
    this.#turns.forgetIdle(requester);
  }

  /** Refuses the newest request of the account with the most of them, or throws when that is the newcomer's own. */
  #makeRoomFor(newcomer: Requester): void {
    const loadOf = (requester: Requester) =>
      this.#turns.runningOf(requester) + this.#waitersOf(requester).size;
    const largest = [...this.#waiters.keys()].map((account) => ({ account }))
      .reduce((most, other) => loadOf(other) > loadOf(most) ? other : most, newcomer);
    const isOwn = largest.account === newcomer.account;
    const waiters = [...this.#waitersOf(largest)];
    const background = waiters.findLast(({ background }) => background);
    const leaves = isOwn
      ? newcomer.background ? undefined : background
      : loadOf(largest) > loadOf(newcomer) + 1
      ? background ?? waiters.at(-1)
      : undefined;
    if (leaves === undefined) throw this.#fullError();
    this.#remove(leaves);
    leaves.refuse(this.#fullError());
  }

  #fullError(): ApiError {
    const seconds = Math.ceil(((this.#waiting + 1) / this.capacity) * (this.#meanMs / 1_000));
    return new ApiError("queue_full", `The model is busy: ${this.#waiting} requests wait already`, {
      retryAfterSeconds: Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_SECONDS),
    });
  }
}
