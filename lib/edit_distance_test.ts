// Tests the edit distance against its definition.
import assert from "node:assert/strict";
import fc from "fast-check";
import { editDistance } from "./edit_distance.ts";

/** The definition, word for word: slow, and plainly right. */
function byDefinition([first, ...rest]: readonly string[], [other, ...others]: readonly string[]): number {
  if (first === undefined) return other === undefined ? 0 : 1 + others.length;
  if (other === undefined) return 1 + rest.length;
  if (first === other) return byDefinition(rest, others);
  return 1 + Math.min(
    byDefinition(rest, [other, ...others]),
    byDefinition([first, ...rest], others),
    byDefinition(rest, others),
  );
}

Deno.test("the distance is that of the definition, for any texts", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "👍", "é"), maxLength: 6 });
  fc.assert(fc.property(text, text, (from, to) => {
    assert.equal(editDistance(from, to), byDefinition(Array.from(from), Array.from(to)));
  }));
});

Deno.test("a character beyond the basic plane is one character", () => {
  assert.equal(editDistance("ok 👍", "ok 👎"), 1);
  assert.equal(editDistance("kitten", "sitting"), 3);
});
