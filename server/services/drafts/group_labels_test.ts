/** Tests that a group's sender names are read back from its prompt and do not get into the reply. */
import assert from "node:assert/strict";
import { generateRequestSchema } from "../../../contract/ml.ts";
import { groupLabelsOf, stopTextsFor, withoutGroupLabel } from "./group_labels.ts";
import { buildPrompt } from "./prompt_builder.ts";

function groupPrompt(senders: string[], isGroup = true): string {
  return buildPrompt({
    conversation: { displayName: "Hiking", isGroup },
    names: new Map(senders.map((name) => [name, name])),
    messages: senders.map((senderId) => ({
      direction: "incoming",
      senderId,
      text: "Note: who drives?",
      retractedAt: null,
    })),
  });
}

Deno.test("the names of a group are those before its messages, each once", () => {
  assert.deepEqual(groupLabelsOf(groupPrompt(["Ann", "Bob Lee", "Ann"])), ["Ann", "Bob Lee"]);
});

Deno.test("a direct chat has no names, whatever its messages begin with", () => {
  assert.deepEqual(groupLabelsOf(groupPrompt(["Ann"], false)), []);
  assert.deepEqual(groupLabelsOf("no transcript"), []);
});

Deno.test("a reply stops where another speaker would begin, and ml takes the stops of a large group too", () => {
  assert.deepEqual(stopTextsFor(["Ann"]), ["\nThem:", "\nMe:", "\nAnn:"]);
  const many = Array.from({ length: 40 }, (_, index) => `Person ${index}`);
  assert.ok(generateRequestSchema.safeParse({ prompt: "x", stop: stopTextsFor(many) }).success);
});

Deno.test("a name before the reply is taken off, a colon elsewhere stays", () => {
  assert.equal(withoutGroupLabel("Bob Lee: I can drive", ["Ann", "Bob Lee"]), "I can drive");
  assert.equal(withoutGroupLabel("Plan: I drive", ["Ann"]), "Plan: I drive");
});
