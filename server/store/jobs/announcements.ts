/** What one part of a server tells the others, and, where several servers share a database, all of them. */
import { ApiError } from "../../../lib/errors.ts";

/** What happened; the text says to what, such as a device's id. */
export interface Announcement {
  topic: Topic;
  text: string;
}

/**
 * `events` (an account has new ones), `device_deactivated` and `session_ended` (the hash of its secret) come from triggers of the
 * database. `missed` says that some may have been lost: the link to the database was broken for a while.
 */
export type Topic =
  | "jobs"
  | "outbox"
  | "draft_cancelled"
  | "device_deactivated"
  | "session_ended"
  | "events"
  | "missed";

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

/** What a stream that lasts is open for: a device, in a session where a browser opened it. */
export interface StreamHolder {
  readonly deviceId: string;
  readonly sessionHash?: string;
}

/** The reason for which a stream ends whose holder may open no other. */
export function signedOut(): ApiError {
  return new ApiError("unauthorized", "The device was deactivated, or the session has ended");
}

export interface SignedInOptions {
  announcements: Announcements;
  sessions: { isSignedIn(holder: StreamHolder): Promise<boolean> };
}

/**
 * A signal that aborts with the given one, and, with {@linkcode signedOut}, when the device is shut out, by whichever server, or
 * its session ends.
 *
 * @throws ApiError {@linkcode signedOut} when that has happened already
 */
export async function whileSignedIn(
  { announcements, sessions }: SignedInOptions,
  { holder, signal }: { holder: StreamHolder; signal: AbortSignal },
): Promise<AbortSignal> {
  const ending = new AbortController();
  const endAt = (topic: Topic, own: string | undefined) =>
    announcements.on(topic, (text) => text === own && ending.abort(signedOut()));
  const check = async () => {
    if (!await sessions.isSignedIn(holder)) ending.abort(signedOut());
  };
  const offs = [
    endAt("device_deactivated", holder.deviceId),
    endAt("session_ended", holder.sessionHash),
    announcements.on("missed", () => void check().catch((error) => ending.abort(error))),
  ];
  const stop = () => {
    for (const off of offs) off();
    ending.abort(signal.reason);
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  // It may have happened since the request was let in.
  await check().catch((error) => ending.abort(error));
  if (ending.signal.aborted && !signal.aborted) {
    for (const off of offs) off();
    throw ending.signal.reason;
  }
  return ending.signal;
}
