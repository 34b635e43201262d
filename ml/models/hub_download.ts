/** Owns fetching a model file from the hub: resumed after a cut, checked, and put in place whole. */
import { backoffMs, delay } from "../../lib/backoff.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Progress } from "../../lib/progress.ts";
import { type CatalogModel, hubFileUrl } from "./catalog.ts";
import { acceptFile } from "./model_file.ts";
import { ModelError } from "./model_file.ts";

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

/** Writes at once: what a stream of the file would hold in memory is lost when the transfer breaks. */
async function writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

/** One try: a request for what is missing and its answer, both watched. */
class Transfer implements Disposable {
  readonly #options: HubDownloadOptions;
  readonly #watchdog = new Watchdog();
  readonly #have: number;

  constructor(have: number, options: HubDownloadOptions) {
    this.#have = have;
    this.#options = options;
  }

  /** Resolves as soon as the hub answers at all. */
  async ask(url: string): Promise<Response> {
    const { signal: own, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    this.#watchdog.expect("the hub did not answer", connectTimeoutMs);
    const signal = own ? AbortSignal.any([own, this.#watchdog.signal]) : this.#watchdog.signal;
    return await fetch(url, { headers: this.#have > 0 ? { range: `bytes=${this.#have}-` } : {}, signal });
  }

  /** Appends what the hub sends. */
  async receive(response: Response, partPath: string): Promise<void> {
    const { progress, stallTimeoutMs = STALL_TIMEOUT_MS } = this.#options;
    checkAnswer(response, this.#have);
    // A server that knows no ranges sends the whole file again.
    let done = response.status === 206 ? this.#have : 0;
    const mode = done > 0 ? { append: true } : { truncate: true };
    using file = await Deno.open(partPath, { create: true, write: true, ...mode });
    this.#watchdog.expect("the hub sent nothing more", stallTimeoutMs);
    for await (const chunk of response.body ?? []) {
      this.#watchdog.expect("the hub sent nothing more", stallTimeoutMs);
      await writeWhole(file, chunk);
      progress.update(done += chunk.length);
    }
  }

  [Symbol.dispose](): void {
    this.#watchdog[Symbol.dispose]();
  }
}

/** What went wrong, for a person: of a failed `fetch` the cause says more than the error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return messageOf(error);
  return `it cannot be reached: ${error.cause.message.replace(/^.*?for url \([^)]*\): /, "")}`;
}

/** Tries until all bytes are there. What a broken transfer brought is kept. */
async function fetchAll(model: CatalogModel, partPath: string, options: HubDownloadOptions): Promise<void> {
  const url = hubFileUrl(model, options.hubUrl);
  let reached = false;
  let barren = 0;
  for (let have = await sizeOf(partPath); have < model.sizeBytes;) {
    try {
      using transfer = new Transfer(have, options);
      const response = await transfer.ask(url);
      reached = true;
      await transfer.receive(response, partPath).finally(() => response.body?.cancel().catch(() => {}));
      if (await sizeOf(partPath) < model.sizeBytes) throw new ModelError("the hub ended its answer early");
    } catch (error) {
      options.signal?.throwIfAborted();
      barren = await sizeOf(partPath) > have ? 0 : barren + 1;
      if (!reached || error instanceof RefusedError || barren >= MAX_BARREN_TRIES) {
        throw new ModelError(reasonOf(error), { cause: error });
      }
      await delay(backoffMs(barren + 1, options.backoff ?? BACKOFF), { signal: options.signal });
    }
    have = await sizeOf(partPath);
  }
}

/**
 * Downloads a model's file from the hub.
 *
 * A hub that cannot be reached fails at the first try; a transfer that breaks is resumed.
 *
 * @throws ModelError with a sentence that says why; the signal's reason when that aborts
 */
export async function downloadFromHub(model: CatalogModel, options: HubDownloadOptions): Promise<void> {
  const { path, signal } = options;
  const partPath = `${path}.part`;
  await fetchAll(model, partPath, options);
  await acceptFile(partPath, { path, sizeBytes: model.sizeBytes, sha256: model.sha256, signal });
}
