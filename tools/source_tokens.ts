/** The tokenizer of the repository's own tools: TypeScript source as names, strings and punctuation, no comments. */

/** One token; `text` of a string or template part is its content without the quotes, `line` counts from 1. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly line: number;
}

/** What a token is; a template with substitutions is several `template` tokens with code between them. */
export type TokenKind = "name" | "string" | "template" | "number" | "regex" | "punctuation";

interface Lexeme {
  readonly kind: TokenKind | "blank";
  readonly raw: string;
}

const BLANK = /(?:\s|\/\/[^\n]*|\/\*[^]*?(?:\*\/|$))+/y;
// A string that is not closed ends with its line: text inside JSX may hold a lone apostrophe.
const STRING = /"(?:\\[^]|[^"\\\n])*"?|'(?:\\[^]|[^'\\\n])*'?/y;
const NAME = /#?[\p{ID_Start}$_][\p{ID_Continue}$]*/yu;
const NUMBER = /\.?\d(?:[eE][+-]|[\w.])*/y;
const REGEX = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/[a-z]*/y;
// From a backtick, or from the brace that ends a substitution, to the next substitution or the closing backtick.
const TEMPLATE_PART = /[`}](?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{|$)/y;

/** After one of these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEX =
  /^(?:[({[,;:=!&|?+\-*%<>~^}]|return|typeof|case|in|of|void|delete|await|yield|throw|else|do)$/;

/** Splits TypeScript or JavaScript source into tokens; comments and white space are left out. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  // One entry for each template substitution that is open: how many braces inside it are open.
  const substitutions: number[] = [];
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const lexeme = lexemeAt(source, at, {
      regexMayStart: regexMayFollow(tokens.at(-1)),
      braceEndsSubstitution: substitutions.at(-1) === 0,
    });
    trackSubstitutions(substitutions, lexeme);
    if (lexeme.kind !== "blank") tokens.push({ kind: lexeme.kind, text: contentOf(lexeme), line });
    at += lexeme.raw.length;
    line += lexeme.raw.split("\n").length - 1;
  }
  return tokens;
}

function lexemeAt(
  source: string,
  at: number,
  options: { regexMayStart: boolean; braceEndsSubstitution: boolean },
): Lexeme {
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const char = source.charAt(at);
  if (char === "`" || (char === "}" && options.braceEndsSubstitution)) {
    return { kind: "template", raw: match(TEMPLATE_PART) ?? char };
  }
  const patterns = [
    ["blank", BLANK],
    ...(options.regexMayStart ? [["regex", REGEX] as const] : []),
    ["string", STRING],
    ["name", NAME],
    ["number", NUMBER],
  ] as const;
  for (const [kind, pattern] of patterns) {
    const raw = match(pattern);
    if (raw !== undefined) return { kind, raw };
  }
  return { kind: "punctuation", raw: char };
}

function trackSubstitutions(substitutions: number[], { kind, raw }: Lexeme): void {
  if (kind === "template") {
    if (raw.startsWith("}")) substitutions.pop();
    if (raw.endsWith("${")) substitutions.push(0);
  } else if (raw === "{" || raw === "}") {
    const open = substitutions.pop();
    if (open !== undefined) substitutions.push(open + (raw === "{" ? 1 : -1));
  }
}

function contentOf({ kind, raw }: Lexeme): string {
  if (kind === "string") return raw.replace(/^["']|["']$/g, "");
  if (kind === "template") return raw.slice(1).replace(/(?:`|\$\{)$/, "");
  return raw;
}

function regexMayFollow(before: Token | undefined): boolean {
  if (before === undefined) return true;
  return (before.kind === "punctuation" || before.kind === "name") && BEFORE_REGEX.test(before.text);
}
