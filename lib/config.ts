/** Configuration: tables of settings, and reading them from an environment with every fault collected. */
import { LOG_LEVELS, type LogLevel } from "./log.ts";

/** One setting of a service. */
export interface Setting<Value> {
  /** The environment variable. */
  env: string;
  /** Reads the raw text; throws an Error whose message completes "NAME must be …". */
  parse: (raw: string) => Value;
  /** The value when the variable is absent or empty. */
  fallback: Value;
  description: string;
  /** Never printed. */
  secret?: boolean;
  /** How the documentation writes the default, where the value alone does not say it. */
  fallbackText?: string;
}

// deno-lint-ignore no-explicit-any -- each row of a table has a value type of its own
export type SettingsTable = Record<string, Setting<any>>;

/** The values of a table's settings by the table's own keys. */
export type ConfigOf<Table extends SettingsTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Setting<infer Value> ? Value : never;
};

/** The configuration cannot be used. `faults` are sentences for the person who starts the service. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly faults: string[]) {
    super(faults.join("\n"));
  }
}

/** A row of a settings table, with its value type inferred from the parser. */
export function setting<Value>(row: Setting<Value>): Setting<Value> {
  return row;
}

/**
 * Reads every setting of a table from an environment.
 *
 * @throws ConfigError naming each variable that cannot be used
 */
export function configFrom<Table extends SettingsTable>(
  table: Table,
  env: Record<string, string | undefined>,
): ConfigOf<Table> {
  const faults: string[] = [];
  const values = Object.entries(table).map(([key, row]) => {
    const raw = env[row.env]?.trim();
    if (raw === undefined || raw === "") return [key, row.fallback];
    try {
      return [key, row.parse(raw)];
    } catch (error) {
      const shown = row.secret ? "" : `: got ${JSON.stringify(raw)}`;
      faults.push(`${row.env} must be ${error instanceof Error ? error.message : "valid"}${shown}`);
      return [key, row.fallback];
    }
  });
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.fromEntries(values) as ConfigOf<Table>;
}

/** Takes any text. */
export function text(raw: string): string {
  return raw;
}

/** Takes a whole number within bounds. */
export function wholeNumber(bounds: { min: number; max: number }): (raw: string) => number {
  return (raw) => {
    const value = Number(raw);
    if (/^\d+$/.test(raw) && value >= bounds.min && value <= bounds.max) return value;
    throw new Error(`a whole number from ${bounds.min} to ${bounds.max}`);
  };
}

export const port: (raw: string) => number = wholeNumber({ min: 0, max: 65_535 });

/** Takes one of a list of words. */
export function oneOf<const Word extends string>(...words: Word[]): (raw: string) => Word {
  return (raw) => {
    const word = words.find((candidate) => candidate === raw);
    if (word !== undefined) return word;
    throw new Error(`one of ${words.join(", ")}`);
  };
}

/** Takes an http or https URL and returns it without a trailing slash. */
export function httpUrl(raw: string): string {
  const url = URL.canParse(raw) ? new URL(raw) : null;
  if (url?.protocol === "http:" || url?.protocol === "https:") return raw.replace(/\/+$/, "");
  throw new Error("a URL that begins with http:// or https://");
}

/** `LOG_LEVEL`, the same for each service. */
export const logLevelSetting: Setting<LogLevel> = setting<LogLevel>({
  env: "LOG_LEVEL",
  parse: oneOf(...LOG_LEVELS),
  fallback: "info",
  description: "Least severe log lines to print",
});

/** True when a host name binds only this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Root's data lies where the unprivileged user that runs PostgreSQL can reach it; a checkout often does not. */
const ROOT_DATA_DIR = "/var/lib/conversation-assistant";

/** Where a service keeps its data by default: `./data`, or a system folder under root. */
export function defaultDataDir(): string {
  return Deno.build.os !== "windows" && Deno.uid() === 0 ? ROOT_DATA_DIR : "./data";
}
