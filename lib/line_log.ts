/** An append-only file of JSON lines that readers can follow while it grows; damaged lines are skipped. */
import type { z } from "zod";
import { ifPresent } from "./files.ts";
import { Notifier, SerialExecutor, unlessAborted } from "./async.ts";

const NEWLINE = 10;
const READ_BYTES = 64 * 1024;

/** A line and its number in the file, from 1. */
export interface NumberedLine<Value> {
  number: number;
  value: Value;
}

/** Fills a buffer as far as the file goes and returns how many bytes that is. */
async function fill(file: Deno.FsFile, buffer: Uint8Array): Promise<number> {
  for (let filled = 0;;) {
    const read = filled < buffer.length ? await file.read(buffer.subarray(filled)) : null;
    if (read === null) return filled;
    filled += read;
  }
}

/** The complete lines in a piece of the file, or the one line that is longer than a piece; empty where there is none yet. */
async function linesAt(file: Deno.FsFile, offset: number): Promise<Uint8Array> {
  for (let size = READ_BYTES;; size *= 2) {
    const buffer = new Uint8Array(size);
    await file.seek(offset, Deno.SeekMode.Start);
    const filled = await fill(file, buffer);
    const end = buffer.subarray(0, filled).lastIndexOf(NEWLINE) + 1;
    if (end > 0 || filled < size) return buffer.subarray(0, end);
  }
}

/**
 * The complete lines from an offset on, a piece of the file at a time. Each piece is read from the end of the last
 * complete line: a torn one may have been replaced since.
 */
async function* piecesFrom(path: string, from: number): AsyncGenerator<{ lines: string[]; end: number }> {
  using file = await ifPresent(Deno.open(path));
  if (file === null) return;
  for (let end = from;;) {
    const bytes = await linesAt(file, end);
    if (bytes.length === 0) return;
    end += bytes.length;
    yield { lines: new TextDecoder().decode(bytes).split("\n").slice(0, -1), end };
  }
}

/** The value of a line; undefined for a damaged one. */
function valueOf<Value>(line: string, schema: z.ZodType<Value>): Value | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The complete lines of a file as it is now, with a piece of it in memory at a time; none when there is no file. */
export async function* readLines<Value>(path: string, schema: z.ZodType<Value>): AsyncGenerator<Value> {
  for await (const { lines } of piecesFrom(path, 0)) {
    for (const line of lines) {
      const value = valueOf(line, schema);
      if (value !== undefined) yield value;
    }
  }
}

/** Removes a last line that a killed process has not written completely. */
async function cutTornLine(file: Deno.FsFile): Promise<void> {
  const { size } = await file.stat();
  const buffer = new Uint8Array(READ_BYTES);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - READ_BYTES);
    await file.seek(start, Deno.SeekMode.Start);
    const read = await file.read(buffer.subarray(0, end - start)) ?? 0;
    const last = buffer.subarray(0, read).lastIndexOf(NEWLINE);
    if (last >= 0) return await file.truncate(start + last + 1);
    end = start;
  }
  await file.truncate(0);
}

/** One file; its writer and its readers share the object. Values must survive JSON. */
export class LineLog<Value> {
  readonly #path: string;
  readonly #schema: z.ZodType<Value>;
  readonly #appends = new SerialExecutor();
  readonly #changes = new Notifier();
  #mayBeTorn = true;
  #closed = false;

  constructor(path: string, schema: z.ZodType<Value>) {
    this.#path = path;
    this.#schema = schema;
  }

  /** Adds a line. Rejects when the disk refuses it; readers then see no part of it. */
  append(value: Value): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
    return this.#appends.run(() => this.#write(bytes));
  }

  /** Ends the log: readers end at the last line. */
  close(): void {
    this.#closed = true;
    this.#changes.notify();
  }

  /** Yields every line that is not damaged, then each that is added, until the log is closed or the signal aborts. */
  async *read({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<NumberedLine<Value>> {
    let [number, offset] = [0, 0];
    while (!signal?.aborted) {
      // Both before the file is read: what comes while it is read is not missed.
      const [change, closed] = [this.#changes.next, this.#closed];
      for await (const { lines, end } of piecesFrom(this.#path, offset)) {
        for (const line of lines) {
          number++;
          const value = valueOf(line, this.#schema);
          if (value !== undefined) yield { number, value };
        }
        offset = end;
      }
      if (closed) return;
      await unlessAborted(change, signal);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const options = { create: true, read: true, write: true, mode: 0o600 };
    using file = await Deno.open(this.#path, options);
    if (this.#mayBeTorn) await cutTornLine(file);
    this.#mayBeTorn = true;
    await file.seek(0, Deno.SeekMode.End);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    this.#mayBeTorn = false;
    this.#changes.notify();
  }
}
