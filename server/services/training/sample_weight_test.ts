/** Tests how much samples weigh, and that ml learns of it. */
import assert from "node:assert/strict";
import type { TrainingSample } from "../../store/schema.ts";
import { pairWeight, replyWeight } from "./sample_weight.ts";
import { mlSamplesOf } from "./training_samples.ts";

Deno.test("a reply weighs half for a draft sent as it was, and all for one with nothing of it; a pair what was changed", () => {
  assert.deepEqual([replyWeight("See you", "See you"), replyWeight("abcd", "xyz")], [0.5, 1]);
  assert.equal(replyWeight("See you at 8", "see you at 8!"), (1 + 2 / 13) / 2, "a capital and a mark of 13");
  assert.deepEqual([pairWeight("abcd", "abxy"), pairWeight("abcd", "xyz")], [0.5, 1]);
  const long = "word ".repeat(300);
  assert.deepEqual([pairWeight(long, `${long}!`), replyWeight("", "Hi"), pairWeight("", "")], [
    0.01,
    1,
    0.01,
  ]);
});

Deno.test("ml gets the weight of the reply, and with `dpo` that of the pair", () => {
  const row: TrainingSample = {
    id: "sample",
    accountId: "account",
    responseId: null,
    conversationId: "conversation",
    messageId: null,
    sourceMessageIds: null,
    input: "Them: Dinner?\nMe:",
    output: "abxy",
    rejectedOutput: "abcd",
    quality: 0.75,
    source: "sent",
    createdAt: new Date(0),
  };
  const shown = { id: "sample", input: row.input, output: "abxy", conversation: "conversation" };
  assert.deepEqual(mlSamplesOf([row], "sft"), [{ ...shown, quality: 0.75 }]);
  assert.deepEqual(mlSamplesOf([row], "dpo"), [{ ...shown, quality: 0.5, rejected: "abcd" }]);
});
