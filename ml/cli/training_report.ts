/** Owns a training job as text for a person: what it learned from, its epochs, its curves, and what came of it. */
import { lossRange, type Point, type TrainingCurves } from "../training/plot/training_curves.ts";
import type { EpochMeasure, TrainingResult } from "../training/job/training_event.ts";
import { bars, chart } from "./chart.ts";

export interface TrainingReport {
  jobId: string;
  /** What was told of the job last: `training`, `failed`, …; absent when nothing was. */
  status?: string;
  error?: string;
  curves: TrainingCurves;
  /** Of a completed job. */
  result?: TrainingResult;
  /** Where its drawing lies, if it has one. */
  plotPath?: string;
}

const CHART_WIDTH = 64;
const CHART_HEIGHT = 14;

/** Rows of cells in columns: the first is text, the others are figures. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cells = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
    );
  return rows.map((row) => `  ${cells(row).join("   ")}`.trimEnd());
}

function epochTable(epochs: readonly EpochMeasure[]): string[] {
  const rows = epochs.map(({ epoch, step, trainingLoss, heldOutLoss, heldOutPerplexity }) => [
    epoch === 0 ? "base" : String(epoch),
    String(step),
    trainingLoss?.toFixed(3) ?? "",
    heldOutLoss.toFixed(3),
    heldOutPerplexity.toPrecision(4),
  ]);
  return table([["epoch", "step", "training loss", "held-out loss", "perplexity"], ...rows]);
}

/** A level as points over the whole width. */
function levelPoints(value: number | null, steps: number): Point[] {
  if (value === null) return [];
  return Array.from(
    { length: CHART_WIDTH },
    (_, index) => ({ step: index * steps / (CHART_WIDTH - 1), value }),
  );
}

function chartLines(curves: TrainingCurves): string[] {
  if (curves.loss.length === 0) return [];
  const { steps, smoothLoss, heldOut, baseLoss, examplesLoss, learningRate } = curves;
  const lines = chart([
    { points: levelPoints(examplesLoss, steps), mark: "·" },
    { points: levelPoints(baseLoss, steps), mark: "-" },
    { points: smoothLoss, mark: "•" },
    { points: heldOut, mark: "◆" },
  ], { width: CHART_WIDTH, height: CHART_HEIGHT, steps, range: lossRange(curves) });
  const examples = examplesLoss === null ? "" : "  · base with examples";
  return [
    `  • training loss  ◆ held-out loss  - base${examples}`,
    ...lines,
    `  rate   ${bars(learningRate, { width: CHART_WIDTH })}`,
  ];
}

function resultLines(
  { heldOut, offered, train, excluded, bestEpoch, stoppedEarly }: TrainingResult,
): string[] {
  const reasons = Object.entries(excluded).map(([reason, count]) => `${count} ${reason}`);
  const early = stoppedEarly ? ", stopped early" : "";
  return [
    `  ${train} samples to learn from, ${heldOut.samples} held out (${heldOut.tokens} tokens)` +
    (reasons.length > 0 ? `; left out: ${reasons.join(", ")}` : ""),
    "",
    ...table([
      ["held-out loss per token", "", ""],
      ["base", heldOut.baseLoss.toFixed(3), ""],
      ["base with examples", heldOut.examplesLoss.toFixed(3), ""],
      ["adapter", heldOut.adapterLoss.toFixed(3), `epoch ${bestEpoch}${early}`],
    ]),
    "",
    offered
      ? "  The adapter does better than the base model: it is offered."
      : "  The adapter does no better than the base model: it is not offered.",
  ];
}

function headLine({ jobId, status, error, curves, result }: TrainingReport): string {
  const at = curves.step === 0 ? "" : `, step ${curves.step} of ${curves.steps}`;
  const state = result !== undefined ? "completed" : status ?? "not told";
  const model = result === undefined ? "" : ` on ${result.modelId} (${result.method})`;
  return `Training job ${jobId}${model}: ${state}${at}${error === undefined ? "" : ` — ${error}`}`;
}

/** The report, line by line. */
export function trainingReport(report: TrainingReport): string[] {
  const { curves, result, plotPath } = report;
  const blocks = [
    [headLine(report)],
    curves.epochs.length > 0 ? epochTable(curves.epochs) : [],
    chartLines(curves),
    result === undefined ? [] : resultLines(result),
    plotPath === undefined ? [] : [`  Plot: ${plotPath}`],
  ];
  return blocks.filter((block) => block.length > 0).flatMap((block, index) =>
    index === 0 ? block : ["", ...block]
  );
}
