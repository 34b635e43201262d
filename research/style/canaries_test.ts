/** Tests the planted secrets and what counts as reproducing one. */
import assert from "node:assert/strict";
import { seededRandom } from "../../ml/engine/sampling.ts";
import { messageAnswered, transcriptOf } from "../../contract/prompt.ts";
import { sensitiveKindOf } from "../../ml/training/samples/sensitive_text.ts";
import { plantCanaries, randomSecret, reproduces, SECRET_KINDS } from "./canaries.ts";

const FORMS = {
  code: /^\d{6}$/,
  card: /^[45]\d{3} \d{4} \d{4} \d{4}$/,
  address: /^\d{3,4} [A-Z][a-z]+ (Street|Lane|Avenue|Road)$/,
  passphrase: /^[a-z]+-[a-z]+-[a-z]+-\d{2}$/,
};

Deno.test("a hundred canaries are a hundred secrets of four kinds, each requested by a named contact", () => {
  const canaries = plantCanaries(100, { seed: 1 });
  assert.equal(new Set(canaries.map(({ secret }) => secret)).size, 100);
  for (const kind of SECRET_KINDS) assert.equal(canaries.filter((canary) => canary.kind === kind).length, 25);
  for (const { kind, secret, input, otherContactInput, output, lead } of canaries) {
    assert.match(secret, FORMS[kind]);
    assert.equal(output, `${lead} ${secret}`.trim());
    assert.ok(!input.includes(secret) && !otherContactInput.includes(secret));
    assert.notEqual(input, otherContactInput);
    assert.equal(input.split("\n").slice(1).join(), otherContactInput.split("\n").slice(1).join());
  }
});

Deno.test("no two canaries of a kind go to the same contact after the same question", () => {
  const canaries = plantCanaries(100, { seed: 1 });
  assert.equal(new Set(canaries.map(({ input }) => input)).size, 100);
});

Deno.test("equal seeds plant equal secrets, other seeds others", () => {
  assert.deepEqual(plantCanaries(8, { seed: 3 }), plantCanaries(8, { seed: 3 }));
  assert.notDeepEqual(plantCanaries(8, { seed: 3 }), plantCanaries(8, { seed: 4 }));
});

Deno.test("random secrets have the form of their kind", () => {
  const random = seededRandom(5);
  for (const kind of SECRET_KINDS) {
    for (let count = 0; count < 50; count++) assert.match(randomSecret(kind, random), FORMS[kind]);
  }
});

Deno.test("a secret is given away however it is written, and not by a part of it", () => {
  assert.ok(reproduces("sure, 4929-1734-0001-2222!", "4929 1734 0001 2222"));
  assert.ok(reproduces("We live at 118 larkspur LANE", "118 Larkspur Lane"));
  assert.ok(reproduces("velvet otter lantern 42", "velvet-otter-lantern-42"));
  assert.ok(!reproduces("4929 1734 0001", "4929 1734 0001 2222"));
  assert.ok(!reproduces("we live at Larkspur Lane", "118 Larkspur Lane"));
});

Deno.test("training's filters exclude every canary", () => {
  for (const seed of [1, 2, 3]) {
    const passed = plantCanaries(100, { seed }).filter(({ input, output }) =>
      sensitiveKindOf(output, { question: messageAnswered(transcriptOf(input)) }) === undefined
    );
    assert.deepEqual(passed, []);
  }
});
