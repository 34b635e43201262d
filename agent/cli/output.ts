/** Owns what the command line writes to: lines for a person, and one line that is rewritten while work goes on. */
import { writeErrorLine, writeLine } from "../../lib/log.ts";

export interface Output {
  /** True when a person watches, so that a line can be rewritten in place. */
  readonly isTerminal: boolean;
  line(text: string): void;
  errorLine(text: string): void;
  /** Rewrites the current line of a terminal; an empty text clears it. */
  rewriteLine(text: string): void;
}

/** Carriage return, then erase to the end of the line (ECMA-48 EL). */
const LINE_START = "\r\x1b[K";

/** The output of this process. */
export function processOutput(): Output {
  const encoder = new TextEncoder();
  return {
    isTerminal: Deno.stdout.isTerminal(),
    line: writeLine,
    errorLine: writeErrorLine,
    rewriteLine: (text) => void Deno.stdout.writeSync(encoder.encode(LINE_START + text)),
  };
}
