/** Messages in Deno KV's own queue that wake the runners of job queues. */
import type { Logger } from "../log.ts";

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
const wakesOfKv = new WeakMap<Deno.Kv, EventTarget>();

function listen(kv: Deno.Kv, log: Logger): EventTarget {
  const wakes = new EventTarget();
  // The handler returns at once: Deno KV delivers a message again when its handler takes more than 5 s.
  kv.listenQueue((message: unknown) => {
    if (typeof message !== "object" || message === null || !("wakeQueue" in message)) return;
    wakes.dispatchEvent(new Event(String(message.wakeQueue)));
  }).catch((error: unknown) => {
    log.error("Job notifications ended: jobs start by the timer of their queue", { error: String(error) });
  });
  return wakes;
}

/** Calls `wake` at each notification of this queue, until the returned function is called. */
export function onNotification(
  kv: Deno.Kv,
  { queue, log, wake }: { queue: string; log: Logger; wake: () => void },
): () => void {
  const wakes = wakesOfKv.get(kv) ?? listen(kv, log);
  wakesOfKv.set(kv, wakes);
  wakes.addEventListener(queue, wake);
  return () => wakes.removeEventListener(queue, wake);
}
