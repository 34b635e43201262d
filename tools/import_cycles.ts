/** Import cycles: finds them in a graph of files and names each by its shortest walk. */

/** From each file to the files it imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/**
 * Finds the import cycles of a graph, one for each knot of files that reach one another.
 *
 * A cycle is a list of files, each importing the next and the last importing the first; it begins with the
 * alphabetically first file of its knot and is a shortest walk from there.
 */
export function importCycles(graph: ImportGraph): string[][] {
  const cycles: string[][] = [];
  const known = new Set<string>();
  for (const file of [...graph.keys()].sort()) {
    if (known.has(file)) continue;
    const cycle = shortestCycle(graph, file);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const member of knotOf(graph, file)) known.add(member);
  }
  return cycles;
}

/** Breadth-first from a file back to itself. */
function shortestCycle(graph: ImportGraph, start: string): string[] | undefined {
  const importer = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const next of graph.get(file) ?? []) {
      if (next === start) return walkTo(file, importer);
      if (importer.has(next)) continue;
      importer.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function walkTo(file: string, importer: ReadonlyMap<string, string>): string[] {
  const walk: string[] = [];
  for (let at: string | undefined = file; at !== undefined; at = importer.get(at)) walk.unshift(at);
  return walk;
}

/** The files that `file` reaches and that reach it. */
function knotOf(graph: ImportGraph, file: string): string[] {
  const reached = reachableFrom(graph, file);
  return [...reached].filter((other) => reachableFrom(graph, other).has(file));
}

function reachableFrom(graph: ImportGraph, start: string): Set<string> {
  const reached = new Set([start]);
  for (const file of reached) {
    for (const next of graph.get(file) ?? []) reached.add(next);
  }
  return reached;
}
