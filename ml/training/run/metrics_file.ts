/** Owns a job's `metrics.jsonl`: a line for each step and epoch, cut back to where a training goes on from. */
import { join } from "node:path";
import type { EpochEvent, StepEvent } from "./training_event.ts";

export const METRICS_FILE = "metrics.jsonl";

export type Metric = StepEvent | EpochEvent;

/** Reads what has been written so far; none when nothing has. A half-written last line is left out. */
export async function readMetrics(folder: string): Promise<Metric[]> {
  const text = await Deno.readTextFile(join(folder, METRICS_FILE)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

/** The file, open for appending. */
export class MetricsFile implements Disposable {
  readonly #file: Deno.FsFile;
  sizeBytes = 0;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Opens the file for this process alone: it waits for another one at the same job to end, as one does whose parent
   * was killed.
   */
  static async open(folder: string): Promise<MetricsFile> {
    const path = join(folder, METRICS_FILE);
    const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
    await file.lock(true);
    return new MetricsFile(file);
  }

  /**
   * Forgets what was written beyond a checkpoint.
   *
   * @returns false when the file has lost something before that
   */
  async cutTo(sizeBytes: number): Promise<boolean> {
    const { size } = await this.#file.stat();
    if (size < sizeBytes) return false;
    await this.#file.truncate(sizeBytes);
    await this.#file.seek(sizeBytes, Deno.SeekMode.Start);
    this.sizeBytes = sizeBytes;
    return true;
  }

  async append(metric: Metric): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(metric)}\n`);
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    this.sizeBytes += bytes.length;
  }

  /** Makes it durable. */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
