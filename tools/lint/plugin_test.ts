/** Tests of the lint plugin: what each rule reports and what it leaves alone. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { MAX_FUNCTION_LINES } from "./code_rules.ts";
import { MAX_FILE_LINES } from "./file_rules.ts";
import { bannedWordsIn } from "./language_rule.ts";
import plugin from "./plugin.ts";

const HEADER = "/** Holds the code of this example. */\n";

const LONG_BODY = "  work();\n".repeat(MAX_FUNCTION_LINES - 2);

/** Lints one file by all rules but the layers; returns reports as "rule: the source text it points at". */
function lint(source: string, options: { file?: string; header?: string } = {}): string[] {
  const text = (options.header ?? HEADER) + source;
  return Deno.lint.runPlugin(plugin, options.file ?? "example.ts", text)
    .filter(({ id }) => id !== "style/layers")
    .map(({ id, range }) => `${id.replace("style/", "")}: ${text.slice(...range)}`);
}

/** Lints one file and returns the rules it breaks. */
function brokenRules(source: string, options: { file?: string; header?: string } = {}): string[] {
  return lint(source, options).map((report) => report.replace(/: [^]*$/, ""));
}

Deno.test("a file must open with a comment that says what it holds", () => {
  for (
    const header of ["", "// Short\n", "// deno-lint-ignore-file no-console -- prints its own table here\n"]
  ) {
    assert.deepEqual(brokenRules("export {};", { header }), ["file-header"], header);
  }
  for (
    const header of [HEADER, "// Holds the code\n// of this example.\n", "#!/usr/bin/env deno\n" + HEADER]
  ) {
    assert.deepEqual(brokenRules("export {};", { header }), [], header);
  }
});

Deno.test("a file is named in snake_case after what it exports", () => {
  for (
    const file of [
      "jobQueue.ts",
      "job-queue.ts",
      "Job.ts",
      "lib/utils.ts",
      "lib/helpers_test.ts",
      "a/index.tsx",
    ]
  ) {
    assert.deepEqual(brokenRules("export {};", { file }), ["file-name"], file);
  }
  for (const file of ["job_queue.ts", "lib/job_queue_test.ts", "main.ts", "a/tray2.tsx", "index_cards.ts"]) {
    assert.deepEqual(brokenRules("export {};", { file }), [], file);
  }
});

Deno.test("a source file has at most 350 lines, a test file as many as it needs", () => {
  const full = "work();\n".repeat(MAX_FILE_LINES - 1);
  assert.deepEqual(brokenRules(full), []);
  assert.deepEqual(brokenRules(full + "work();\n"), ["max-file-lines"]);
  assert.deepEqual(brokenRules(full + "work();\n", { file: "a_test.ts" }), []);
  assert.deepEqual(brokenRules(full + "work();\n", { file: "/repo/tests/flow.ts" }), []);
});

Deno.test("a function has at most 60 lines, in a test as many as it needs", () => {
  const shapes = [
    (body: string) => `function a() {\n${body}}`,
    (body: string) => `const a = () => {\n${body}};`,
    (body: string) => `class A {\n  a() {\n${body}  }\n}`,
  ];
  for (const shape of shapes) {
    assert.deepEqual(brokenRules(shape(LONG_BODY)), []);
    assert.deepEqual(brokenRules(shape(LONG_BODY + "  work();\n")), ["max-function-lines"]);
    assert.deepEqual(brokenRules(shape(LONG_BODY + "  work();\n"), { file: "a_test.ts" }), []);
  }
});

Deno.test("an exported function takes at most three parameters", () => {
  const refused = [
    ["export function f(a: A, b: B, c: C, d: D) {}", "d"],
    ["export default async function f(a: A, b: B, c: C, d = 1) {}", "d = 1"],
    ["export function f(a: A, b: B, options: O, d: D) {}", "d"],
    ["export function f(a: A, b: B, c: C, ...rest: D[]) {}", "...rest: D[]"],
    ["export class K { m(a: A, b: B, c: C, d: D) {} }", "d"],
  ];
  for (const [source = "", found = ""] of refused) {
    assert.deepEqual(lint(source), [`max-parameters: ${found}`], source);
  }
  const accepted = [
    "export function f(a: A, b: B) {}",
    "export function f(a: A, b: B, c: C) {}",
    "export function f(a: A, b: B, { c }: { c: C }) {}",
    "export function f(a: A, b: B, options: O = {}) {}",
    "function f(a: A, b: B, c: C, d: D) {}",
    "export class K { #m(a: A, b: B, c: C, d: D) {} private n(a: A, b: B, c: C, d: D) {} }",
    "class K { m(a: A, b: B, c: C, d: D) {} }",
  ];
  for (const source of accepted) assert.deepEqual(lint(source), [], source);
});

