/** The demo on a terminal of 80 columns: headings, bubbles, tables, timed stages, and colours where supported. */
import { stripVTControlCharacters } from "node:util";
import { writeLine } from "../lib/log.ts";

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Colour = keyof typeof COLOURS;

const useColour = Deno.stdout.isTerminal() && !Deno.noColor;
const NAME_WIDTH = 12;
const LINE_WIDTH = 80;

/** The text in a colour, or plain where colours are not supported. */
export function paint(colour: Colour, text: string): string {
  return useColour ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
}

/** Makes control characters visible: a terminal must not obey what other people wrote. */
function visible(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what this looks for
  return stripVTControlCharacters(text).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "·");
}

/** A blank line and a heading. */
export function heading(text: string): void {
  writeLine("");
  writeLine(paint("bold", `── ${visible(text)} ${"─".repeat(Math.max(0, LINE_WIDTH - 4 - text.length))}`));
}

export function line(text = ""): void {
  writeLine(text);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  // A word that is longer than a line is cut: a small model may repeat one sign without end.
  const longest = new RegExp(`\\S{${width}}(?=\\S)`, "gu");
  for (const paragraph of text.replace(longest, "$& ").split("\n")) {
    let current = "";
    for (const word of paragraph.split(" ")) {
      if (current && current.length + 1 + word.length > width) {
        lines.push(current);
        current = word;
      } else current = current ? `${current} ${word}` : word;
    }
    lines.push(current);
  }
  return lines;
}

/** One bubble: who, then what they wrote, wrapped and indented. */
export function bubble(who: string, text: string, options: { colour?: Colour } = {}): void {
  const colour = options.colour ?? "cyan";
  const name = visible(who);
  const short = name.length > NAME_WIDTH ? `${name.slice(0, NAME_WIDTH - 1)}…` : name.padEnd(NAME_WIDTH);
  const [first = "", ...rest] = wrap(visible(text), LINE_WIDTH - NAME_WIDTH - 4);
  writeLine(`  ${paint(colour, short)}  ${first}`);
  for (const continued of rest) writeLine(`  ${" ".repeat(NAME_WIDTH)}  ${continued}`);
}

/** Dimmed lines under a bubble. */
export function note(text: string): void {
  for (const wrapped of wrap(text, LINE_WIDTH - NAME_WIDTH - 4)) {
    writeLine(`  ${" ".repeat(NAME_WIDTH)}  ${paint("dim", wrapped)}`);
  }
}

/** Lines of text under a heading, wrapped. */
export function paragraph(text: string): void {
  for (const wrapped of wrap(visible(text), LINE_WIDTH - 2)) writeLine(`  ${wrapped}`);
}

/** Two texts side by side as lines, each in one half of the line. */
export function halves([left, right]: readonly [string, string]): string[] {
  const width = LINE_WIDTH / 2 - 3;
  const [lefts = [], rights = []] = [left, right].map((text) =>
    wrap(visible(text).replaceAll("\t", " "), width)
  );
  const count = Math.max(lefts.length, rights.length);
  return Array.from(
    { length: count },
    (_, index) => `  ${(lefts[index] ?? "").padEnd(width)}  ${rights[index] ?? ""}`.trimEnd(),
  );
}

/** Two texts side by side. */
export function sideBySide(texts: readonly [string, string], colour: Colour): void {
  for (const row of halves(texts)) writeLine(paint(colour, row));
}

/** Rows of cells in columns as wide as their widest cell. */
export function table(rows: string[][]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    writeLine(
      `  ${row.map((cell, column) => visible(cell).padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
    );
  }
}

/** A duration for a person: 850 ms, 3.2 s. */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** Runs stages one after another and remembers how long each took. */
export class Stopwatch {
  readonly #stages: [name: string, tookMs: number][] = [];

  /** Runs one stage, then prints its name and how long it took. */
  async stage<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
    const startedAt = performance.now();
    const result = await work();
    this.record(name, performance.now() - startedAt);
    return result;
  }

  record(name: string, tookMs: number): void {
    this.#stages.push([name, tookMs]);
    line(`${paint("green", "✓")} ${name} ${paint("dim", duration(tookMs))}`);
  }

  get totalMs(): number {
    return this.#stages.reduce((sum, [, tookMs]) => sum + tookMs, 0);
  }
}
