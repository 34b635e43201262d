/** Downloads a model file from the hub: resumed after an interruption, verified, and moved into place. */
import { backoffMs, delay } from "../../lib/backoff.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Progress } from "../../lib/progress.ts";
import { type CatalogModel, hubFileUrl } from "./catalog.ts";
import { acceptFile } from "./model_file.ts";
import { ModelError } from "./model_file.ts";

export interface HubDownloadOptions {
  hubUrl: string;
  /** Where the file goes; `<path>.part` holds it until it is complete. */
  path: string;
  progress: Progress;
  signal?: AbortSignal;
  /** How long the hub may take to respond, and between two chunks. */
  connectTimeoutMs?: number;
  stallTimeoutMs?: number;
  /** The delays between attempts without progress. */
  backoff?: { baseMs: number; capMs: number };
}

const CONNECT_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 30_000;
const BACKOFF = { baseMs: 1_000, capMs: 10_000 };
/** The download fails after this many attempts in a row without a byte. */
const MAX_FRUITLESS_ATTEMPTS = 4;

/** Aborts with a reason unless it is reset in time. */
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

/** A response that a retry would not change. */
class RefusedError extends ModelError {}

function checkAnswer(response: Response, haveBytes: number): void {
  if (response.status === 200 || (response.status === 206 && haveBytes > 0)) return;
  const message = `the hub answered with status ${response.status}`;
  throw response.status >= 500 || response.status === 429
    ? new ModelError(message)
    : new RefusedError(message);
}

/** Writes without buffering: buffered bytes would be lost when the transfer breaks. */
async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

/** One attempt: a request for the missing bytes and its response, both with time limits. */
class Transfer implements Disposable {
  readonly #options: HubDownloadOptions;
  readonly #watchdog = new Watchdog();
  readonly #have: number;

  constructor(have: number, options: HubDownloadOptions) {
    this.#have = have;
    this.#options = options;
  }

  /** Resolves with the hub's response. */
  async ask(url: string): Promise<Response> {
    const { signal: own, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    this.#watchdog.expect("the hub did not answer", connectTimeoutMs);
    const signal = own ? AbortSignal.any([own, this.#watchdog.signal]) : this.#watchdog.signal;
    return await fetch(url, { headers: this.#have > 0 ? { range: `bytes=${this.#have}-` } : {}, signal });
  }

  /** Appends the response to the part file. */
  async receive(response: Response, partPath: string): Promise<void> {
    const { progress, stallTimeoutMs = STALL_TIMEOUT_MS } = this.#options;
    checkAnswer(response, this.#have);
    // A server without range support sends the entire file again.
    let done = response.status === 206 ? this.#have : 0;
    const mode = done > 0 ? { append: true } : { truncate: true };
    using file = await Deno.open(partPath, { create: true, write: true, ...mode });
    this.#watchdog.expect("the hub sent nothing more", stallTimeoutMs);
    for await (const chunk of response.body ?? []) {
      this.#watchdog.expect("the hub sent nothing more", stallTimeoutMs);
      await writeAll(file, chunk);
      progress.update(done += chunk.length);
    }
  }

  [Symbol.dispose](): void {
    this.#watchdog[Symbol.dispose]();
  }
}

/** What went wrong, for a person: the cause of a failed `fetch` says more than the error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return messageOf(error);
  return `it cannot be reached: ${error.cause.message.replace(/^.*?for url \([^)]*\): /, "")}`;
}

/** Retries until all bytes have arrived, resuming after a broken transfer. */
async function fetchAll(model: CatalogModel, partPath: string, options: HubDownloadOptions): Promise<void> {
  const url = hubFileUrl(model, options.hubUrl);
  let reached = false;
  let fruitless = 0;
  for (let have = await sizeOf(partPath); have < model.sizeBytes;) {
    try {
      using transfer = new Transfer(have, options);
      const response = await transfer.ask(url);
      reached = true;
      await transfer.receive(response, partPath).finally(() => response.body?.cancel().catch(() => {}));
      if (await sizeOf(partPath) < model.sizeBytes) throw new ModelError("the hub ended its answer early");
    } catch (error) {
      options.signal?.throwIfAborted();
      fruitless = await sizeOf(partPath) > have ? 0 : fruitless + 1;
      if (!reached || error instanceof RefusedError || fruitless >= MAX_FRUITLESS_ATTEMPTS) {
        throw new ModelError(reasonOf(error), { cause: error });
      }
      await delay(backoffMs(fruitless + 1, options.backoff ?? BACKOFF), { signal: options.signal });
    }
    have = await sizeOf(partPath);
  }
}

/**
 * Downloads a model's file from the hub.
 *
 * An unreachable hub fails at the first attempt; an interrupted transfer is resumed.
 *
 * @throws ModelError saying why; the signal's reason when that aborts
 */
export async function downloadFromHub(model: CatalogModel, options: HubDownloadOptions): Promise<void> {
  const { path, signal } = options;
  const partPath = `${path}.part`;
  await fetchAll(model, partPath, options);
  await acceptFile(partPath, { path, sizeBytes: model.sizeBytes, sha256: model.sha256, signal });
}
