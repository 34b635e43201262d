/** Shows the progress of long work: a bar on a terminal, a log line now and then elsewhere. */
import type { Logger } from "./log.ts";

/** Is told how far the work is. */
export interface Progress {
  /** @param done out of the total, in the same unit */
  update(done: number): void;
  /** Ends the bar's line; further updates are ignored. */
  finish(): void;
}

export interface ProgressOptions {
  label: string;
  total: number;
  /** Writes an amount for a person, such as `12.4 MB`. */
  format: (amount: number) => string;
  log: Logger;
  /** Draws the bar when given; by default onto stderr when that is a terminal. */
  draw?: ((text: string) => void) | null;
  /** A clock in milliseconds, for the rate. */
  now?: () => number;
}

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
const LOG_EVERY_MS = 10_000;
const encoder = new TextEncoder();

function drawOnTerminal(): ((text: string) => void) | null {
  if (!Deno.stderr.isTerminal()) return null;
  return (text) => void Deno.stderr.writeSync(encoder.encode(text));
}

/** Bytes for a person, in units of 1,000 as download sizes are usually given. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e3)} kB`;
}

function barOf(share: number): string {
  const filled = Math.round(share * BAR_WIDTH);
  return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
}

/** Starts showing the progress of one piece of work. */
export function startProgress(options: ProgressOptions): Progress {
  const { label, total, format, log } = options;
  const draw = options.draw === undefined ? drawOnTerminal() : options.draw;
  const now = options.now ?? (() => performance.now());
  const startedAt = now();
  let lastShownAt = -Infinity;
  let first: number | null = null;
  let finished = false;

  function show(done: number, rate: number): void {
    const share = total > 0 ? Math.min(1, done / total) : 1;
    const percent = Math.floor(share * 100);
    if (draw) {
      const amounts = `${format(done)} of ${format(total)}`;
      draw(`\r\x1b[K${label} ${barOf(share)} ${percent} % ${amounts}, ${format(rate)}/s`);
    } else log.info(label, { percent, done, total });
  }

  return {
    update(done) {
      first ??= done;
      const at = now();
      const isDue = at - lastShownAt >= (draw ? REDRAW_MS : LOG_EVERY_MS) || done >= total;
      if (finished || !isDue) return;
      lastShownAt = at;
      show(done, (done - first) / Math.max(0.001, (at - startedAt) / 1_000));
    },
    finish() {
      if (!finished && draw && lastShownAt > -Infinity) draw("\n");
      finished = true;
    },
  };
}
