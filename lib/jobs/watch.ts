/** Follows one job's record as it changes, in this process and in others. */
import type { Clock } from "../clock.ts";
import type { JobLedger } from "./store.ts";
import { isFinal, type JobKeys, type JobRecord } from "./record.ts";

/** `Deno.Kv.watch` does not see the writes of other processes (measured on Deno 2.9.6), so they are looked up. */
const POLL_MS = 1_000;

export interface WatchOptions {
  kv: Deno.Kv;
  keys: JobKeys;
  ledger: JobLedger;
  clock: Clock;
  signal?: AbortSignal;
}

/** What a watcher sees of a record; lease renewals are none of it. */
function visibleOf(record: JobRecord): string {
  const { state, attempts, dueAt, waiting, progress } = record;
  return JSON.stringify([state, attempts, dueAt, waiting, progress]);
}

/** Yields the record now and after each visible change; ends when it is final or gone, or when the signal aborts. */
export async function* watchRecord(id: string, options: WatchOptions): AsyncGenerator<JobRecord> {
  const { kv, keys, ledger, clock, signal } = options;
  const changes = kv.watch([keys.record(id)]).getReader();
  let changed = Promise.withResolvers<void>();
  const ring = () => changed.resolve();
  const following = follow(changes, ring);
  signal?.addEventListener("abort", ring);
  let seen = "";
  try {
    while (signal?.aborted !== true) {
      changed = Promise.withResolvers();
      const entry = await ledger.read(id);
      if (entry === null) return;
      const visible = visibleOf(entry.record);
      if (visible !== seen) yield entry.record;
      seen = visible;
      if (isFinal(entry.record.state)) return;
      const cancelPoll = clock.after(POLL_MS, ring);
      await changed.promise;
      cancelPoll();
    }
  } finally {
    signal?.removeEventListener("abort", ring);
    await changes.cancel();
    await following;
  }
}

async function follow(changes: ReadableStreamDefaultReader<unknown>, ring: () => void): Promise<void> {
  try {
    while (!(await changes.read()).done) ring();
  } catch {
    // Without the watch the poll goes on, and its read says what is wrong with the store.
  }
}
