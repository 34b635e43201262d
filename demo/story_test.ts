/** Tests by which rule the demo accepts, edits and rejects drafts. */
import assert from "node:assert/strict";
import { type Draft, verdictsFor } from "./story.ts";

/** A draft as the server answers it, as far as the rule looks at it. */
function draft(response: string, confidence: number, unsupported: readonly unknown[] = []): Draft {
  return { answer: { response, confidence, unsupported }, realReply: undefined } as unknown as Draft;
}

function actionsOf(drafts: readonly Draft[]): (string | undefined)[] {
  const verdicts = verdictsFor(drafts);
  return drafts.map((draft) => verdicts.get(draft)?.action?.action);
}

Deno.test("accepted is the surest short and complete draft that makes nothing up, rejected the least sure one", () => {
  const drafts = [
    draft("I don't know what you", 0.9),
    draft("yes\nI think so.", 0.8),
    draft("See you at 8 at Nino's!", 0.7, [{ text: "Nino's" }]),
    draft("Sounds good!", 0.4),
    draft("Sure.", 0.3),
    draft("x".repeat(121) + ".", 0.2),
  ];
  assert.deepEqual(actionsOf(drafts), [undefined, undefined, undefined, "accept", "edit", "reject"]);
});

Deno.test("where no draft is good enough none is accepted", () => {
  assert.deepEqual(actionsOf([draft("", 0.9), draft("maybe the", 0.5)]), ["edit", "reject"]);
  assert.deepEqual(actionsOf([]), []);
});
