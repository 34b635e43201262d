/** The layer check: reads every import of the tree and reports what breaks the rules of `layer_rules.ts`. */

import { dirname, join, normalize } from "node:path/posix";
import { importCycles, type ImportGraph } from "./import_cycles.ts";
import { judgeGlobal, judgeImport, judgePackage, placeOf } from "./layer_rules.ts";
import { type ModuleFacts, moduleFacts } from "./module_imports.ts";
import { sourceFiles } from "./source_files.ts";

/** One broken rule; `file` is the path from the root, `line` counts from 1. */
export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly why: string;
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
  for (const { specifier, line } of facts.imports) {
    const target = resolveImport(file, specifier);
    const broken = target === undefined ? judgePackage(file, specifier) : judgeImport(file, target);
    if (broken) violations.push({ file, line, ...broken });
  }
  for (const { name, line } of facts.globals) {
    const broken = judgeGlobal(file, name);
    if (broken) violations.push({ file, line, ...broken });
  }
  for (const line of placeOf(file)?.part === "free" ? [] : facts.computed) {
    violations.push({
      file,
      line,
      rule: "computed-import",
      why: "name the module in a literal, so that it is checked",
    });
  }
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
