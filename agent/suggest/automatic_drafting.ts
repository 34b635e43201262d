/** Owns when the running agent drafts by itself: a while after a sync, one round at a time, again after a failure. */
import { backoffMs } from "../../lib/backoff.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/job_clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { AgentState } from "../watch/agent_state.ts";
import { type AutomaticRound, QUIET_MS } from "./automatic_suggestions.ts";

export interface AutomaticDraftingOptions {
  /** Makes one round; see `draftAutomatically`. */
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
  #failures = 0;

  constructor(options: AutomaticDraftingOptions) {
    this.#options = options;
  }

  /** Takes each state of the agent; a sync that has ended leads to a round. */
  notice({ phase, lastSyncAt }: Pick<AgentState, "phase" | "lastSyncAt">): void {
    if (phase !== "watching" || lastSyncAt === this.#seenSyncAt) return;
    this.#seenSyncAt = lastSyncAt;
    this.#schedule(QUIET_MS);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#cancel?.();
  }

  /** A round that is due soon, or under way, sees what is new as well. */
  #schedule(delayMs: number): void {
    if (this.#cancel !== null || this.#isDrafting || this.#isDisposed) return;
    this.#cancel = this.#options.clock.after(delayMs, () => void this.#draft());
  }

  async #draft(): Promise<void> {
    const { draft, log } = this.#options;
    const seenSyncAt = this.#seenSyncAt;
    this.#cancel = null;
    this.#isDrafting = true;
    let nextMs: number | null = null;
    try {
      const { made, isWaiting } = await draft();
      this.#failures = 0;
      if (made.length > 0) log.info("Drafted", { count: made.length });
      if (isWaiting || this.#seenSyncAt !== seenSyncAt) nextMs = QUIET_MS;
    } catch (error) {
      nextMs = backoffMs(++this.#failures, RETRY_BACKOFF);
      log.warn("Nothing could be drafted", { retryInMs: nextMs, ...logFieldsOfError(error) });
    }
    this.#isDrafting = false;
    if (nextMs !== null) this.#schedule(nextMs);
  }
}
