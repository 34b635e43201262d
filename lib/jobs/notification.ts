/** The doorbell of the job queues that share one Deno KV: a queue message that says "look into the ledger", no more. */
import type { Logger } from "../log.ts";

/** The queue message; it carries no work, so it may come twice, late or never. */
export interface BellMessage {
  jobBell: string;
}

export function bellFor(queue: string): BellMessage {
  return { jobBell: queue };
}

function queueOf(message: unknown): string | null {
  if (typeof message !== "object" || message === null || !("jobBell" in message)) return null;
  return typeof message.jobBell === "string" ? message.jobBell : null;
}

type Listeners = Map<string, Set<() => void>>;

/**
 * A second `listenQueue` on one KV competes with the first (measured on Deno 2.9.6), hence one listener for each KV,
 * whatever the number of queues. It ends when the KV is closed.
 */
const listenersOfKv = new WeakMap<Deno.Kv, Listeners>();

function listenersOf(kv: Deno.Kv, log: Logger): Listeners {
  const known = listenersOfKv.get(kv);
  if (known !== undefined) return known;
  const listeners: Listeners = new Map();
  listenersOfKv.set(kv, listeners);
  // The handler must return at once: Deno KV delivers a message again when its handler takes more than 5 s.
  kv.listenQueue((message: unknown) => {
    const queue = queueOf(message);
    for (const ring of listeners.get(queue ?? "") ?? []) ring();
  }).catch((error: unknown) => {
    log.error("Job doorbell broke: jobs start at the next sweep", { error: String(error) });
  });
  return listeners;
}

/** Calls `ring` whenever the bell of this queue rings; the returned function ends that. */
export function onBell(kv: Deno.Kv, options: { queue: string; log: Logger; ring: () => void }): () => void {
  const { queue, log, ring } = options;
  const listeners = listenersOf(kv, log);
  const rings = listeners.get(queue) ?? new Set();
  listeners.set(queue, rings.add(ring));
  return () => rings.delete(ring);
}
