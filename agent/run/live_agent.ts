/** `agent run`: sends everything, then stays and sends what comes, whatever goes wrong in between. */
import { type WaitOptions, WakeableWait } from "../../lib/async.ts";
import type { Clock } from "../../lib/clock.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { StateFile } from "../platform/state_file.ts";
import type { MessageProgress } from "../sync/message_sync_run.ts";
import type { SyncReport } from "../sync/sync_run.ts";
import { type AgentCounts, type AgentState, StatePublisher } from "./agent_state.ts";
import { DatabaseWatcher, type WatchFolder } from "./database_watcher.ts";
import {
  afterFailure,
  afterFullSync,
  afterHeartbeat,
  afterSync,
  EVERYTHING_DUE,
  failuresOf,
  nextWait,
} from "./schedule.ts";
import { syncFailureOf } from "./sync_failure.ts";
import { SyncSession, type SyncSessionOptions } from "./sync_session.ts";

export interface LiveAgentOptions extends Omit<SyncSessionOptions, "now"> {
  stateFile: StateFile<AgentState>;
  log: Logger;
  clock: Clock;
  watchFolder: WatchFolder;
  /** Called with every change of the state. */
  onState?: (state: AgentState) => void;
}

/** How long to wait, and which wakes end the wait. */
type Pause = Omit<WaitOptions, "signal">;

/** So long after the last sync the agent is idle, and gives back the memory that it took. */
const QUIET_MS = 20_000;

/** Runs until its signal aborts. */
export class LiveAgent {
  readonly #options: LiveAgentOptions;
  readonly #clock: Clock;
  readonly #nextSync: WakeableWait;
  readonly #publisher: StatePublisher;
  readonly #session: SyncSession;
  #schedule = EVERYTHING_DUE;
  #cancelRelease: () => void = () => {};
  /** True when the machine has woken from sleep since the last sync began. */
  #woke = false;

  constructor(options: LiveAgentOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#nextSync = new WakeableWait(options.clock);
    this.#session = new SyncSession({ ...options, now: () => options.clock.now() });
    this.#publisher = new StatePublisher({
      file: options.stateFile,
      clock: options.clock,
      onState: options.onState,
      onWriteFailure: (error) => options.log.warn("The state cannot be written", logFieldsOfError(error)),
    });
  }

  /** Ends cleanly when the signal aborts; nothing else ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, clock, watchFolder } = this.#options;
    log.info("The agent runs");
    const watcher = new DatabaseWatcher({
      path: () => this.#session.databasePath,
      look: () => this.#session.signature(),
      onChange: ({ woke }) => {
        this.#woke ||= woke;
        if (woke) this.#schedule = { ...this.#schedule, fullSyncAtMs: 0 };
        this.#nextSync.wake();
      },
      clock,
      watchFolder,
    });
    try {
      while (!signal.aborted) await this.#nextSync.wait({ ...await this.#step(signal), signal });
    } finally {
      watcher[Symbol.dispose]();
      this.#cancelRelease();
      this.#session[Symbol.dispose]();
      this.#publisher.update({ phase: "stopped", nextTryAt: null });
      await this.#publisher.flush();
      log.info("The agent has stopped");
    }
  }

  /** Syncs once; returns how long to wait then. */
  async #step(signal: AbortSignal): Promise<Pause> {
    this.#woke = false;
    try {
      return this.#noteSync(await this.#sync());
    } catch (error) {
      if (signal.aborted) return { timeoutMs: 0 };
      return this.#noteFailure(error);
    }
  }

  async #sync(): Promise<SyncReport> {
    const session = this.#session;
    if (await session.open()) this.#schedule = { ...this.#schedule, fullSyncAtMs: 0 };
    const nowMs = this.#clock.now();
    const isFull = nowMs >= this.#schedule.fullSyncAtMs;
    if (nowMs >= this.#schedule.heartbeatAtMs) {
      await session.sendHeartbeat();
      this.#schedule = afterHeartbeat(this.#schedule, nowMs);
    }
    const report = await session.sync({ isFull, onProgress: (progress) => this.#publishProgress(progress) });
    if (!isFull) return report;
    this.#schedule = afterFullSync(this.#schedule, nowMs);
    // What a full sync has proven is known at once.
    await session.sendHeartbeat();
    return report;
  }

  /** A retry is published as progress only once it has made some. */
  #publishProgress({ rowsDone, rowsTotal }: MessageProgress): void {
    if (rowsDone >= rowsTotal || (failuresOf(this.#schedule) > 0 && rowsDone === 0)) return;
    const lagRows = rowsTotal - rowsDone;
    this.#publisher.update({ phase: "syncing", lagRows, lastError: null, nextTryAt: null });
  }

  #noteSync(report: SyncReport): Pause {
    const sent = countsOf(report);
    const { resent, deleted, restart, isIncomplete } = report.messages;
    if (deleted > 0 || Object.values(sent).some((count) => count > 0)) {
      const { durationMs } = report;
      const fields = { ...sent, deleted, resent, restart: restart ?? undefined, durationMs };
      this.#options.log.info("Synced", fields);
    }
    this.#cancelRelease();
    this.#cancelRelease = this.#clock.after(QUIET_MS, releaseMemory);
    const nowMs = this.#clock.now();
    this.#schedule = afterSync(this.#schedule, { isIncomplete, nowMs });
    this.#publisher.update({
      phase: "watching",
      lastSyncAt: new Date(nowMs).toISOString(),
      lagRows: 0,
      lastError: null,
      nextTryAt: null,
      counts: sumOf(this.#publisher.state.counts, sent),
    });
    return { timeoutMs: nextWait(this.#schedule, nowMs).timeoutMs };
  }

  #noteFailure(error: unknown): Pause {
    const isNewPairing = this.#session.pairingWatch();
    const failure = syncFailureOf(error, this.#options.pairing.serverUrl);
    const before = this.#publisher.state;
    this.#schedule = afterFailure(this.#schedule, failure);
    const at = new Date(this.#clock.now());
    const { timeoutMs, endsOn } = nextWait(this.#schedule, at.getTime());
    const { phase, code, message, fix } = failure;
    if (before.phase !== phase || before.lastError?.code !== code) {
      const fields = code === "unexpected" ? logFieldsOfError(error) : {};
      this.#options.log.warn("Sync failed", { phase, code, retryInMs: timeoutMs, ...fields });
    }
    if (phase === "pairing_ended") this.#session.disconnect();
    if (phase === "database_unreadable" || phase === "failed") this.#session.closeDatabase();
    this.#publisher.update({
      phase,
      lagRows: this.#session.lagRows(),
      lastError: { code, message, fix, at: at.toISOString() },
      nextTryAt: new Date(at.getTime() + timeoutMs).toISOString(),
    });
    return { timeoutMs, isOver: () => endsOn === "any_change" || this.#woke || isNewPairing() };
  }
}

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Collects garbage that V8 would keep until it is short of memory, which an idle program never is. Does nothing unless
 * the program was started with `--v8-flags=--expose-gc`. Takes some tens of milliseconds.
 */
function releaseMemory(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

function countsOf({ messages, contacts }: SyncReport): AgentCounts {
  const { inserted, updated, unchanged, refused } = messages;
  return { inserted, updated, unchanged, refused, contacts: contacts?.sent ?? 0 };
}

function sumOf(before: AgentCounts, sent: AgentCounts): AgentCounts {
  return {
    inserted: before.inserted + sent.inserted,
    updated: before.updated + sent.updated,
    unchanged: before.unchanged + sent.unchanged,
    refused: before.refused + sent.refused,
    contacts: before.contacts + sent.contacts,
  };
}
