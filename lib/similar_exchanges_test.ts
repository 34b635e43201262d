/** Tests retrieval of similar exchanges, and the prompt that shows them. */
import { parseTranscript } from "../contract/prompt.ts";
import { promptWithExamples, SimilarExchanges } from "./similar_exchanges.ts";
import assert from "node:assert/strict";

const EXCHANGES = [
  { input: "Them: are you coming to the party tonight?\nMe:", output: "yep" },
  { input: "Them: did you watch the game?\nMe:", output: "omg yes" },
  { input: "Them: party was fun\nMe: it was\nThem: what do you want for dinner?\nMe:", output: "tacos" },
  { input: "what time is dinner", output: "eight" },
];

Deno.test("the exchanges that share rare words with a message are found, the most similar last", () => {
  const similar = new SimilarExchanges(EXCHANGES);
  const found = similar.find("Them: so what about dinner tonight, what time?\nMe:", { count: 2 });
  assert.deepEqual(found.map(({ output }) => output), ["tacos", "eight"]);
  // Only the message that is answered counts: what was said before it does not.
  const [best] = similar.find("Them: dinner?\nMe: yes\nThem: and a party\nMe:", { count: 1 });
  assert.equal(best?.output, "yep");
});

Deno.test("with fewer exchanges than requested all are found, and none when there are none", () => {
  assert.equal(new SimilarExchanges(EXCHANGES).find("Them: hm\nMe:", { count: 9 }).length, 4);
  assert.deepEqual(new SimilarExchanges([]).find("Them: hm\nMe:", { count: 5 }), []);
});

Deno.test("examples come after the system line and before the conversation itself", () => {
  const prompt = promptWithExamples(
    "System: You are Sam.\nThem: hi\nMe: yo\nThem: dinner?\nMe:",
    EXCHANGES.slice(2, 3),
  );
  assert.deepEqual(parseTranscript(prompt), {
    system: "You are Sam.",
    turns: [
      { speaker: "them", text: "what do you want for dinner?" },
      { speaker: "me", text: "tacos" },
      { speaker: "them", text: "hi" },
      { speaker: "me", text: "yo" },
      { speaker: "them", text: "dinner?" },
    ],
  });
});
