/** Tests globs against regular expressions, and that their cost is bounded. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { matchesGlob } from "./response_cache.ts";

Deno.test("a glob matches what the regular expression of the same meaning does", () => {
  const glob = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?", "😀"), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?", "😀"), maxLength: 12 });
  fc.assert(
    fc.property(glob, text, (pattern, value) => {
      const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
      assert.equal(matchesGlob(value, pattern), new RegExp(`^${source}$`, "su").test(value));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a glob of many stars takes a bounded number of steps", () => {
  assert.equal(matchesGlob("a".repeat(512), "*a".repeat(250) + "*b"), false);
  assert.equal(matchesGlob("a".repeat(512), "*a".repeat(250)), true);
});
