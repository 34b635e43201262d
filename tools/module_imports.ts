/** What one source file reaches for: the modules it imports and the guarded globals it uses. */

import { type Token, tokenize } from "./source_tokens.ts";

/** A module named by an import, export, dynamic import or import type; `line` counts from 1. */
export interface ModuleImport {
  readonly specifier: string;
  readonly line: number;
}

/** A use of a global the layer rules guard, such as `Deno.env`. */
export interface GlobalUse {
  readonly name: string;
  readonly line: number;
}

/** Everything a file reaches for; `computed` lists the lines of dynamic imports without a literal name. */
export interface ModuleFacts {
  readonly imports: ModuleImport[];
  readonly globals: GlobalUse[];
  readonly computed: number[];
}

const MEMBER_GLOBALS = new Set(["Deno.env", "Deno.openKv", "Deno.dlopen", "process.env"]);

/** Before one of these, `import(` is an expression; elsewhere it may be a method named import. */
const BEFORE_IMPORT_EXPRESSION = new Set(["await", "return", "=", ">", "(", ","]);

/** Reads the imports and guarded globals of TypeScript source. */
export function moduleFacts(source: string): ModuleFacts {
  const facts: ModuleFacts = { imports: [], globals: [], computed: [] };
  const tokens = tokenize(source);
  tokens.forEach((token, index) => {
    if (token.kind !== "name" || isPunctuation(tokens[index - 1], ".")) return;
    if (token.text === "import") readImport(tokens, index, facts);
    else if (token.text === "export") readExport(tokens, index, facts);
    else readGlobal(tokens, index, facts);
  });
  return facts;
}

function readImport(tokens: Token[], index: number, facts: ModuleFacts): void {
  const next = tokens[index + 1];
  if (next?.kind === "string") return addImport(facts, next);
  if (isPunctuation(next, "(")) return readImportExpression(tokens, index, facts);
  if (next?.kind === "name" || isPunctuation(next, "{") || isPunctuation(next, "*")) {
    readFromClause(tokens, index + 1, facts);
  }
}

function readImportExpression(tokens: Token[], index: number, facts: ModuleFacts): void {
  const [argument, after] = [tokens[index + 2], tokens[index + 3]];
  const closed = isPunctuation(after, ")") || isPunctuation(after, ",");
  if ((argument?.kind === "string" || argument?.kind === "template") && closed) {
    addImport(facts, argument);
  } else if (BEFORE_IMPORT_EXPRESSION.has(tokens[index - 1]?.text ?? "")) {
    facts.computed.push(argument?.line ?? 0);
  }
}

function readExport(tokens: Token[], index: number, facts: ModuleFacts): void {
  const first = tokens[index + 1]?.text === "type" ? index + 2 : index + 1;
  if (isPunctuation(tokens[first], "{") || isPunctuation(tokens[first], "*")) {
    readFromClause(tokens, first, facts);
  }
}

/** Follows an import or export clause to `from "…"`; a clause without one (`export { a }`) adds nothing. */
function readFromClause(tokens: Token[], start: number, facts: ModuleFacts): void {
  for (let index = start; index < tokens.length; index++) {
    const [token, next] = [tokens[index], tokens[index + 1]];
    if (token?.kind === "name" && token.text === "from" && next?.kind === "string") {
      return addImport(facts, next);
    }
    const belongs = token?.kind === "name" || token?.kind === "string" || /^[{},*]$/.test(token?.text ?? "");
    const clauseEnded = isPunctuation(token, "}") && next?.text !== "from";
    if (!belongs || clauseEnded) return;
  }
}

function readGlobal(tokens: Token[], index: number, facts: ModuleFacts): void {
  const dot = isPunctuation(tokens[index + 1], "?") ? index + 2 : index + 1;
  const [object, member] = [tokens[index], tokens[dot + 1]];
  if (object === undefined || member?.kind !== "name" || !isPunctuation(tokens[dot], ".")) return;
  const name = `${object.text}.${member.text}`;
  if (MEMBER_GLOBALS.has(name)) facts.globals.push({ name, line: object.line });
}

function addImport(facts: ModuleFacts, { text, line }: Token): void {
  facts.imports.push({ specifier: text, line });
}

function isPunctuation(token: Token | undefined, text: string): boolean {
  return token?.kind === "punctuation" && token.text === text;
}
