/** Tests what a reply looks like in numbers. */
import assert from "node:assert/strict";
import { featuresOf, meanStyle, STYLE_FEATURES, styleOf } from "./reply_style.ts";

Deno.test("a reply's looks are its length, capitals, end, bubbles and emoji", () => {
  assert.deepEqual(styleOf("Sounds good. See you at 8."), {
    length: 26,
    noCapitals: 0,
    opensLower: 0,
    finalStop: 1,
    finalMark: 0,
    bubbles: 1,
    emoji: 0,
  });
  assert.deepEqual(styleOf("haha ok\n\nsee ya :)\n"), {
    length: 18,
    noCapitals: 1,
    opensLower: 1,
    finalStop: 0,
    finalMark: 0,
    bubbles: 2,
    emoji: 1,
  });
});

Deno.test("an ellipsis is not a full stop, a question mark is a mark, an emoji counts anywhere", () => {
  assert.equal(styleOf("hm...").finalStop, 0);
  assert.equal(styleOf("really?").finalMark, 1);
  assert.equal(styleOf("nice 🎉 one").emoji, 1);
  assert.equal(styleOf("at 8:30 or 9:05, see http://example.test").emoji, 0);
  assert.equal(styleOf("<3").emoji, 1);
});

Deno.test("a reply that opens with a digit or a quote is judged by its first letter", () => {
  assert.equal(styleOf('"Yes" she said').opensLower, 0);
  assert.equal(styleOf("8pm works").opensLower, 1);
});

Deno.test("the looks of several replies are their mean", () => {
  const { length, noCapitals, bubbles } = meanStyle(["ok", "Fine"]);
  assert.deepEqual({ length, noCapitals, bubbles }, { length: 3, noCapitals: 0.5, bubbles: 1 });
});

Deno.test("a classifier sees one number for each feature", () => {
  assert.equal(featuresOf("ok").length, STYLE_FEATURES.length);
  assert.equal(featuresOf("ok")[0], Math.log(3));
});
