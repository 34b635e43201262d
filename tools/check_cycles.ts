/** Reports import cycles among the files of a tree, type imports included, as Deno's own parser sees them. */

import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { writeLine } from "../lib/log.ts";

/** From each file to the files it imports, as paths from the root. */
type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** The part of `deno info --json` that is read here. */
interface DenoInfo {
  readonly modules: readonly {
    specifier: string;
    dependencies?: readonly { code?: { specifier?: string }; type?: { specifier?: string } }[];
  }[];
}

const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));
const SOURCE_FILE = /\.tsx?$/;
/** Folders without sources, wherever they are. */
const EXCLUDED = new Set(["node_modules", "data", "coverage"]);

/**
 * Finds the import cycles under `root`, one for each group of files that reach one another. A cycle is a list of
 * files, each importing the next and the last importing the first; it starts with the alphabetically first one and
 * is as short as possible.
 */
export async function findCycles(root: string): Promise<string[][]> {
  const graph = await importGraph(root);
  const cycles: string[][] = [];
  const seen = new Set<string>();
  for (const file of [...graph.keys()].sort()) {
    if (seen.has(file)) continue;
    const cycle = shortestCycle(graph, file);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const other of reachableFrom(graph, file)) {
      if (reachableFrom(graph, other).has(file)) seen.add(other);
    }
  }
  return cycles;
}

/** Reads the graph with one `deno info` on a temporary module that imports every file. */
async function importGraph(root: string): Promise<ImportGraph> {
  const base = pathToFileURL(join(root, "/")).href;
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const files = await sourceFiles(root);
    await Deno.writeTextFile(entry, files.map((file) => `import "${new URL(file, base)}";\n`).join(""));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", CONFIG, entry],
    }).output();
    const { modules }: DenoInfo = JSON.parse(new TextDecoder().decode(stdout));
    return new Map(
      modules.filter(({ specifier }) => specifier.startsWith(base)).map((module) => {
        const targets = (module.dependencies ?? []).map(({ code, type }) => (code ?? type)?.specifier ?? "");
        const local = targets.filter((target) => target.startsWith(base));
        return [module.specifier.slice(base.length), local.map((target) => target.slice(base.length))];
      }),
    );
  } finally {
    await Deno.remove(entry);
  }
}

/** The TypeScript files under a folder as sorted paths from it; hidden folders are left out. */
export async function sourceFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [""];
  for (const folder of folders) {
    for await (const { name, isFile, isDirectory } of Deno.readDir(join(root, folder))) {
      if (isFile && SOURCE_FILE.test(name)) files.push(join(folder, name));
      if (isDirectory && !name.startsWith(".") && !EXCLUDED.has(name)) folders.push(join(folder, name));
    }
  }
  return files.sort();
}

/** Breadth-first from a file back to itself. */
function shortestCycle(graph: ImportGraph, start: string): string[] | undefined {
  const importer = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const next of graph.get(file) ?? []) {
      if (next === start) return pathTo(file, importer);
      if (importer.has(next)) continue;
      importer.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function pathTo(file: string, importer: ReadonlyMap<string, string>): string[] {
  const before = importer.get(file);
  return before === undefined ? [file] : [...pathTo(before, importer), file];
}

function reachableFrom(graph: ImportGraph, start: string): Set<string> {
  const reached = new Set([start]);
  for (const file of reached) {
    for (const next of graph.get(file) ?? []) reached.add(next);
  }
  return reached;
}

if (import.meta.main) {
  const cycles = await findCycles(dirname(CONFIG));
  for (const cycle of cycles) writeLine([...cycle, cycle[0]].join(" -> "));
  writeLine(cycles.length === 0 ? "No import cycles." : `${cycles.length} import cycles.`);
  Deno.exitCode = cycles.length === 0 ? 0 : 1;
}
