/** How far the demo's training is: one line on a terminal, a plain one now and then elsewhere. */
import type { TrainingJob } from "../../contract/training.ts";
import { type Progress, startProgress, type Terminal, terminalOf } from "../../lib/progress.ts";
import { line } from "../print.ts";

/** A part of a training that has a length. */
interface Phase {
  label: string;
  done: number;
  total: number;
}

/** The part that a job is at; null while it has no length. */
function phaseOf({ metrics }: TrainingJob): Phase | null {
  const { phase, evaluated, toEvaluate, step, steps } = metrics ?? {};
  if (phase === "evaluating" && toEvaluate) {
    return { label: "Measuring replies", done: evaluated ?? 0, total: toEvaluate };
  }
  if (phase === "training" && steps) {
    return { label: "Training steps", done: step ?? 0, total: steps };
  }
  return null;
}

/** A count for a person: small ones, such as a rate, with two digits. */
function countText(count: number): string {
  return String(count < 10 ? Number(count.toPrecision(2)) : Math.round(count));
}

/** One bar for each part of a training, which goes when the next one begins. */
export class TrainingProgress implements Disposable {
  readonly #terminal: Terminal | null;
  readonly #write: (text: string) => void;
  #label = "";
  #done = 0;
  #bar: Progress | null = null;

  constructor(options: { terminal?: Terminal | null; write?: (text: string) => void } = {}) {
    this.#terminal = options.terminal === undefined ? terminalOf(Deno.stdout) : options.terminal;
    this.#write = options.write ?? line;
  }

  /** Shows a job as it is now. */
  async show(job: TrainingJob): Promise<void> {
    const phase = phaseOf(job);
    if (phase === null) return;
    const { label, done, total } = phase;
    // What is complete already was shown: a job that has ended says so of its steps once more.
    if (label !== this.#label && done >= total) return;
    // The same replies are measured by the model in several ways, one after the other.
    if (label !== this.#label || done < this.#done) await this.#begin(label);
    this.#done = done;
    this.#bar?.update(done, total);
  }

  async #begin(label: string): Promise<void> {
    this.finish();
    this.#label = label;
    this.#bar = await startProgress({
      label,
      terminal: this.#terminal,
      clear: true,
      format: countText,
      plain: ({ text }) => this.#write(`  ${label}: ${text}`),
    });
  }

  /** Clears the line. */
  finish(): void {
    this.#bar?.finish();
    this.#bar = null;
  }

  [Symbol.dispose](): void {
    this.finish();
  }
}
