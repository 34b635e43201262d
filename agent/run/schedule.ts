/** When the running agent works next: constants and pure functions of what has happened and the present. */
import { backoffMs } from "../../lib/backoff.ts";
import type { SyncFailure } from "./sync_failure.ts";

/** What the next wait depends on. Times are Unix time in milliseconds. */
export interface ScheduleState {
  /** When contacts and all rows are compared next. */
  readonly fullSyncAtMs: number;
  /** When the server hears of this agent next, if nothing is sent before. */
  readonly heartbeatAtMs: number;
  readonly last: SyncOutcome;
}

/** How the last sync ended. `isIncomplete`: Messages may still be writing the newest rows. */
export type SyncOutcome =
  | { readonly kind: "synced"; readonly isIncomplete: boolean }
  | { readonly kind: "failed"; readonly failure: SyncFailure; readonly failures: number };

export interface Wait {
  readonly timeoutMs: number;
  /** What ends the wait early: any change of what is watched, or only a new pairing and waking from sleep. */
  readonly endsOn: "any_change" | "new_pairing";
}

const RETRY_BACKOFF = { baseMs: 1_000, capMs: 60_000 };
/** A server that asks for a longer wait is tried sooner. */
const MAX_RETRY_AFTER_MS = 10 * 60_000;
/** A pairing that has ended does not come back by asking; a new one is noticed by its file. */
const PAIRING_RETRY_MS = 5 * 60_000;
const DATABASE_RETRY_MS = 30_000;
/** Rows that Messages is still writing are read again after this, and when it has written more. */
const INCOMPLETE_RETRY_MS = 1_000;
/** How often contacts and all rows are compared, whether or not a change was noticed. */
const FULL_SYNC_MS = 60 * 60_000;
/** How often the server hears of an idle agent, which also shows whether the pairing holds. */
const HEARTBEAT_MS = 5 * 60_000;

/** A schedule on which everything is due. */
export const EVERYTHING_DUE: ScheduleState = {
  fullSyncAtMs: 0,
  heartbeatAtMs: 0,
  last: { kind: "synced", isIncomplete: false },
};

/** The schedule after a full sync that started at a time. */
export function afterFullSync(state: ScheduleState, startedAtMs: number): ScheduleState {
  return { ...state, fullSyncAtMs: startedAtMs + FULL_SYNC_MS };
}

/** The schedule after a heartbeat. */
export function afterHeartbeat(state: ScheduleState, nowMs: number): ScheduleState {
  return { ...state, heartbeatAtMs: nowMs + HEARTBEAT_MS };
}

/** The schedule after a sync. Times that a clock set to the past has left far ahead come closer. */
export function afterSync(
  { fullSyncAtMs, heartbeatAtMs }: ScheduleState,
  { isIncomplete, nowMs }: { isIncomplete: boolean; nowMs: number },
): ScheduleState {
  return {
    fullSyncAtMs: Math.min(fullSyncAtMs, nowMs + FULL_SYNC_MS),
    heartbeatAtMs: Math.min(heartbeatAtMs, nowMs + HEARTBEAT_MS),
    last: { kind: "synced", isIncomplete },
  };
}

/** The schedule after one more failure. */
export function afterFailure(state: ScheduleState, failure: SyncFailure): ScheduleState {
  return { ...state, last: { kind: "failed", failure, failures: failuresOf(state) + 1 } };
}

/** How many syncs have failed since the last success. */
export function failuresOf({ last }: ScheduleState): number {
  return last.kind === "failed" ? last.failures : 0;
}

/** How long to wait before the next sync. Changes of the database do not shorten the wait for a server. */
export function nextWait({ fullSyncAtMs, heartbeatAtMs, last }: ScheduleState, nowMs: number): Wait {
  if (last.kind === "synced") {
    const dueMs = Math.max(0, Math.min(fullSyncAtMs, heartbeatAtMs) - nowMs);
    return { timeoutMs: last.isIncomplete ? INCOMPLETE_RETRY_MS : dueMs, endsOn: "any_change" };
  }
  const { failure: { phase, retryAfterMs }, failures } = last;
  if (phase === "pairing_ended") return { timeoutMs: PAIRING_RETRY_MS, endsOn: "new_pairing" };
  if (phase === "database_unreadable") return { timeoutMs: DATABASE_RETRY_MS, endsOn: "any_change" };
  const askedMs = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  return { timeoutMs: Math.max(backoffMs(failures, RETRY_BACKOFF), askedMs), endsOn: "new_pairing" };
}
