/** Appends a job's steps and epochs to `metrics.jsonl`, truncates it when a job resumes, and builds its curves. */
import { join } from "node:path";
import { z } from "zod";
import { readLines } from "../../../lib/line_log.ts";
import { CurveFold, type CurveOptions, type TrainingCurves } from "../plot/training_curves.ts";
import type { Metric } from "./training_event.ts";

export const METRICS_FILE = "metrics.jsonl";

const stepSchema = z.looseObject({
  type: z.literal("step"),
  step: z.int().min(1),
  steps: z.int().min(1),
  loss: z.number(),
  learningRate: z.number(),
});

const epochSchema = z.object({
  type: z.literal("epoch"),
  epoch: z.int().min(0),
  step: z.int().min(0),
  heldOutLoss: z.number(),
  heldOutPerplexity: z.number(),
});

/** What the curves are drawn from. A step of an earlier version may lack other figures, and is none the worse for it. */
const metricSchema = z.discriminatedUnion("type", [stepSchema, epochSchema]);

/** Reads the metrics written so far; none when there is no file. A damaged or half-written line is skipped. */
export function readMetrics(folder: string): AsyncGenerator<z.infer<typeof metricSchema>> {
  return readLines(join(folder, METRICS_FILE), metricSchema);
}

/** Reads the curves of the metrics written so far. */
export async function readCurves(folder: string, options: CurveOptions): Promise<TrainingCurves> {
  return (await foldOf(folder)).curves(options);
}

async function foldOf(folder: string): Promise<CurveFold> {
  const fold = new CurveFold();
  for await (const metric of readMetrics(folder)) fold.add(metric);
  return fold;
}

/** The file, open for appending. */
export class MetricsFile implements Disposable {
  readonly #folder: string;
  readonly #file: Deno.FsFile;
  #fold = new CurveFold();
  sizeBytes = 0;

  private constructor(folder: string, file: Deno.FsFile) {
    this.#folder = folder;
    this.#file = file;
  }

  /** The curves of the metrics in the file. Call `cutTo` first. */
  curves(options: CurveOptions = {}): TrainingCurves {
    return this.#fold.curves(options);
  }

  /**
   * Opens the file exclusively: waits for another process on the same job to end, such as one whose parent was killed.
   */
  static async open(folder: string): Promise<MetricsFile> {
    const path = join(folder, METRICS_FILE);
    const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
    await file.lock(true);
    return new MetricsFile(folder, file);
  }

  /**
   * Truncates the file to where it was at a checkpoint.
   *
   * @returns false when the file is shorter than that
   */
  async cutTo(sizeBytes: number): Promise<boolean> {
    const { size } = await this.#file.stat();
    if (size < sizeBytes) return false;
    await this.#file.truncate(sizeBytes);
    await this.#file.seek(sizeBytes, Deno.SeekMode.Start);
    this.sizeBytes = sizeBytes;
    this.#fold = await foldOf(this.#folder);
    return true;
  }

  async append(metric: Metric): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(metric)}\n`);
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    this.sizeBytes += bytes.length;
    this.#fold.add(metric);
  }

  /** Flushes the file to disk. */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
