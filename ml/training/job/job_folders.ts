/** Manages training jobs' folders: each id claimed once, private, cleared of people's messages when the job ends. */
import { join } from "node:path";
import { ifPresent } from "../../../lib/files.ts";
import { METRICS_FILE } from "./metrics_file.ts";
import { PLOT_FILE } from "../plot/training_plot.ts";
import { REQUEST_FILE } from "./training_request.ts";
import { RESULT_FILE } from "./training_result.ts";

/** The folder of all jobs within the data folder. */
export const TRAINING_DIRECTORY = "training";

/** A job's reported statuses, one per line. */
export const STATUS_FILE = "status.jsonl";

/** The files that remain of an ended job: figures only. */
export const FIGURES: readonly string[] = [METRICS_FILE, PLOT_FILE, RESULT_FILE, STATUS_FILE];

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The folders of one data folder's jobs, named as their jobs are. */
export class JobFolders {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  pathOf(jobId: string): string {
    return join(this.#directory, jobId);
  }

  /** Claims a job id permanently; false when it was claimed before. Ids that differ only in case may collide. */
  async claim(jobId: string): Promise<boolean> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    try {
      await Deno.mkdir(this.pathOf(jobId), { mode: 0o700 });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  }

  /** Releases an id. */
  async remove(jobId: string): Promise<void> {
    await ifPresent(Deno.remove(this.pathOf(jobId), { recursive: true }));
  }

  /** Whether a job got far enough to have figures. */
  async hasFigures(jobId: string): Promise<boolean> {
    return await isThere(join(this.pathOf(jobId), METRICS_FILE));
  }

  /** Whether a job's messages are gone. */
  async isTidy(jobId: string): Promise<boolean> {
    return !await isThere(join(this.pathOf(jobId), REQUEST_FILE));
  }

  /** Bytes of messages that an unfinished job stores. */
  async messageBytes(jobId: string): Promise<number> {
    const file = await Deno.stat(join(this.pathOf(jobId), REQUEST_FILE)).catch(() => undefined);
    return file?.size ?? 0;
  }

  /** The jobs that have a folder. */
  async list(): Promise<string[]> {
    return await ifPresent(Array.fromAsync(Deno.readDir(this.#directory), ({ name }) => name)) ?? [];
  }

  /** Removes the messages, states and weights of a job that has ended. */
  async tidy(jobId: string): Promise<void> {
    const folder = this.pathOf(jobId);
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    const obsolete = names.filter((name) => !FIGURES.includes(name));
    // The request is removed last: while it exists, the next start knows that this was interrupted.
    obsolete.sort((a, b) => Number(a === REQUEST_FILE) - Number(b === REQUEST_FILE));
    for (const name of obsolete) await ifPresent(Deno.remove(join(folder, name), { recursive: true }));
  }
}
