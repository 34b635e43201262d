/** Answers of server-sent events: limited in number, kept alive, ended with an `error` event after a fault. */
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
  /** Where a reader resumes after a break. */
  id?: string;
}

/** Limits how many streams each holder has open. */
export class StreamLimiter {
  readonly #limit: number;
  readonly #open = new Map<string, number>();

  /** @param limit streams of one holder at a time */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Counts a stream as open until the result is disposed, which may be done twice.
   *
   * @throws ApiError `too_many_requests`
   */
  acquire(holder: string): Disposable {
    const open = this.#open.get(holder) ?? 0;
    if (open >= this.#limit) {
      throw new ApiError(
        "too_many_requests",
        `${this.#limit} streams of events are open already: close one, or wait until one has ended`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    this.#open.set(holder, open + 1);
    let isOpen = true;
    return {
      [Symbol.dispose]: () => {
        if (isOpen) this.#release(holder);
        isOpen = false;
      },
    };
  }

  #release(holder: string): void {
    const left = (this.#open.get(holder) ?? 0) - 1;
    if (left > 0) this.#open.set(holder, left);
    else this.#open.delete(holder);
  }
}

export interface EventStreamOptions {
  /** From {@linkcode StreamLimiter.acquire}; disposed when the stream ends, or its reader leaves. */
  slot: Disposable;
  /** The events, until they end or the signal aborts; what this throws is an ordinary error with its status. */
  open: (signal: AbortSignal) => Promise<AsyncGenerator<ServerSentEvent>>;
  log: Logger;
}

/** Answers with events. A fault after the stream began becomes its last event, `error`, with the documented body. */
export async function streamEvents<Env extends ApiEnv>(
  c: Context<Env>,
  { slot, open, log }: EventStreamOptions,
): Promise<Response> {
  const leaving = new AbortController();
  const leave = () => {
    leaving.abort();
    slot[Symbol.dispose]();
  };
  // A server that stops ends these streams: they may have no end of their own, and their readers resume.
  const { stopping } = (c.env ?? {}) as { stopping?: AbortSignal };
  const signal = AbortSignal.any([c.req.raw.signal, leaving.signal, ...(stopping ? [stopping] : [])]);
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
