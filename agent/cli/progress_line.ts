/** The progress of a long sync: a bar with a rate on a terminal, a plain line now and then elsewhere. */
import type { MessageProgress } from "../sync/message_sync_run.ts";
import type { Output } from "./output.ts";

const BAR_WIDTH = 24;
/** Syncs that are shorter show no progress. */
const QUIET_MS = 500;
const PLAIN_INTERVAL_MS = 5_000;

/** A count with its thousands set apart. */
export function countText(count: number): string {
  return count.toLocaleString("en-US");
}

/** A duration as a person says it: `0.4 s`, `12.3 s`, `2 min 5 s`. */
export function durationText(durationMs: number): string {
  const tenths = Math.round(durationMs / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** How far the work is, at which rate, and how long it will take. */
export function progressText({ rowsDone, rowsTotal }: MessageProgress, elapsedMs: number): string {
  const share = rowsTotal === 0 ? 1 : Math.min(1, rowsDone / rowsTotal);
  const rowsPerSecond = elapsedMs === 0 ? 0 : rowsDone / (elapsedMs / 1_000);
  const counts = `${countText(rowsDone)} of ${countText(rowsTotal)} (${Math.floor(share * 100)} %)`;
  if (rowsPerSecond === 0) return counts;
  const leftMs = Math.max(0, rowsTotal - rowsDone) / rowsPerSecond * 1_000;
  return `${counts}, ${countText(Math.round(rowsPerSecond))}/s, about ${durationText(leftMs)} left`;
}

function barOf({ rowsDone, rowsTotal }: MessageProgress): string {
  const filled = rowsTotal === 0
    ? BAR_WIDTH
    : Math.min(BAR_WIDTH, Math.floor(rowsDone / rowsTotal * BAR_WIDTH));
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
}

export interface ProgressLine {
  show(progress: MessageProgress): void;
  /** Takes the bar away, so that a line can follow. */
  clear(): void;
}

export interface ProgressOptions {
  /** The present, in Unix time. */
  now: () => number;
  /** Shows nothing: the output is for a program. */
  silent?: boolean;
}

/** Makes a progress line; its clock begins now. */
export function progressLine(output: Output, { now, silent }: ProgressOptions): ProgressLine {
  const startedAtMs = now();
  let shownAtMs = startedAtMs;
  let hasBar = false;

  function show(progress: MessageProgress): void {
    const elapsedMs = now() - startedAtMs;
    if (silent || elapsedMs < QUIET_MS) return;
    const text = progressText(progress, elapsedMs);
    if (output.isTerminal) {
      hasBar = true;
      output.rewriteLine(`Messages ${barOf(progress)} ${text}`);
    } else if (now() - shownAtMs >= PLAIN_INTERVAL_MS) {
      shownAtMs = now();
      output.line(`Messages: ${text}`);
    }
  }

  function clear(): void {
    if (hasBar) output.rewriteLine("");
    hasBar = false;
  }

  return { show, clear };
}
