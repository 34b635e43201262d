/** Shows how far long work has come: a bar on a terminal, a plain line now and then elsewhere. */
import { Writable } from "node:stream";

/** A terminal that a bar is drawn on. */
export interface Terminal {
  readonly columns: number;
  write(text: string): void;
}

export interface ProgressState {
  done: number;
  total: number;
  percent: number;
  /** The amounts, the share, the rate and the time left, for a person. */
  text: string;
}

export interface Progress {
  /** Says how much is done, and of how much when that has changed. */
  update(done: number, total?: number): void;
  /** Ends or clears the bar's line; further updates are ignored. */
  finish(): void;
}

export interface ProgressOptions {
  label: string;
  total?: number;
  /** Writes an amount for a person, such as `12.4 MB`. */
  format: (amount: number) => string;
  /** Where the bar is drawn; by default stderr when that is a terminal. */
  terminal?: Terminal | null;
  /** Shows the progress where there is no terminal. */
  plain: (state: ProgressState) => void;
  plainIntervalMs?: number;
  /** Work that is shorter shows no progress. */
  quietMs?: number;
  /** What was done before the work started, for the rate. Default: the first update. */
  initial?: number;
  /** Clears the bar at the end, instead of leaving it as the last line. */
  clear?: boolean;
  /** A clock in milliseconds. */
  now?: () => number;
}

const WIDEST_BAR = 30;
const NARROWEST_BAR = 5;
const REDRAW_MS = 100;
const encoder = new TextEncoder();

/** The terminal behind stdout or stderr, or null when that is none. */
export function terminalOf(stream: typeof Deno.stdout): Terminal | null {
  if (!stream.isTerminal()) return null;
  return {
    get columns() {
      return Deno.consoleSize().columns || 80;
    },
    write: (text) => void stream.writeSync(encoder.encode(text)),
  };
}

/** Bytes for a person, in units of 1,000 as download sizes are usually given. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e3)} kB`;
}

/** A count with a comma between thousands. */
export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** A duration for a person: `0.4 s`, `12.3 s`, `2 min 5 s`. */
export function durationText(durationMs: number): string {
  const tenths = Math.round(durationMs / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The same progress in words, the longest first. */
function wordings(
  { done, total }: { done: number; total: number },
  { perSecond, format }: { perSecond: number; format: (amount: number) => string },
) {
  const percent = total > 0 ? Math.floor(Math.min(1, done / total) * 100) : 100;
  const amounts = `${format(done)} of ${format(total)} (${percent} %)`;
  if (perSecond <= 0) return { percent, texts: [amounts, `${percent} %`] as const };
  const rated = `${amounts}, ${format(perSecond)}/s`;
  const left = durationText(Math.max(0, total - done) / perSecond * 1_000);
  const texts = [
    `${rated}, about ${left} left`,
    rated,
    `${percent} %, ${left} left`,
    `${percent} %`,
  ] as const;
  return { percent, texts };
}

/** The longest wording that leaves room for a bar, and that bar's width; one column stays free, against wrapping. */
function fit(label: string, texts: readonly string[], columns: number) {
  const room = Math.max(1, columns - 1);
  const most = Math.floor(room / 2);
  const shortLabel = label.length > most ? `${label.slice(0, most - 1)}…` : label;
  const widthBeside = (text: string) => room - shortLabel.length - text.length - 2;
  const text = texts.find((candidate) => widthBeside(candidate) >= NARROWEST_BAR) ?? texts.at(-1) ?? "";
  return { room, shortLabel, text, barWidth: Math.max(0, Math.min(WIDEST_BAR, widthBeside(text))) };
}

/**
 * A terminal as the stream that cli-progress writes to. The cursor's position is not saved and restored: the terminal
 * may have scrolled in between, and the bar is on the cursor's line anyway.
 */
function streamOf(terminal: Terminal): Writable {
  const stream = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      if (text !== "\x1b7" && text !== "\x1b8") terminal.write(text);
      done();
    },
  });
  return Object.defineProperties(stream, {
    isTTY: { value: true },
    columns: { get: () => terminal.columns },
  });
}

interface Bar {
  draw(done: number, total: number, texts: readonly string[]): void;
  finish(): void;
}

/** Makes a bar; the package is loaded only where one is drawn. */
async function barOn(terminal: Terminal, { label, clear }: ProgressOptions): Promise<Bar> {
  // @ts-types="@types/cli-progress"
  const { default: { Format, SingleBar } } = await import("cli-progress");
  let isStarted = false;
  const bar = new SingleBar({
    stream: streamOf(terminal),
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: WIDEST_BAR,
    clearOnComplete: clear ?? false,
    // Wrapping is left on, so that a program that is killed does not leave it off: lines are cut to fit instead.
    linewrap: true,
    synchronousUpdate: false,
    format(options, { progress, maxWidth }, { texts }: { texts: readonly string[] }) {
      const { room, shortLabel, text, barWidth } = fit(label, texts, maxWidth);
      const drawn = Format.BarFormat(progress, { ...options, barsize: barWidth });
      return `${shortLabel} ${drawn} ${text}`.slice(0, room);
    },
  });
  return {
    draw(done, total, texts) {
      if (!isStarted) bar.start(total, done, { texts });
      isStarted = true;
      bar.setTotal(total);
      bar.update(done, { texts });
      bar.render();
    },
    finish: () => bar.stop(),
  };
}

/** Starts showing the progress of one piece of work; its clock begins now. */
export async function startProgress(options: ProgressOptions): Promise<Progress> {
  const { format, plain, plainIntervalMs = 10_000, quietMs = 0, now = () => performance.now() } = options;
  const terminal = options.terminal === undefined ? terminalOf(Deno.stderr) : options.terminal;
  const bar = terminal && await barOn(terminal, options);
  const startedAt = now();
  let shownAt = bar || quietMs === 0 ? -Infinity : startedAt;
  let first = options.initial;
  let isFinished = false;

  return {
    update(done, total = options.total ?? 0) {
      first ??= done;
      const at = now();
      const elapsedMs = at - startedAt;
      const showsEnd = bar !== null || quietMs === 0;
      const isDue = at - shownAt >= (bar ? REDRAW_MS : plainIntervalMs) || (showsEnd && done >= total);
      if (isFinished || elapsedMs < quietMs || !isDue) return;
      shownAt = at;
      const perSecond = (done - first) / Math.max(0.001, elapsedMs / 1_000);
      const { percent, texts } = wordings({ done, total }, { perSecond, format });
      if (bar) bar.draw(done, total, texts);
      else plain({ done, total, percent, text: texts[0] });
    },
    finish() {
      if (!isFinished) bar?.finish();
      isFinished = true;
    },
  };
}
