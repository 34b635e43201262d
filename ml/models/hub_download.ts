/** Owns fetching a model file from the hub: resumed after a cut, checked, and put in place whole. */
import { backoffMs, delay } from "../../lib/backoff.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Progress } from "../../lib/progress.ts";
import { type CatalogModel, hubFileUrl } from "./catalog.ts";
import { acceptFile } from "./file_check.ts";
import { ModelError } from "./model_error.ts";

export interface HubDownloadOptions {
  hubUrl: string;
  /** Where the file goes; `<path>.part` holds it until it is whole. */
  path: string;
  progress: Progress;
  signal?: AbortSignal;
  /** How long the hub may take to begin its answer, and later to send a further byte. */
  connectTimeoutMs?: number;
  stallTimeoutMs?: number;
  /** The waits between tries that bring nothing. */
  backoff?: { baseMs: number; capMs: number };
}

const CONNECT_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 30_000;
const BACKOFF = { baseMs: 1_000, capMs: 10_000 };
/** Tries in a row that bring no byte before the download is given up. */
const MAX_BARREN_TRIES = 4;

/** Aborts with a reason unless it is touched in time. */
class Watchdog implements Disposable {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  expect(what: string, withinMs: number): void {
    clearTimeout(this.#timer);
    const reason = new ModelError(`${what} within ${withinMs / 1_000} seconds`);
    this.#timer = setTimeout(() => this.#controller.abort(reason), withinMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

async function sizeOf(path: string): Promise<number> {
  const info = await Deno.stat(path).catch(() => null);
  return info?.size ?? 0;
}

/** An answer that cannot get better by asking again. */
class RefusedError extends ModelError {}

function checkAnswer(response: Response, haveBytes: number): void {
  if (response.status === 200 || (response.status === 206 && haveBytes > 0)) return;
  const message = `the hub answered with status ${response.status}`;
  throw response.status >= 500 || response.status === 429
    ? new ModelError(message)
    : new RefusedError(message);
}

/** Asks for what is missing and appends it. */
async function fetchRest(url: string, model: CatalogModel, options: HubDownloadOptions): Promise<void> {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS, stallTimeoutMs = STALL_TIMEOUT_MS } = options;
  const partPath = `${options.path}.part`;
  const have = await sizeOf(partPath);
  if (have >= model.sizeBytes) return;
  using watchdog = new Watchdog();
  watchdog.expect("the hub did not answer", connectTimeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, watchdog.signal]) : watchdog.signal;
  const response = await fetch(url, { headers: have > 0 ? { range: `bytes=${have}-` } : {}, signal });
  try {
    checkAnswer(response, have);
    // A server that knows no ranges sends the whole file again.
    let done = response.status === 206 ? have : 0;
    using file = await Deno.open(partPath, {
      create: true,
      write: true,
      append: done > 0,
      truncate: done === 0,
    });
    watchdog.expect("the hub sent nothing more", stallTimeoutMs);
    const writer = file.writable.getWriter();
    for await (const chunk of response.body ?? []) {
      watchdog.expect("the hub sent nothing more", stallTimeoutMs);
      await writer.write(chunk);
      options.progress.update(done += chunk.length);
    }
    await writer.close();
  } finally {
    await response.body?.cancel().catch(() => {});
  }
}

/** What went wrong, for a person: of a failed `fetch` the cause says more than the error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return messageOf(error);
  return `it cannot be reached: ${error.cause.message.replace(/^.*?for url \([^)]*\): /, "")}`;
}

/** Whether asking again may help: not when the very first try reached nobody, nor when the hub said no. */
function isHopeless(error: unknown, state: { reached: boolean }): boolean {
  return error instanceof RefusedError || !state.reached;
}

/**
 * Downloads a model's file from the hub.
 *
 * A hub that cannot be reached fails at the first try; a transfer that breaks is resumed.
 *
 * @throws ModelError with a sentence that says why; the signal's reason when that aborts
 */
export async function downloadFromHub(model: CatalogModel, options: HubDownloadOptions): Promise<void> {
  const url = hubFileUrl(model, options.hubUrl);
  const partPath = `${options.path}.part`;
  const firstSize = await sizeOf(partPath);
  for (let barren = 0;;) {
    const before = await sizeOf(partPath);
    try {
      await fetchRest(url, model, options);
      if (await sizeOf(partPath) < model.sizeBytes) throw new ModelError("the hub ended its answer early");
      break;
    } catch (error) {
      options.signal?.throwIfAborted();
      const now = await sizeOf(partPath);
      barren = now > before ? 0 : barren + 1;
      if (isHopeless(error, { reached: now !== firstSize }) || barren >= MAX_BARREN_TRIES) {
        throw new ModelError(reasonOf(error), { cause: error });
      }
      await delay(backoffMs(barren + 1, options.backoff ?? BACKOFF), { signal: options.signal });
    }
  }
  await acceptFile(partPath, {
    path: options.path,
    sizeBytes: model.sizeBytes,
    sha256: model.sha256,
    signal: options.signal,
  });
}
