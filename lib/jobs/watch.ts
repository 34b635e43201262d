/** How changes in Deno KV reach those who wait for them: notifications wake runners, watchers follow one record. */
import type { Logger } from "../log.ts";
import { isFinal, type JobRecord } from "./record.ts";

/** The longest delay of a message in Deno KV's queue (2.9.6). */
const MAX_DELAY_MS = 30 * 24 * 3_600_000;

/** Has a queue's runner woken once the commit is done and the delay is over: a message that carries no work. */
export function addNotification(
  operation: Deno.AtomicOperation,
  notification: { queue: string; delayMs: number },
): void {
  const delay = Math.min(Math.max(0, notification.delayMs), MAX_DELAY_MS);
  operation.enqueue({ wakeQueue: notification.queue }, { delay });
}

/** A second `listenQueue` on one KV competes with the first (measured on Deno 2.9.6), hence one for all queues on it. */
const wakesOfKv = new WeakMap<Deno.Kv, Map<string, Set<() => void>>>();

function listen(kv: Deno.Kv, log: Logger): Map<string, Set<() => void>> {
  const wakes = new Map<string, Set<() => void>>();
  // The handler returns at once: Deno KV delivers a message again when its handler takes more than 5 s.
  kv.listenQueue((message: unknown) => {
    if (typeof message !== "object" || message === null || !("wakeQueue" in message)) return;
    for (const wake of wakes.get(String(message.wakeQueue)) ?? []) wake();
  }).catch((error: unknown) => {
    log.error("Job notifications ended: jobs start by the timer of their queue", { error: String(error) });
  });
  return wakes;
}

/** Calls `wake` at each notification of this queue, until the returned function is called. */
export function onNotification(
  kv: Deno.Kv,
  options: { queue: string; log: Logger; wake: () => void },
): () => void {
  const { queue, log, wake } = options;
  const wakes = wakesOfKv.get(kv) ?? listen(kv, log);
  wakesOfKv.set(kv, wakes);
  const own = wakes.get(queue) ?? new Set();
  wakes.set(queue, own.add(wake));
  return () => own.delete(wake);
}

/** What a watcher sees of a record. */
function visibleOf({ state, attempts, dueAt, waiting, progress }: JobRecord): string {
  return JSON.stringify([state, attempts, dueAt, waiting, progress]);
}

export interface WatchOptions {
  /** The key of the record. */
  key: Deno.KvKey;
  /** Reads an entry; null when it holds no record that this version can read. */
  parse: (entry: Deno.KvEntryMaybe<unknown>) => JobRecord | null;
  signal?: AbortSignal;
}

/** Yields the record now and after each visible change; ends when it is final or gone, or when the signal aborts. */
export async function* watchRecord(kv: Deno.Kv, options: WatchOptions): AsyncGenerator<JobRecord> {
  const { key, parse, signal } = options;
  if (signal?.aborted) return;
  const changes = kv.watch<unknown[]>([key]).getReader();
  const end = () => void changes.cancel();
  signal?.addEventListener("abort", end);
  let seen = "";
  try {
    while (true) {
      const { value } = await changes.read();
      const record = value?.[0] ? parse(value[0]) : null;
      if (record === null) return;
      const visible = visibleOf(record);
      if (visible !== seen) yield record;
      seen = visible;
      if (isFinal(record.state)) return;
    }
  } finally {
    signal?.removeEventListener("abort", end);
    await changes.cancel();
  }
}
