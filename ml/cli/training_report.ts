/** A training job as text: what it learned from, its epochs, its curves as a chart of characters, and its result. */
import { lossRange, type Point, scaleOf, type TrainingCurves } from "../training/plot/training_curves.ts";
import type { EpochMeasure, RunResult } from "../training/job/training_event.ts";

export interface TrainingReport {
  jobId: string;
  /** The last reported status: `training`, `failed`, …; absent before the first report. */
  status?: string;
  error?: string;
  curves: TrainingCurves;
  /** Of a completed job. */
  result?: RunResult;
  /** The path of its plot, if it has one. */
  plotPath?: string;
}

const CHART_WIDTH = 64;
const CHART_HEIGHT = 14;

/** A curve and the character it is drawn with; later curves cover earlier ones. */
export interface ChartCurve {
  points: readonly Point[];
  mark: string;
}

export interface ChartOptions {
  width: number;
  height: number;
  /** The last step of the horizontal axis. */
  steps: number;
  /** Lowest and highest value of the vertical axis. */
  range: readonly [number, number];
}

/** Width of the axis labels, including a space. */
const LABEL_WIDTH = 8;
const BARS = "▁▂▃▄▅▆▇█";

function label(value: number): string {
  return value.toFixed(3).padStart(LABEL_WIDTH - 1);
}

/** Draws curves as lines of text, the highest value first. */
export function chart(curves: readonly ChartCurve[], options: ChartOptions): string[] {
  const { width, height, steps, range } = options;
  const x = scaleOf([0, Math.max(1, steps)], { from: 0, to: width - 1, ticks: 1 });
  const y = scaleOf(range, { from: height - 1, to: 0, ticks: 1 });
  const rows = Array.from({ length: height }, () => new Array<string>(width).fill(" "));
  for (const { points, mark } of curves) {
    for (const { step, value } of points) {
      const row = rows[Math.min(height - 1, Math.max(0, Math.round(y.at(value))))];
      if (row) row[Math.min(width - 1, Math.max(0, Math.round(x.at(step))))] = mark;
    }
  }
  const lines = rows.map((row, index) => {
    const isEdge = index === 0 || index === height - 1;
    const side = isEdge ? label(index === 0 ? range[1] : range[0]) : " ".repeat(LABEL_WIDTH - 1);
    return `${side} │${row.join("").trimEnd()}`;
  });
  const end = String(steps);
  return [
    ...lines,
    `${" ".repeat(LABEL_WIDTH)}└${"─".repeat(width)}`,
    `${" ".repeat(LABEL_WIDTH)} 0${end.padStart(width - 1)}`,
  ];
}

/** A curve as bars in one line, from 0 to its highest value. */
export function bars(points: readonly Point[], options: { width: number }): string {
  const highest = points.reduce((most, { value }) => Math.max(most, value), 0);
  if (points.length === 0 || highest === 0) return "";
  const width = Math.min(options.width, points.length);
  return Array.from({ length: width }, (_, index) => {
    const value = points[Math.floor(index * points.length / width)]?.value ?? 0;
    return BARS[Math.min(BARS.length - 1, Math.floor(value / highest * BARS.length))] ?? "";
  }).join("");
}

/** Aligns rows of cells in columns: the first is text, the others are figures. */
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

/** A constant as points over the full width. */
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
  { heldOut, offered, offerReason, train, excluded, bestEpoch, stoppedEarly }: RunResult,
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
    `  The adapter is ${offered ? "" : "not "}offered${offerReason === null ? "." : `: ${offerReason}.`}`,
  ];
}

function headLine({ jobId, status, error, curves, result }: TrainingReport): string {
  const at = curves.step === 0 ? "" : `, step ${curves.step} of ${curves.steps}`;
  const state = result !== undefined ? "completed" : status ?? "not reported yet";
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
