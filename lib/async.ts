/** Waiting, ordering and streaming of asynchronous work. */
import type { Clock } from "./clock.ts";

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Waits for a promise to settle, whichever way, or for the signal. */
export async function unlessAborted(
  settled: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal?.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal?.addEventListener("abort", onAbort, { once: true });
  await Promise.race([settled.catch(() => {}), aborted.promise]);
  signal?.removeEventListener("abort", onAbort);
}

/** Waits for work, but not past a deadline. Returns whether the work ended in time. */
export async function withDeadline(work: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), deadlineMs);
  });
  try {
    return await Promise.race([work.then(() => true), deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Wakes any number of waiters when something has changed. */
export class Notifier {
  #next = Promise.withResolvers<void>();

  /** Resolves at the next notification. Take it before looking at what may change, so that no change is missed. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}

export interface WaitOptions {
  /** `Infinity` waits for a wake alone. */
  timeoutMs: number;
  /** Whether a wake ends the wait, asked at each one; by default it does. */
  isOver?: () => boolean;
  signal: AbortSignal;
}

/** A wait for a time that can be cut short. It has one waiter; a wake while nobody waits ends the next wait. */
export class WakeableWait {
  readonly #clock: Clock;
  #woken = false;
  #listener: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#woken = true;
    this.#listener?.();
  }

  /** Resolves at the time, at a wake that ends the wait, or when the signal aborts. */
  async wait({ timeoutMs, isOver = () => true, signal }: WaitOptions): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancelTimer = timeoutMs === Infinity ? () => {} : this.#clock.after(timeoutMs, resolve);
    this.#listener = () => {
      if (!this.#woken) return;
      this.#woken = false;
      if (isOver()) resolve();
    };
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) resolve();
    this.#listener();
    await promise;
    cancelTimer();
    signal.removeEventListener("abort", onAbort);
    this.#listener = null;
  }
}

/** Runs tasks one at a time, in the order in which they were given. */
export class SerialExecutor {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a task after those before it, whether they succeeded or not. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when every task given so far has ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/**
 * Applies `work` to every item, at most `limit` at once, started in their order. After a failure no further item is
 * started; what is running ends first, then the first failure is thrown.
 */
export async function concurrently<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  { limit }: { limit: number },
): Promise<void> {
  const waiting = items.values();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const item of waiting) {
      if (failures.length > 0) return;
      await work(item).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/**
 * Does numbered work side by side, at most `limit` at a time. When one fails, the others are aborted, and have ended when
 * its error is thrown.
 *
 * @throws what failed first; the signal's reason when that aborts
 */
export async function runSideBySide<Result>(
  work: (index: number, signal: AbortSignal) => Promise<Result>,
  { count, limit, signal }: { count: number; limit: number; signal?: AbortSignal },
): Promise<Result[]> {
  const failure = new AbortController();
  const either = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const results: Result[] = [];
  await concurrently(Array.from({ length: count }, (_, index) => index), async (index) => {
    if (either.aborted) return;
    try {
      results[index] = await work(index, either);
    } catch (error) {
      failure.abort(error);
    }
  }, { limit });
  either.throwIfAborted();
  return results;
}

/** A stream that is written from outside and buffers what has not been read. */
export interface PushStream<Item> {
  readonly stream: ReadableStream<Item>;
  /** Adds an item; does nothing once the reader has cancelled the stream or it has ended. */
  push(item: Item): void;
  end(): void;
}

/** Makes a {@linkcode PushStream}, for one reader. */
export function pushStream<Item>(): PushStream<Item> {
  let controller: ReadableStreamDefaultController<Item> | undefined;
  const stream = new ReadableStream<Item>({
    start: (started) => void (controller = started),
    cancel: () => void (controller = undefined),
  });
  return {
    stream,
    push: (item) => controller?.enqueue(item),
    end() {
      controller?.close();
      controller = undefined;
    },
  };
}

/**
 * The lines of a stream of UTF-8, without their line breaks; cancels the stream when its reader stops early. A long line
 * costs no more than short ones of its size together.
 */
export async function* textLinesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  if (rest !== "") yield rest;
}
