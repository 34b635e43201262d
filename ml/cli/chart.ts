/** Owns charts made of characters: curves over a grid, and a curve in one line. */
import { type Point, scaleOf } from "../training/plot/training_curves.ts";

/** A curve and the character that it is drawn with; later ones cover earlier ones. */
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

/** Digits of the axis's values, with their space. */
const LABEL_WIDTH = 8;
const BARS = "▁▂▃▄▅▆▇█";

function label(value: number): string {
  return value.toFixed(3).padStart(LABEL_WIDTH - 1);
}

/** Draws curves into lines of text, the highest value first. */
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
