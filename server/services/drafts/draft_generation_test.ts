/** Tests what is made of a reply that its limit ended. */
import assert from "node:assert/strict";
import { withoutBrokenSentence } from "./candidates.ts";

const CASES: [name: string, written: string, kept: string][] = [
  ["a broken sentence goes", "Sounds good! See you at the", "Sounds good!"],
  ["in any script", "行きます。明日の", "行きます。"],
  ["a word that may be broken, too", "I am in. Tomorr", "I am in."],
  ["a comma ends nothing", "Yes. If it rains,", "Yes."],
  ["the only sentence stays", "See you at the", "See you at the"],
  ["a complete one stays", "Yes. See you there.", "Yes. See you there."],
  ["so does one that an emoji or a bracket ends", "Yes. See you 🎉", "Yes. See you 🎉"],
  ["a further line is a sentence", "Yes\nSee you at the", "Yes"],
  ["nothing stays nothing", "", ""],
];

for (const [name, written, kept] of CASES) {
  Deno.test(`a reply that its limit ended: ${name}`, () =>
    assert.equal(withoutBrokenSentence(written), kept));
}
