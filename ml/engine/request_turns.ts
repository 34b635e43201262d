/** Whose turn it is among requests that wait: interactive before background, then by account and conversation. */
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

export interface WaitingRequest extends Requester {
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
export class TurnHistory {
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
export function isBefore(a: WaitingRequest, b: WaitingRequest, turns: TurnHistory): boolean {
  const order = Number(a.background ?? false) - Number(b.background ?? false) ||
    turns.runningOf(a) - turns.runningOf(b) ||
    turns.lastTurnOf(a) - turns.lastTurnOf(b) ||
    turns.lastTurnOfConversation(a) - turns.lastTurnOfConversation(b) ||
    a.arrival - b.arrival;
  return order < 0;
}
