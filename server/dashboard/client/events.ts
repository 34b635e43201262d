/** What happens on the server, as one WebSocket says it: the open pages read again what has changed. */
import { effect, signal, untracked } from "@preact/signals";
import { useEffect } from "preact/hooks";
import {
  type EventMessage,
  eventMessageSchema,
  type EventName,
  EVENTS_PROTOCOL,
  HEARTBEAT_MS,
  SIGNED_OUT_CLOSE_CODE,
} from "../../../contract/events.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { sessionSchema } from "../../../contract/session.ts";
import { backoffMs } from "../../../lib/backoff.ts";
import { endAccess, isSignedIn, request } from "./api.ts";

/** What a listener gets: an event of its names, or null where some may have been missed and all has to be read again. */
export type Listener<Name extends EventName> = (event: Extract<EventMessage, { event: Name }> | null) => void;

/** True from when the connection broke until it is there again. */
export const isConnectionLost = signal(false);

const RETRY = { baseMs: 1_000, capMs: 15_000 };
const listeners = new Map<EventName, Set<(event: EventMessage | null) => void>>();

/** Calls a listener for events of these names. Returns what ends that. */
export function subscribe<Name extends EventName>(
  names: readonly Name[],
  listener: Listener<Name>,
): () => void {
  const listen = listener as (event: EventMessage | null) => void;
  for (const name of names) listeners.set(name, (listeners.get(name) ?? new Set()).add(listen));
  return () => {
    for (const name of names) listeners.get(name)?.delete(listen);
  };
}

/** Calls a listener for events of these names while a part of a page is shown. */
export function useEvents<Name extends EventName>(names: readonly Name[], listener: Listener<Name>): void {
  useEffect(() => subscribe(names, listener), []);
}

/** The connection of a browser that is signed in; it is made again whenever it breaks. Disposing it ends that. */
class EventConnection implements Disposable {
  /** The newest event that was heard. */
  #last: number | null = null;
  #socket: WebSocket | null = null;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #ending = new AbortController();

  constructor() {
    const { signal } = this.#ending;
    addEventListener("online", () => isConnectionLost.value && this.#wait(0), { signal });
    this.#open();
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
    this.#leave();
    isConnectionLost.value = false;
  }

  #open(): void {
    this.#leave();
    const query = this.#last === null ? "" : `?after=${this.#last}`;
    const address = location.origin.replace(/^http/, "ws") + SERVER_PATHS.events + query;
    const socket = new WebSocket(address, EVENTS_PROTOCOL);
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => code === SIGNED_OUT_CLOSE_CODE ? endAccess() : this.#retry();
    this.#socket = socket;
  }

  #leave(): void {
    clearTimeout(this.#timer);
    if (this.#socket === null) return;
    this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close();
    this.#socket = null;
  }

  #take(value: unknown): void {
    clearTimeout(this.#timer);
    // A network that was left says nothing: neither an event nor that it ended.
    this.#timer = setTimeout(() => this.#retry(), 2 * HEARTBEAT_MS);
    const { success, data: message } = eventMessageSchema.safeParse(value);
    if (!success || message.event === "heartbeat") return;
    if (message.event === "connected") return this.#begin(message.id, message.data.resumed);
    if (this.#last !== null && message.id <= this.#last) return;
    this.#last = message.id;
    for (const listen of listeners.get(message.event) ?? []) listen(message);
  }

  #begin(id: number, isResumed: boolean): void {
    this.#failures = 0;
    isConnectionLost.value = false;
    this.#last = id;
    if (isResumed) return;
    for (const listen of new Set([...listeners.values()].flatMap((some) => [...some]))) listen(null);
  }

  #retry(): void {
    isConnectionLost.value = true;
    this.#wait(backoffMs(++this.#failures, RETRY));
  }

  #wait(ms: number): void {
    this.#leave();
    this.#timer = setTimeout(() => void this.#openAgain(), ms);
  }

  /** Why a WebSocket is refused no browser says; the answer for the session says whether it may be opened. */
  async #openAgain(): Promise<void> {
    const { signal } = this.#ending;
    try {
      await request(`GET ${SERVER_PATHS.session}`, { schema: sessionSchema, signal });
      this.#open();
    } catch {
      // Where its access has ended, the browser is signed out by now.
      if (!signal.aborted) this.#retry();
    }
  }
}

/** Listens for as long as this browser is signed in. */
export function listenWhileSignedIn(): void {
  let connection: EventConnection | null = null;
  effect(() => {
    const isIn = isSignedIn.value === true;
    untracked(() => {
      connection?.[Symbol.dispose]();
      connection = isIn ? new EventConnection() : null;
    });
  });
}
