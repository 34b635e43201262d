/** Owns a job's checkpoints: each a trainer's state and a file that says where in the job it belongs. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { type Trainer, TrainingError } from "../trainer.ts";
import { ifPresent, writeFileAtomically } from "../../../lib/files.ts";

const FOLDER = "checkpoint";
/** The last one, and the one before it in case the last is damaged. */
const KEPT = 2;
const STEP_DIGITS = 8;

const epochSchema = z.object({
  epoch: z.int(),
  step: z.int(),
  heldOutLoss: z.number(),
  heldOutPerplexity: z.number(),
});

const factsSchema = z.object({
  /** What must be equal for a training to go on: request and samples, as hashes. */
  requestHash: z.string(),
  modelHash: z.string(),
  /** What the frozen weights are kept as. */
  weights: z.enum(["f32", "bf16", "mixed", "q8_0", "file"]),
  steps: z.int(),
  baseLoss: z.number(),
  examplesLoss: z.number(),
  epochs: z.array(epochSchema),
  /** The epoch of the lowest held-out loss, and its state's file. */
  best: z.object({ epoch: z.int(), heldOutLoss: z.number(), stateFile: z.string() }).nullable(),
  /** Length of the metrics' file by then. */
  metricsBytes: z.int(),
});

/** Where in its job a checkpoint stands. */
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
    // Whatever is wrong with it, the one before is taken.
    return undefined;
  }
}

/** The checkpoints in a job's folder. */
export class Checkpoints {
  readonly #folder: string;

  constructor(jobFolder: string) {
    this.#folder = join(jobFolder, FOLDER);
  }

  /** Writes a checkpoint, then drops those that nobody needs any more. The one before stays when this fails. */
  async save(trainer: Trainer, checkpoint: CheckpointFacts): Promise<void> {
    // In the schema's order of fields, as they will be read: the checksum is over their text.
    const facts = factsSchema.parse(checkpoint);
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await trainer.saveState(join(this.#folder, stateFileOf(facts.steps)));
    const text = JSON.stringify({ facts, checksum: checksumOf(facts) });
    await writeFileAtomically(join(this.#folder, factsFileOf(facts.steps)), text);
    await this.#prune();
  }

  /** All that can be read, the newest first, and how many cannot. */
  async list(): Promise<{ checkpoints: CheckpointFacts[]; damaged: number }> {
    const names = await this.#factsFiles();
    const read = await Promise.all(names.map((name) => readFacts(join(this.#folder, name))));
    const checkpoints = read.filter((facts) => facts !== undefined);
    return { checkpoints, damaged: read.length - checkpoints.length };
  }

  /**
   * Takes a state over.
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

  /** Takes the state after so many steps over; false as `load`. */
  async loadSteps(trainer: Trainer, steps: number): Promise<boolean> {
    return await this.load(trainer, stateFileOf(steps));
  }

  /** Removes them all: a finished job needs none. */
  async remove(): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  /** Removes those of later steps: damaged ones, when a training goes on from one before. */
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
    const factsFiles = (await this.#factsFiles()).slice(0, KEPT);
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
