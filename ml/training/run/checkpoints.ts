/** Saves, lists and loads a job's checkpoints: each a trainer state and a file with its place in the job. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { Trainer } from "../trainer.ts";
import { ifPresent, writeFileAtomically } from "../../../lib/files.ts";
import { TrainingError } from "../training_error.ts";

const FOLDER = "checkpoint";
/** The last one, and one more in case the last is damaged. */
const MAX_CHECKPOINTS = 2;
const STEP_DIGITS = 8;

const epochSchema = z.object({
  epoch: z.int(),
  step: z.int(),
  heldOutLoss: z.number(),
  heldOutPerplexity: z.number(),
});

const factsSchema = z.object({
  /** Hash of request and samples, which must be equal for a training to resume. */
  requestHash: z.string(),
  modelHash: z.string(),
  /** Format of the frozen weights. */
  weights: z.enum(["f32", "bf16", "mixed", "q8_0", "file"]),
  steps: z.int(),
  baseLoss: z.number(),
  examplesLoss: z.number(),
  /** Of each held-out reply, as the base model has it, alone and with examples. */
  baseLogLikelihoods: z.array(z.number()),
  examplesLogLikelihoods: z.array(z.number()),
  /** With the texting adapter; null where there is none for this training. */
  textingLogLikelihoods: z.array(z.number()).nullable(),
  epochs: z.array(epochSchema),
  /** The epoch of the lowest held-out loss, and its state's file. */
  best: z.object({
    epoch: z.int(),
    heldOutLoss: z.number(),
    /** Of each held-out reply. */
    logLikelihoods: z.array(z.number()),
    stateFile: z.string(),
  }).nullable(),
  /** Size of the metrics file at that step. */
  metricsBytes: z.int(),
});

/** A checkpoint's position in its job. */
export type CheckpointFacts = z.infer<typeof factsSchema>;

const fileSchema = z.object({ facts: factsSchema, checksum: z.string() });

function checksumOf(facts: CheckpointFacts): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

/** The file of the state that goes with a step. */
export function stateFileOf(steps: number): string {
  return `step-${String(steps).padStart(STEP_DIGITS, "0")}.state`;
}

function factsFileOf(steps: number): string {
  return stateFileOf(steps).replace(/state$/, "json");
}

async function readFacts(path: string): Promise<CheckpointFacts | undefined> {
  try {
    const { facts, checksum } = fileSchema.parse(JSON.parse(await Deno.readTextFile(path)));
    return checksumOf(facts) === checksum ? facts : undefined;
  } catch {
    // Whatever is wrong with it, an older one is used.
    return undefined;
  }
}

/** The checkpoints in a job's folder. */
export class Checkpoints {
  readonly #folder: string;

  constructor(jobFolder: string) {
    this.#folder = join(jobFolder, FOLDER);
  }

  /** Writes a checkpoint, then removes obsolete ones. When this fails the one before remains. */
  async save(trainer: Trainer, checkpoint: CheckpointFacts): Promise<void> {
    // In the schema's field order, as they will be read: the checksum covers their text.
    const facts = factsSchema.parse(checkpoint);
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await trainer.saveState(join(this.#folder, stateFileOf(facts.steps)));
    const text = JSON.stringify({ facts, checksum: checksumOf(facts) });
    await writeFileAtomically(join(this.#folder, factsFileOf(facts.steps)), text);
    await this.#prune();
  }

  /** The readable checkpoints, newest first, and the number of unreadable ones. */
  async list(): Promise<{ checkpoints: CheckpointFacts[]; damaged: number }> {
    const names = await this.#factsFiles();
    const read = await Promise.all(names.map((name) => readFacts(join(this.#folder, name))));
    const checkpoints = read.filter((facts) => facts !== undefined);
    return { checkpoints, damaged: read.length - checkpoints.length };
  }

  /**
   * Loads a state file into a trainer.
   *
   * @returns false when its file is damaged or missing
   */
  async load(trainer: Trainer, stateFile: string): Promise<boolean> {
    try {
      await trainer.loadState(join(this.#folder, stateFile));
      return true;
    } catch (error) {
      if (error instanceof TrainingError && error.code === "bad_state") return false;
      throw error;
    }
  }

  /** Loads the state after some number of steps; returns false as `load` does. */
  async loadSteps(trainer: Trainer, steps: number): Promise<boolean> {
    return await this.load(trainer, stateFileOf(steps));
  }

  /** Removes all checkpoints: a finished job needs none. */
  async remove(): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  /** Removes checkpoints of later steps: damaged ones, when a training resumes from an earlier one. */
  async removeAfter(steps: number): Promise<void> {
    const last = stateFileOf(steps);
    for (const name of await this.#names()) {
      if (name > last) await Deno.remove(join(this.#folder, name));
    }
  }

  async #names(): Promise<string[]> {
    const names = await ifPresent(Array.fromAsync(Deno.readDir(this.#folder), ({ name }) => name));
    return (names ?? []).sort().reverse();
  }

  async #factsFiles(): Promise<string[]> {
    return (await this.#names()).filter((name) => name.endsWith(".json"));
  }

  async #prune(): Promise<void> {
    const factsFiles = (await this.#factsFiles()).slice(0, MAX_CHECKPOINTS);
    const needed = new Set(factsFiles);
    for (const name of factsFiles) {
      needed.add(name.replace(/json$/, "state"));
      const facts = await readFacts(join(this.#folder, name));
      if (facts?.best) needed.add(facts.best.stateFile);
    }
    for (const name of await this.#names()) {
      if (!needed.has(name)) await Deno.remove(join(this.#folder, name));
    }
  }
}
