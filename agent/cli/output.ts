/** What the command line writes to, its error for a wrong command line, and how it shows other people's words. */
import { writeErrorLine, writeLine } from "../../lib/log.ts";
import { type Terminal, terminalOf } from "../../lib/progress.ts";

export interface Output {
  /** The terminal that a person watches; null when the output goes elsewhere. */
  readonly terminal: Terminal | null;
  line(text: string): void;
  errorLine(text: string): void;
}

/** The output of this process. */
export function processOutput(): Output {
  return { terminal: terminalOf(Deno.stdout), line: writeLine, errorLine: writeErrorLine };
}

/** The command line is wrong; its message says what is wrong with it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Control characters but for line feeds, and the marks that turn the direction of writing (UAX #9). */
// deno-lint-ignore no-control-regex -- control characters are what this is about
const STEERING = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The text with each such character written as `\u{1b}`; further lines are indented by `indent` columns. */
export function terminalText(text: string, indent = 0): string {
  const shown = text.replace(STEERING, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
  return shown.replaceAll("\n", `\n${" ".repeat(indent)}`);
}
