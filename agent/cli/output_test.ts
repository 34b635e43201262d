// Tests of showing other people's words: what a terminal would obey is shown, not obeyed.
import assert from "node:assert/strict";
import fc from "fast-check";
import { terminalText } from "./output.ts";

Deno.test("escapes, carriage returns and marks that turn the writing are shown as what they are", () => {
  assert.equal(
    terminalText("a\x1b[2Jb\rc\u202ed\x9be\tf\u2066"),
    "a\\u{1b}[2Jb\\u{d}c\\u{202e}d\\u{9b}e\\u{9}f\\u{2066}",
  );
  assert.equal(terminalText("Grüße, 家 👩‍👧 مرحبا"), "Grüße, 家 👩‍👧 مرحبا");
});

Deno.test("further lines are indented, so that no message can pass for a line of the agent", () => {
  assert.equal(terminalText("one\nDraft two\n", 4), "one\n    Draft two\n    ");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    // deno-lint-ignore no-control-regex -- the very characters that must not come through
    assert.doesNotMatch(terminalText(text), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }));
});
