/** When the running agent drafts by itself: shortly after a sync, one run at a time, and again after a failure. */
import { backoffMs } from "../../lib/backoff.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { AgentState } from "../run/agent_state.ts";
import { type AutomaticRound, QUIET_MS } from "./automatic_suggestions.ts";

export interface AutomaticDraftingOptions {
  /** Drafts once; see `draftAutomatically`. */
  draft: () => Promise<AutomaticRound>;
  clock: Clock;
  log: Logger;
}

const RETRY_BACKOFF = { baseMs: 10_000, capMs: 10 * 60_000 };

/** Listens to the agent's state until it is disposed. */
export class AutomaticDrafting implements Disposable {
  readonly #options: AutomaticDraftingOptions;
  #seenSyncAt: string | null = null;
  #cancel: (() => void) | null = null;
  #isDrafting = false;
  #isDisposed = false;
  /** Runs in a row that have failed, in one conversation or completely. */
  #failures = 0;
  /** True while no conversation could be drafted for: then a sync is no reason to ask sooner. */
  #isBackingOff = false;

  constructor(options: AutomaticDraftingOptions) {
    this.#options = options;
  }

  /** Takes each state of the agent; a completed sync leads to a run. */
  notice({ phase, lastSyncAt }: Pick<AgentState, "phase" | "lastSyncAt">): void {
    if (phase !== "watching" || lastSyncAt === this.#seenSyncAt) return;
    this.#seenSyncAt = lastSyncAt;
    if (this.#failures > 0 && !this.#isBackingOff) this.#unschedule();
    this.#schedule(QUIET_MS);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#unschedule();
  }

  /** A run that is scheduled, or running, sees what is new as well. */
  #schedule(delayMs: number): void {
    if (this.#cancel !== null || this.#isDrafting || this.#isDisposed) return;
    this.#cancel = this.#options.clock.after(delayMs, () => void this.#draft());
  }

  #unschedule(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  async #draft(): Promise<void> {
    const seenSyncAt = this.#seenSyncAt;
    this.#cancel = null;
    this.#isDrafting = true;
    const { made, isWaiting, failure } = await this.#round();
    this.#isDrafting = false;
    this.#failures = failure === null ? 0 : this.#failures + 1;
    const retryInMs = failure === null ? null : backoffMs(this.#failures, RETRY_BACKOFF);
    const hasNews = isWaiting || this.#seenSyncAt !== seenSyncAt;
    const nextMs = hasNews && !this.#isBackingOff ? QUIET_MS : retryInMs;
    if (nextMs !== null) this.#schedule(nextMs);
    const { log } = this.#options;
    if (made.length > 0) log.info("Drafted", { count: made.length });
    if (failure !== null) log.warn("Nothing could be drafted", { retryInMs, ...logFieldsOfError(failure) });
  }

  async #round(): Promise<AutomaticRound> {
    try {
      const round = await this.#options.draft();
      this.#isBackingOff = false;
      return round;
    } catch (failure) {
      this.#isBackingOff = true;
      return { made: [], isWaiting: false, failure };
    }
  }
}
