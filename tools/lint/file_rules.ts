/** Lint rules about whole files: their name, header, length and comments. */

/** The most lines a source file may have; files of tests and benches may be longer. */
export const MAX_FILE_LINES = 350;

const HEADER_WORDS = 4;

const SNAKE_CASE_FILE = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*\.[a-z]+$/;

/** Names that say nothing about what a file holds. */
const EMPTY_NAMES = new Set(["utils", "util", "helpers", "helper", "index", "common", "misc", "shared"]);

/** True for files of tests and benches, which may be long. */
export function isTestCode(filename: string): boolean {
  return /_(?:test|bench|suite)\.tsx?$|(?:^|\/)(?:tests|bench)\//.test(filename.replaceAll("\\", "/"));
}

/** A file opens with a comment that says in a sentence what it holds. */
export const fileHeader: Deno.lint.Rule = {
  create: (context) => ({
    Program(node) {
      const source = context.sourceCode.text.replace(/^#![^\n]*\n/, "");
      const comment = /^\/\*[^]*?\*\/|^(?:\/\/[^\n]*\n)+/.exec(source)?.[0] ?? "";
      const words = comment.match(/[\p{L}\p{N}]+/gu) ?? [];
      if (words.length >= HEADER_WORDS && !/^\W*deno-lint-ignore/.test(comment)) return;
      context.report({
        range: firstLine(node),
        message: "Open the file with a sentence that says what it holds",
      });
    },
  }),
};

/** Files are named in snake_case after what they export. */
export const fileName: Deno.lint.Rule = {
  create: (context) => ({
    Program(node) {
      const name = context.filename.split(/[/\\]/).at(-1) ?? "";
      const stem = name.replace(/(?:_test|_bench|_suite)?\.[a-z]+$/, "");
      if (!SNAKE_CASE_FILE.test(name)) {
        context.report({ range: firstLine(node), message: `Name the file in snake_case: ${name}` });
      } else if (EMPTY_NAMES.has(stem)) {
        context.report({ range: firstLine(node), message: `Name the file after what it exports: ${name}` });
      }
    },
  }),
};

/** A source file has at most 350 lines. */
export const maxFileLines: Deno.lint.Rule = {
  create: (context) => ({
    Program(node) {
      const lines = context.sourceCode.text.trimEnd().split("\n").length;
      if (lines <= MAX_FILE_LINES || isTestCode(context.filename)) return;
      const message = `Split the file: it has ${lines} lines, more than ${MAX_FILE_LINES}`;
      context.report({ range: firstLine(node), message });
    },
  }),
};

/** Comments speak of the present: no notes of work to do, no switched-off type checks. */
export const noNotes: Deno.lint.Rule = {
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        const note = /\b(?:TODO|FIXME|XXX|HACK)\b|@ts-(?:ignore|nocheck|expect-error)/.exec(comment.value)
          ?.[0];
        if (note === undefined) continue;
        context.report({ range: comment.range, message: `Do it now or file it as an issue: ${note}` });
      }
    },
  }),
};

/** A lint rule is switched off only with a reason on the same line. */
export const explainedIgnore: Deno.lint.Rule = {
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        if (!/^\s*deno-lint-ignore/.test(comment.value) || /\s--\s+\S+\s+\S+/.test(comment.value)) continue;
        context.report({ range: comment.range, message: "Give the reason on the same line, after ' -- '" });
      }
    },
  }),
};

/** Where a fault of the whole file is shown. */
function firstLine(program: Deno.lint.Program): Deno.lint.Range {
  return [program.range[0], Math.min(program.range[1], program.range[0] + 1)];
}