Deno.test("an error says what happened", () => {
  for (
    const source of ["throw new Error();", 'throw new TypeError("");', "Promise.reject(new RangeError())"]
  ) {
    assert.deepEqual(brokenRules(source), ["error-message"], source);
  }
  for (
    const source of ['throw new Error("The key is empty");', "throw new Error(text);", "new AbortedError()"]
  ) {
    assert.deepEqual(brokenRules(source), [], source);
  }
});

Deno.test("every test runs", () => {
  const refused = [
    ['Deno.test.only("a name in words", run);', "Deno.test.only"],
    ['Deno.test.ignore("a name in words", run);', "Deno.test.ignore"],
    ['Deno.test({ name: "a name in words", ignore: isLinux, fn: run });', "ignore: isLinux"],
    ['Deno.test("a name in words", { only: true }, run);', "only: true"],
  ];
  for (const [source = "", found = ""] of refused) {
    assert.deepEqual(lint(source), [`no-skipped-test: ${found}`], source);
  }
  const accepted = [
    'Deno.test("a name in words", run);',
    "git({ ignore: true });",
    "Deno.test.beforeAll(run);",
  ];
  for (const source of accepted) assert.deepEqual(lint(source), [], source);
});

Deno.test("a test's name is a sentence", () => {
  assert.deepEqual(brokenRules('Deno.test("config works", run);'), ["test-name"]);
  assert.deepEqual(brokenRules('Deno.test("an empty value counts as absent", run);'), []);
});

Deno.test("a test does not sleep, and other code may wait", () => {
  const sleep = "await new Promise((resolve) => setTimeout(resolve, 50));";
  assert.deepEqual(lint(sleep, { file: "a_test.ts" }), ["no-sleep-in-test: setTimeout(resolve, 50)"]);
  assert.deepEqual(lint(sleep, { file: "backoff.ts" }), []);
  assert.deepEqual(lint("await new Promise((resolve) => server.on(resolve));", { file: "a_test.ts" }), []);
});

Deno.test("comments hold no notes of work to do and no switched-off checks", () => {
  for (
    const comment of ["// TODO later", "/* FIXME: wrong */", "// @ts-ignore", "// @ts-expect-error wrong"]
  ) {
    assert.deepEqual(lint(`${comment}\nwork();`), [`no-notes: ${comment}`]);
  }
  assert.deepEqual(lint('// The list of things to do.\nwork("TODO");'), []);
});

Deno.test("a lint rule is switched off only with a reason", () => {
  const bare = "// deno-lint-ignore no-explicit-any";
  assert.deepEqual(lint(`${bare}\nwork();`), [`explained-ignore: ${bare}`]);
  assert.deepEqual(lint(`${bare} -- rows of a table differ\nwork();`), []);
});

Deno.test("private vocabulary is reported in headers, names, comments and sentences, and nothing like it", () => {
  const refused = [
    ["export class ChangeLedger {}", "Ledger"],
    ["// A job is picked up anew.\nwork();", "anew"],
    ['log("The agent is set back");', "set back"],
    ["const keptReply = 1;", "keptR"],
    ["let rowStamps = 0;", "wStamps"],
    ["interface Question {}", "interface Question"],
  ];
  for (const [source = "", found = ""] of refused) {
    assert.deepEqual(lint(source), [`language: ${found}`], source);
  }
  const header = "/** Owns the words of this example. */\n";
  assert.deepEqual(brokenRules("export {};", { header }), ["language"]);
  for (
    const source of ["let timestamps = 0;", "// A message is kept and sent again.\nwork();", "let label = 1;"]
  ) {
    assert.deepEqual(lint(source), [], source);
  }
});

Deno.test("the pages of the project use the same words as its code, and only a renamed field keeps its old name", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const pages = ["README.md", "AGENTS.md", "CHANGELOG.md"];
  for await (const { name } of Deno.readDir(`${root}docs`)) {
    if (name.endsWith(".md")) pages.push(`docs/${name}`);
  }
  for (const page of pages) {
    const text = await Deno.readTextFile(root + page);
    const withoutOldNames = page === "CHANGELOG.md" ? text.replaceAll(/\(before: `\w+`\)/g, "") : text;
    assert.deepEqual(bannedWordsIn(withoutOldNames).map(({ message }) => message), [], page);
  }
});

Deno.test("deno.json switches the plugin on", async () => {
  const config = JSON.parse(
    await Deno.readTextFile(fileURLToPath(new URL("../../deno.json", import.meta.url))),
  );
  assert.deepEqual(config.lint.plugins, ["./tools/lint/plugin.ts"]);
});
