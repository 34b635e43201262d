/** Owns downloading one large file: resumed where it was cut, checked by size and hash, there only when whole. */
import { createHash, type Hash } from "node:crypto";
import { messageOf } from "../../lib/errors.ts";
import type { Progress } from "../../lib/progress.ts";

export interface DownloadOptions {
  url: string;
  /** Where the file appears, whole and checked; until then it grows beside it as `.part`. */
  path: string;
  sizeBytes: number;
  /** In hexadecimal. */
  sha256: string;
  signal?: AbortSignal;
  progress?: Progress;
  /** How long the other side may take to answer at all. */
  answerTimeoutMs?: number;
  /** How long it may send nothing once it has answered. */
  stallTimeoutMs?: number;
}

/** The file could not be had; the message is a clause that says why. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

const ANSWER_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 60_000;
const READ_BYTES = 1024 * 1024;

/** Aborts its signal when it is not fed again in time. */
class Watchdog implements Disposable {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  feed(timeoutMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#controller.abort(new DownloadError(`nothing came for ${timeoutMs / 1_000} s`));
    }, timeoutMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** What an earlier, cut download left: its size and the hash so far. */
async function readPart(path: string): Promise<{ size: number; hash: Hash }> {
  const hash = createHash("sha256");
  using file = await Deno.open(path).catch(() => null);
  if (!file) return { size: 0, hash };
  const buffer = new Uint8Array(READ_BYTES);
  let size = 0;
  for (let read = await file.read(buffer); read !== null; read = await file.read(buffer)) {
    hash.update(buffer.subarray(0, read));
    size += read;
  }
  return { size, hash };
}

/** Whether the answer continues at the byte that was asked for; a server may send the whole file instead. */
function continuesAt(response: Response, offset: number): boolean {
  return response.status === 206 &&
    response.headers.get("content-range")?.startsWith(`bytes ${offset}-`) === true;
}

async function receive(
  options: DownloadOptions,
  part: { path: string; size: number; hash: Hash },
): Promise<void> {
  using watchdog = new Watchdog();
  watchdog.feed(options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS);
  const response = await fetch(options.url, {
    headers: part.size > 0 ? { range: `bytes=${part.size}-` } : {},
    signal: options.signal ? AbortSignal.any([options.signal, watchdog.signal]) : watchdog.signal,
  });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new DownloadError(`it answered with status ${response.status}`);
  }
  const resumes = continuesAt(response, part.size);
  if (!resumes) Object.assign(part, { size: 0, hash: createHash("sha256") });
  using file = await Deno.open(part.path, { write: true, create: true, truncate: !resumes, append: resumes });
  for await (const chunk of response.body) {
    watchdog.feed(options.stallTimeoutMs ?? STALL_TIMEOUT_MS);
    part.size += chunk.length;
    if (part.size > options.sizeBytes) break;
    part.hash.update(chunk);
    for (let written = 0; written < chunk.length;) written += await file.write(chunk.subarray(written));
    options.progress?.update(part.size);
  }
  await file.syncData();
}

/** Moves a finished part to its place, or throws it away when it is not the file that was asked for. */
async function accept(
  options: DownloadOptions,
  part: { path: string; size: number; hash: Hash },
): Promise<void> {
  if (part.size < options.sizeBytes) {
    throw new DownloadError(
      `it was cut after ${part.size} of ${options.sizeBytes} bytes; start again to resume`,
    );
  }
  if (part.size > options.sizeBytes || part.hash.digest("hex") !== options.sha256) {
    await Deno.remove(part.path);
    throw new DownloadError("what came is not the expected file: its size or sha256 differs");
  }
  await Deno.rename(part.path, options.path);
}

/**
 * Downloads a file whose size and hash are known.
 *
 * @throws DownloadError saying why; what has come so far is kept and the next call goes on from there
 * @throws the signal's reason when that aborts
 */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const partPath = `${options.path}.part`;
  const part = { path: partPath, ...await readPart(partPath) };
  try {
    if (part.size < options.sizeBytes) await receive(options, part);
    await accept(options, part);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof DownloadError) throw error;
    throw new DownloadError(messageOf(error), { cause: error });
  } finally {
    options.progress?.finish();
  }
}
