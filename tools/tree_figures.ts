/**
 * Prints the measures of a source tree: sizes of files and functions, thin files, and the fullest folder.
 *
 * `deno task figures [FOLDER]...`: without a folder this repository; with several, one column for each, so that two
 * commits can be compared. Tests are left out, and only the product is counted (contract, lib, server, ml, agent).
 */

import { basename, dirname, join, normalize } from "node:path/posix";
import denoJson from "../deno.json" with { type: "json" };
import { writeLine } from "../lib/log.ts";
import { sourceFiles } from "./check_cycles.ts";

/** The parts of the TypeScript compiler that are used here; it is no dependency of the project, and loaded on demand. */
interface TypeScript {
  createSourceFile(path: string, text: string, target: number, setParentNodes: boolean): SourceFile;
  forEachChild(node: SyntaxNode, visit: (child: SyntaxNode) => void): void;
  isFunctionLike(node: SyntaxNode): boolean;
  readonly ScriptTarget: { readonly Latest: number };
}

interface SyntaxNode {
  readonly body?: SyntaxNode;
  /** Of an import or an export from another module. */
  readonly moduleSpecifier?: { readonly text: string };
  getStart(): number;
  getEnd(): number;
}

interface SourceFile extends SyntaxNode {
  readonly statements: readonly SyntaxNode[];
  getLineAndCharacterOfPosition(position: number): { readonly line: number };
}

interface SourceFigures {
  readonly path: string;
  readonly lines: number;
  /** Lines of each function with a body, from its first to its last. */
  readonly functionLines: readonly number[];
  readonly imports: readonly string[];
}

const { default: ts } = await import(denoJson.onDemand.typescript) as { default: TypeScript };
const PRODUCT = /^(?:contract|lib|server|ml|agent)\/|^deps\.ts$/;
const TEST_CODE = /_(?:test|suite)\.ts$/;
const THIN_LINES = 40;
const LONG_FUNCTION_LINES = 60;
const LABEL_WIDTH = 44;
const COLUMN_WIDTH = 22;

async function readTree(root: string): Promise<SourceFigures[]> {
  const paths = (await sourceFiles(root)).filter((path) => !TEST_CODE.test(path));
  return await Promise.all(
    paths.map(async (path) => figuresOf(path, await Deno.readTextFile(join(root, path)))),
  );
}

function figuresOf(path: string, text: string): SourceFigures {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const functionLines: number[] = [];
  const visit = (node: SyntaxNode): void => {
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const lineAt = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
      functionLines.push(lineAt(node.getEnd()) - lineAt(node.getStart()) + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  const imports = source.statements.flatMap(({ moduleSpecifier }) =>
    moduleSpecifier?.text.startsWith(".") ? [normalize(join(dirname(path), moduleSpecifier.text))] : []
  );
  return { path, lines: text.trimEnd().split("\n").length, functionLines, imports: [...new Set(imports)] };
}

function rowsOf(files: readonly SourceFigures[]): [label: string, value: string][] {
  const product = files.filter(({ path }) => PRODUCT.test(path));
  const functions = product.flatMap(({ functionLines }) => functionLines);
  return [
    ["files", String(product.length)],
    ["lines", String(sum(product.map(({ lines }) => lines)))],
    ["lines of a file: median / p90 / max", spread(product.map(({ lines }) => lines))],
    [`files of at most ${THIN_LINES} lines`, share(product, ({ lines }) => lines <= THIN_LINES)],
    ["files imported by exactly one other", String(importedOnce(product))],
    ["lines of a function: median / p90 / max", spread(functions)],
    [`functions over ${LONG_FUNCTION_LINES} lines`, share(functions, (lines) => lines > LONG_FUNCTION_LINES)],
    ["largest folder", largestFolder(product)],
    ["largest folder, with tests and benches", largestFolder(files)],
  ];
}

function importedOnce(files: readonly SourceFigures[]): number {
  const importers = Map.groupBy(files.flatMap(({ imports }) => imports), (path) => path);
  return files.filter(({ path }) => importers.get(path)?.length === 1).length;
}

function largestFolder(files: readonly SourceFigures[]): string {
  const folders = [...Map.groupBy(files, ({ path }) => dirname(path))].map(([folder, { length }]) => ({
    folder,
    length,
  }));
  const largest = folders.toSorted((a, b) => b.length - a.length)[0];
  return largest === undefined ? "none" : `${largest.length} ${largest.folder}`;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
  return `${at(0.5)} / ${at(0.9)} / ${at(1)}`;
}

function share<Item>(items: readonly Item[], isCounted: (item: Item) => boolean): string {
  const counted = items.filter(isCounted).length;
  return `${counted} (${(100 * counted / items.length).toFixed(1)} %)`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

if (import.meta.main) {
  const roots = Deno.args.length > 0 ? Deno.args : ["."];
  const columns = await Promise.all(roots.map(async (root) => rowsOf(await readTree(root))));
  writeLine(["".padEnd(LABEL_WIDTH), ...roots.map((root) => basename(root).padEnd(COLUMN_WIDTH))].join(""));
  columns[0]?.forEach(([label], row) => {
    const values = columns.map((column) => (column[row]?.[1] ?? "").padEnd(COLUMN_WIDTH));
    writeLine([label.padEnd(LABEL_WIDTH), ...values].join("").trimEnd());
  });
}
