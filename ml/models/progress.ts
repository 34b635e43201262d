/** Owns showing how far a download is: a bar on a terminal, a log line at each tenth elsewhere. */
import type { Logger } from "../../lib/log.ts";

/** Told how many bytes of a file are there. */
export type Progress = (doneBytes: number) => void;

export interface ProgressOptions {
  label: string;
  totalBytes: number;
  log: Logger;
  /** Writes to the terminal; absent when there is none. */
  terminal?: (text: string) => void;
  now?: () => number;
}

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
const MEGABYTE = 1_000_000;

/** Writes to stderr, when that is a terminal: stdout carries the log. */
export function terminalWriter(): ((text: string) => void) | undefined {
  if (!Deno.stderr.isTerminal()) return undefined;
  const encoder = new TextEncoder();
  return (text) => void Deno.stderr.writeSync(encoder.encode(text));
}

function barOf(label: string, doneBytes: number, options: { totalBytes: number; perSecond: number }): string {
  const { totalBytes, perSecond } = options;
  const share = Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(share * BAR_WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const megabytes = (bytes: number) => (bytes / MEGABYTE).toFixed(0);
  return `\r${label} ${bar} ${(share * 100).toFixed(0).padStart(3)} % ` +
    `${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB, ${(perSecond / MEGABYTE).toFixed(1)} MB/s `;
}

/** Makes a progress display. It ends its line when all bytes are there. */
export function createProgress(options: ProgressOptions): Progress {
  const { label, totalBytes, log, terminal } = options;
  const now = options.now ?? (() => performance.now());
  const startedAt = now();
  let firstBytes: number | null = null;
  let drawnAt = -Infinity;
  let tenth = 0;

  function draw(doneBytes: number, write: (text: string) => void): void {
    const finished = doneBytes >= totalBytes;
    if (!finished && now() - drawnAt < REDRAW_MS) return;
    drawnAt = now();
    const seconds = Math.max(0.001, (drawnAt - startedAt) / 1_000);
    const perSecond = (doneBytes - (firstBytes ?? 0)) / seconds;
    write(barOf(label, doneBytes, { totalBytes, perSecond }) + (finished ? "\n" : ""));
  }

  return (doneBytes) => {
    firstBytes ??= doneBytes;
    if (terminal) return draw(doneBytes, terminal);
    const reached = Math.floor(doneBytes / totalBytes * 10);
    if (reached <= tenth) return;
    tenth = reached;
    log.info("downloading", { file: label, percent: reached * 10, doneBytes, totalBytes });
  };
}
