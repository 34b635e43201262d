/** The agent's state on disk: one versioned JSON file for each state, validated when it is read. */
import { ifPresent } from "../../lib/files.ts";
import { readFileIfPresent, writePrivateFile } from "./private_file.ts";

/** `broken`: a file is there, but it is not a state that this version can read. */
export type StoredState<State> =
  | { readonly kind: "found"; readonly state: State }
  | { readonly kind: "missing" }
  | { readonly kind: "broken" };

export interface StateFile<State> {
  readonly path: string;
  load(): Promise<StoredState<State>>;
  /** Replaces the state; it is on the disk when this returns. */
  save(state: State): Promise<void>;
  /** Moves a broken file out of the way, keeping it for a look; returns its new path. */
  setAside(): Promise<string>;
  remove(): Promise<void>;
}

export interface StateFileOptions<State> {
  path: string;
  version: number;
  /** Checks the parsed content; throws when it is not such a state. */
  parse: (fields: Record<string, unknown>) => State;
}

function parseState<State>(content: string, options: StateFileOptions<State>): StoredState<State> {
  try {
    const fields = JSON.parse(content);
    if (fields?.version !== options.version) return { kind: "broken" };
    return { kind: "found", state: options.parse(fields) };
  } catch {
    return { kind: "broken" };
  }
}

/** Makes the access to one state file. */
export function stateFile<State extends object>(options: StateFileOptions<State>): StateFile<State> {
  const { path, version } = options;
  return {
    path,
    async load() {
      const content = await readFileIfPresent(path);
      return content === null ? { kind: "missing" } : parseState(content, options);
    },
    save: (state) => writePrivateFile(path, `${JSON.stringify({ version, ...state })}\n`),
    async setAside() {
      const aside = `${path}.broken`;
      await Deno.rename(path, aside);
      return aside;
    },
    async remove() {
      await ifPresent(Deno.remove(path));
    },
  };
}

/** A text field of a state, or a throw. */
export function textField(fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw new TypeError(`The state's field ${name} must be a text`);
}

/** A whole number field of a state, or a throw. */
export function countField(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`The state's field ${name} must be a whole number`);
}

/** A number field of a state, or a throw. Identifiers of files may exceed what is exact as an integer. */
export function numberField(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (typeof value === "number") return value;
  throw new TypeError(`The state's field ${name} must be a number`);
}

/** An object field of a state, null when it is null, or a throw. */
export function objectField(fields: Record<string, unknown>, name: string): Record<string, unknown> | null {
  const value = fields[name];
  if (value === null) return null;
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError(`The state's field ${name} must be an object`);
}
