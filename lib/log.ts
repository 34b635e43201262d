/** Logging: JSON lines on stdout, readable lines on a terminal; ids, counts and durations only. */

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** What a log line may carry. Never message text, names, handles, prompts or tokens. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each of its lines. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  level?: LogLevel;
  /** Readable lines instead of JSON; by default when stdout is a terminal. */
  pretty?: boolean;
  write?: (line: string) => void;
  now?: () => Date;
}

const encoder = new TextEncoder();

/** Writes one complete line to stdout before it returns. */
export function writeLine(line: string): void {
  const bytes = encoder.encode(`${line}\n`);
  for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
}

/** Writes one complete line to stderr before it returns: what a person must read when a start fails. */
export function writeErrorLine(line: string): void {
  const bytes = encoder.encode(`${line}\n`);
  for (let written = 0; written < bytes.length;) written += Deno.stderr.writeSync(bytes.subarray(written));
}

function prettyLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? JSON.stringify(value) : value}`);
  return `${time.toISOString().slice(11, 23)} ${level.padEnd(5)} ${message}${rest.join("")}`;
}

/** Makes a logger. The first field of each line is its time, then level and message. */
export function createLogger(options: LoggerOptions = {}, bound: LogFields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level ?? "info");
  const pretty = options.pretty ?? Deno.stdout.isTerminal();
  const write = options.write ?? writeLine;
  const now = options.now ?? (() => new Date());

  function log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < threshold) return;
    const all = { ...bound, ...fields };
    const time = now();
    const line = pretty
      ? prettyLine(time, level, message, all)
      : JSON.stringify({ time: time.toISOString(), level, message, ...all });
    try {
      write(line);
    } catch {
      // A log that takes no more lines, as on a full disk, is no reason to stop the work that it reports.
    }
  }

  return {
    debug: (message, fields) => log("debug", message, fields),
    info: (message, fields) => log("info", message, fields),
    warn: (message, fields) => log("warn", message, fields),
    error: (message, fields) => log("error", message, fields),
    child: (fields) => createLogger(options, { ...bound, ...fields }),
  };
}

/** A logger that writes nothing. */
export function silentLogger(): Logger {
  return createLogger({ write: () => {} });
}
