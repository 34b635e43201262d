/** Versioned JSON files, validated when they are read: of the pairing, and of the state that a running agent publishes. */
import type { z } from "zod";
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
  schema: z.ZodType<State>;
}

function parseState<State>(content: string, options: StateFileOptions<State>): StoredState<State> {
  try {
    const fields = JSON.parse(content);
    if (fields?.version !== options.version) return { kind: "broken" };
    return { kind: "found", state: options.schema.parse(fields) };
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
