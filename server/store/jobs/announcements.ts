/** What one part of a server tells the others, and, where several servers share a database, all of them. */

/** What happened; the text says to what, such as a device's id. */
export interface Announcement {
  topic: Topic;
  text: string;
}

/** `missed` says that some may have been lost: the link to the other servers was broken for a while. */
export type Topic = "jobs" | "outbox" | "draft_cancelled" | "device_deactivated" | "missed";

/** Announcements of one server. What is announced is heard at once. */
export class Announcements {
  readonly #listeners = new Map<Topic, Set<(text: string) => void>>();

  /** Calls `hear` with the text of each announcement on the topic, some of them twice. Returns what ends that. */
  on(topic: Topic, hear: (text: string) => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(hear);
    return () => listeners.delete(hear);
  }

  announce(announcement: Announcement): Promise<void> {
    this.deliver(announcement);
    return Promise.resolve();
  }

  protected deliver({ topic, text }: Announcement): void {
    for (const hear of [...this.#listeners.get(topic) ?? []]) hear(text);
  }
}

/** A signal that aborts with the given one, and when the device is shut out by whichever server. */
export function untilDeactivated(
  announcements: Announcements,
  { deviceId, signal }: { deviceId: string; signal: AbortSignal },
): AbortSignal {
  const ending = new AbortController();
  const offs = [
    announcements.on("device_deactivated", (id) => id === deviceId && ending.abort()),
    // It may have been: whoever still holds a valid token opens another stream.
    announcements.on("missed", () => ending.abort()),
  ];
  signal.addEventListener("abort", () => {
    for (const off of offs) off();
    ending.abort(signal.reason);
  }, { once: true });
  return signal.aborted ? signal : ending.signal;
}
