/** The layer check: reads every import of the tree and reports what breaks the rules of `layer_rules.ts`. */

import { dirname, join, normalize } from "node:path/posix";
import { importCycles, type ImportGraph } from "./import_cycles.ts";
import {
  type Breach,
  judgeComputedImport,
  judgeGlobal,
  judgeImport,
  judgePackage,
  placeOf,
} from "./layer_rules.ts";
import { type ModuleFacts, moduleFacts } from "./module_imports.ts";
import { sourceFiles } from "./source_files.ts";

/** A broken rule and where; `file` is the path from the root, `line` counts from 1. */
export interface Violation extends Breach {
  readonly file: string;
  readonly line: number;
}

/**
 * Checks every source file under a folder that is laid out like this repository.
 *
 * @returns the violations, sorted by file and line; empty when the tree keeps all rules
 */
export async function checkLayers(root: string): Promise<Violation[]> {
  const modules = await readModules(root);
  const violations = [...modules].flatMap(([file, facts]) => violationsOf(file, facts));
  violations.push(...cycleViolations(modules));
  return violations.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/** Reads what every source file under `root` imports and uses, by path from the root. */
export async function readModules(root: string): Promise<Map<string, ModuleFacts>> {
  const modules = new Map<string, ModuleFacts>();
  for (const file of await sourceFiles(root)) {
    modules.set(file, moduleFacts(await Deno.readTextFile(join(root, file))));
  }
  return modules;
}

/** From each module to those of its imports that are modules of the tree. */
export function importGraph(modules: ReadonlyMap<string, ModuleFacts>): ImportGraph {
  const graph = new Map<string, string[]>();
  for (const [file, { imports }] of modules) {
    const targets = imports.map(({ specifier }) => resolveImport(file, specifier) ?? "");
    graph.set(file, targets.filter((target) => modules.has(target)));
  }
  return graph;
}

/** Resolves a relative import to a path from the root; undefined for packages and builtins. */
function resolveImport(file: string, specifier: string): string | undefined {
  return /^\.{0,2}\//.test(specifier) ? normalize(join(dirname(file), specifier)) : undefined;
}

function violationsOf(file: string, facts: ModuleFacts): Violation[] {
  if (placeOf(file) === undefined) {
    const why =
      "no layer rule names this place; move the file, or give the place a layer in tools/layer_rules.ts";
    return [{ file, line: 1, rule: "place", why }];
  }
  const violations: Violation[] = [];
  const add = (line: number, breach: Breach | undefined): void => {
    if (breach !== undefined) violations.push({ file, line, ...breach });
  };
  for (const { specifier, line } of facts.imports) {
    const target = resolveImport(file, specifier);
    add(line, target === undefined ? judgePackage(file, specifier) : judgeImport(file, target));
  }
  for (const { name, line } of facts.globals) add(line, judgeGlobal(file, name));
  for (const line of facts.computed) add(line, judgeComputedImport(file));
  return violations;
}

function cycleViolations(modules: ReadonlyMap<string, ModuleFacts>): Violation[] {
  return importCycles(importGraph(modules)).map((cycle) => {
    const [file = "", next = file] = cycle;
    const found = modules.get(file)?.imports.find(({ specifier }) => resolveImport(file, specifier) === next);
    return { file, line: found?.line ?? 1, rule: "cycle", why: [...cycle, file].join(" -> ") };
  });
}

async function main(): Promise<void> {
  const violations = await checkLayers(Deno.args[0] ?? ".");
  const lines = violations.map(({ file, line, rule, why }) => `${file}:${line}  ${rule}  ${why}\n`);
  const closing = violations.length === 0
    ? "The layers hold.\n"
    : `${violations.length} broken layer rules.\n`;
  await Deno.stdout.write(new TextEncoder().encode(lines.join("") + closing));
  Deno.exitCode = violations.length === 0 ? 0 : 1;
}

if (import.meta.main) await main();
