/** What the trainings' own gates measured: replies that each job kept out of its training, none of those of the other tables. */
import { tableLines } from "../../bench/support/bench_output.ts";
import type { RunResult } from "../../ml/training/job/training_event.ts";
import { middleRows } from "./intervals.ts";
import { ResultsFile } from "./results_file.ts";

/** What a job's gate measured. */
export type Gated = Pick<RunResult, "train" | "heldOut" | "bestEpoch" | "offered" | "offerReason"> & {
  /** Held-out loss after each epoch; the first one is the base model's. */
  epochs: number[];
};

/** Units are people. */
export const TRAININGS = new ResultsFile<Gated>("trainings");

/** What is reported of a job. */
export function gatedOf({ train, heldOut, bestEpoch, offered, offerReason, curve }: RunResult): Gated {
  const epochs = curve.epochs.map(({ heldOutLoss }) => heldOutLoss);
  return { train, heldOut, bestEpoch, offered, offerReason, epochs };
}

/** By person: the loss after each epoch on the replies that the job kept out, and what its gate said. */
export function gateTable(trainings: ReadonlyMap<string, Gated>): string[] {
  const gated = [...trainings.values()];
  const epochs = Math.max(0, ...gated.map(({ epochs }) => epochs.length - 1));
  const format = (loss: number | undefined) => loss?.toFixed(3) ?? "";
  const losses = (
    { heldOut, epochs: all }: Gated,
  ) => [heldOut.baseLoss, heldOut.examplesLoss, ...all.slice(1)];
  const rows = [...trainings].map(([id, training]) => [
    id,
    ...Array.from({ length: 2 + epochs }, (_, column) => format(losses(training)[column])),
    training.offered ? "yes" : "no",
  ]);
  const columns = Array.from({ length: 2 + epochs }, (_, column) => gated.map((one) => losses(one)[column]));
  const numbers = Array.from({ length: epochs }, (_, index) => `epoch ${index + 1}`);
  const head = ["person", "base", "with examples", ...numbers, "offered"];
  const reasons = [...trainings].map(([id, { offerReason }]) => `- ${id}: ${offerReason}`);
  return [...tableLines(head, [...rows, ...middleRows(columns, format)]), "", ...reasons];
}
