// Checks that docs/reading-messages.md names tests that there are, and is in step with the corpus of odd rows.
import assert from "node:assert/strict";
import { projectPath } from "../tools/service_process.ts";
import { ODD_ROWS } from "./support/chat_db/odd_rows.ts";

/** A test as the page names it: its file within `agent/`, then its name up to the end of the cell or line. */
const NAMED_TEST = /`([\w/]+_test\.ts)`: (.+?) *(?=<br>|\|$)/gm;
/** The sections whose quirks are of rows of chat.db; those of its file and of the address book have no odd rows. */
const SECTIONS_OF_ROWS = [
  "Schema",
  "Times",
  "Text",
  "Edits and unsends",
  "Receipts",
  "Kinds of rows",
  "Whose conversation",
];
const CORPUS = "The corpus of odd rows";

const page = Deno.readTextFileSync(projectPath("docs/reading-messages.md"));

/** The lines of a section. */
function section(name: string): string[] {
  const lines = page.split("\n");
  const from = lines.indexOf(`## ${name}`) + 1;
  assert.ok(from > 0, `there is no section ${name}`);
  const to = lines.findIndex((line, index) => index >= from && line.startsWith("## "));
  return lines.slice(from, to);
}

/** The first cells of a section's table, without its head. */
function quirksIn(name: string): string[] {
  return section(name).filter((line) => line.startsWith("|")).slice(2).map((line) =>
    line.split("|")[1]?.trim() ?? ""
  );
}

Deno.test("every test that the page on reading Messages names exists", () => {
  const named = [...page.matchAll(NAMED_TEST)];
  assert.equal(named.length, page.match(/_test\.ts`:/g)?.length);
  for (const [, file = "", name = ""] of named) {
    const source = Deno.readTextFileSync(projectPath(`agent/${file}`));
    const isThere = [`"${name}"`, `\`${name}\``].some((literal) => source.includes(`Deno.test(${literal}`));
    assert.ok(isThere, `agent/${file} has no test named: ${name}`);
  }
});

Deno.test("every quirk of a row on the page is a case of the corpus of odd rows, and none of another", () => {
  const quirks = SECTIONS_OF_ROWS.flatMap(quirksIn);
  const cases = new Set(ODD_ROWS.flatMap(({ quirk }) => quirk ?? []));
  assert.deepEqual(quirks.filter((quirk) => !cases.has(quirk)), [], "quirks without an odd row");
  assert.deepEqual([...cases].filter((quirk) => !quirks.includes(quirk)), [], "odd rows of no quirk");
  assert.ok(quirks.length > 50);
});

Deno.test("the page lists the odd rows in their order", () => {
  const listed = section(CORPUS).filter((line) => line.startsWith("- ")).map((line) => line.slice(2));
  assert.deepEqual(listed, ODD_ROWS.map(({ what }) => what));
});
