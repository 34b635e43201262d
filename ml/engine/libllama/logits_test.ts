/** Tests probabilities from logits against the definition, and that choosing sees penalties as llama.cpp defines them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../sampling.ts";
import { logProbability, sampleLogits } from "./logits.ts";

const PLAIN = {
  temperature: 1,
  topP: 1,
  topK: 40,
  minP: 0,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  generated: [],
  random: () => 0,
};

/** Probabilities by their definition, in double precision. */
function softmax(logits: Float32Array): number[] {
  const best = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = Array.from(logits, (logit) => Math.exp(logit - best));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}

Deno.test("a token's probability is that of the whole vocabulary, large or small, flat or peaked", () => {
  for (const [size, spread] of [[1, 1], [50, 40], [49_152, 0.01], [49_152, 3], [151_936, 8]] as const) {
    const random = seededRandom(size);
    const logits = Float32Array.from({ length: size }, () => (random() + random() + random() - 1.5) * spread);
    const expected = softmax(logits);
    const { token, probability } = sampleLogits(logits, { ...PLAIN, temperature: 0 });
    assert.equal(token, logits.indexOf(logits.reduce((a, b) => Math.max(a, b), -Infinity)));
    assertNear(probability / (expected[token] ?? NaN), 1, 1e-5);
    for (const other of [0, size >> 1, size - 1]) {
      assertNear(logProbability(logits, other), Math.log(expected[other] ?? NaN), 2e-5);
    }
  }
});

Deno.test("whatever the logits, what is kept are the most probable tokens", () => {
  const number = fc.float({ min: -30, max: 30, noNaN: true });
  fc.assert(
    fc.property(fc.array(number, { minLength: 2, maxLength: 300 }), fc.nat(40), fc.nat(), (raw, k, seed) => {
      const logits = Float32Array.from(raw);
      const { token } = sampleLogits(logits, {
        ...PLAIN,
        topK: k,
        temperature: 2,
        random: seededRandom(seed),
      });
      const better = logits.filter((logit) => logit > (logits[token] ?? NaN)).length;
      assert.ok(k === 0 || better < k, `${better} tokens are more probable than the one of ${k}`);
    }),
  );
});

Deno.test("a repeat penalty divides a logit above 0 and multiplies one below, as llama.cpp does", () => {
  const chosen = (logits: number[], repeatPenalty: number) => {
    const options = { ...PLAIN, temperature: 0, repeatPenalty, generated: [0] };
    return sampleLogits(Float32Array.from(logits), options).token;
  };
  assert.deepEqual([chosen([4, 3.1, 0], 1.25), chosen([4, 3.3, 0], 1.25)], [0, 1]);
  assert.deepEqual([chosen([-2, -2.4, -9], 1.25), chosen([-2, -2.6, -9], 1.25)], [1, 0]);
});

Deno.test("a token far down the list is chosen once a negative penalty lifts it", () => {
  const logits = Float32Array.from({ length: 1_000 }, (_, index) => -index / 100);
  const options = { ...PLAIN, temperature: 0, presencePenalty: -20, generated: [900] };
  assert.equal(sampleLogits(logits, options).token, 900);
});

Deno.test("a model that gives no numbers gets no token", () => {
  assert.throws(() => sampleLogits(new Float32Array(50).fill(NaN), PLAIN), RangeError);
});
