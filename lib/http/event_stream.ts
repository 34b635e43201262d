/** Owns answers of server-sent events: how many each reader may hold open, kept alive, ended with an `error` that is told. */
import { type Context, streamSSE } from "../../deps.ts";
import { ApiError, errorBodyOf, logFieldsOfError } from "../errors.ts";
import type { ApiEnv } from "./app.ts";
import type { Logger } from "../log.ts";

/** Proxies close a connection that is silent for a minute, and a reader that left may be noticed by a write only. */
const HEARTBEAT_MS = 15_000;
const RETRY_AFTER_SECONDS = 15;

/** One event, its data as text. */
export interface ServerSentEvent {
  event: string;
  data: string;
  /** To go on from after a break. */
  id?: string;
}

/** The streams that are open, by whose they are. */
export class StreamPlaces {
  readonly #limit: number;
  readonly #taken = new Map<string, number>();

  /** @param limit streams of one holder at a time */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes a place until it is disposed of, which may be done twice.
   *
   * @throws ApiError `too_many_requests`
   */
  take(holder: string): Disposable {
    const taken = this.#taken.get(holder) ?? 0;
    if (taken >= this.#limit) {
      throw new ApiError(
        "too_many_requests",
        `${this.#limit} streams of events are open already: close one, or wait until one has ended`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    this.#taken.set(holder, taken + 1);
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#release(holder);
        isTaken = false;
      },
    };
  }

  #release(holder: string): void {
    const left = (this.#taken.get(holder) ?? 0) - 1;
    if (left > 0) this.#taken.set(holder, left);
    else this.#taken.delete(holder);
  }
}

export interface EventStreamOptions {
  /** Given back when the stream ends, or its reader leaves. */
  place: Disposable;
  /** What is told until it ends or the signal aborts; what this throws is an ordinary error with its status. */
  open: (signal: AbortSignal) => Promise<AsyncGenerator<ServerSentEvent>>;
  log: Logger;
}

/** Answers with events. A fault after the stream began is told as its last event, `error`, with the documented body. */
export async function streamEvents<Env extends ApiEnv>(
  c: Context<Env>,
  { place, open, log }: EventStreamOptions,
): Promise<Response> {
  const leaving = new AbortController();
  const leave = () => {
    leaving.abort();
    place[Symbol.dispose]();
  };
  const signal = AbortSignal.any([c.req.raw.signal, leaving.signal]);
  const events = await open(signal).catch((error) => {
    leave();
    throw error;
  });
  return streamSSE(c, async (stream) => {
    stream.onAbort(leave);
    const heartbeat = setInterval(() => void stream.write(": waiting\n\n"), HEARTBEAT_MS);
    try {
      for await (const event of events) await stream.writeSSE(event);
    } catch (error) {
      if (signal.aborted) return;
      log.error("a stream of events broke", logFieldsOfError(error));
      await stream.writeSSE({
        event: "error",
        data: JSON.stringify(errorBodyOf(error, c.get("requestId"))),
      });
    } finally {
      clearInterval(heartbeat);
      leave();
    }
  });
}
