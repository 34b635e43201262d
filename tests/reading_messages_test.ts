// Checks that docs/reading-messages.md names tests that there are.
import assert from "node:assert/strict";
import { projectPath } from "../tools/service_process.ts";

/** A test as the page names it: its file within `agent/`, then its name up to the end of the cell or line. */
const NAMED_TEST = /`([\w/]+_test\.ts)`: (.+?) *(?=<br>|\|$)/gm;

Deno.test("every test that the page on reading Messages names exists", () => {
  const page = Deno.readTextFileSync(projectPath("docs/reading-messages.md"));
  const named = [...page.matchAll(NAMED_TEST)];
  assert.equal(named.length, page.match(/_test\.ts`:/g)?.length);
  for (const [, file = "", name = ""] of named) {
    const source = Deno.readTextFileSync(projectPath(`agent/${file}`));
    const isThere = [`"${name}"`, `\`${name}\``].some((literal) => source.includes(`Deno.test(${literal}`));
    assert.ok(isThere, `agent/${file} has no test named: ${name}`);
  }
});
