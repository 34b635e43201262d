/** Tests sampling: each setting by itself, and the frequencies that a temperature implies. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  PENALTY_WINDOW,
  PROBABILITY_FLOOR,
  sampleToken,
  type SamplingOptions,
  seededRandom,
} from "./sampling.ts";

const PLAIN: SamplingOptions = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  generated: [],
  random: () => 0.5,
};

/** Token ids 10, 11, … with these probabilities, best first. */
function distribution(...probabilities: number[]): Map<number, number> {
  return new Map(probabilities.map((probability, index) => [10 + index, probability]));
}

/** How often each token is chosen in many draws. */
function frequencies(
  options: Partial<SamplingOptions>,
  probabilities: Map<number, number>,
): Map<number, number> {
  const draws = 20_000;
  const random = seededRandom(42);
  const counts = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const { token } = sampleToken(probabilities, { ...PLAIN, ...options, random });
    counts.set(token, (counts.get(token) ?? 0) + 1 / draws);
  }
  return counts;
}

function assertNear(actual: number | undefined, expected: number, tolerance = 0.015): void {
  assert.ok(Math.abs((actual ?? 0) - expected) < tolerance, `${actual} is not near ${expected}`);
}

Deno.test("temperature 0 takes the best token and draws nothing", () => {
  const random = () => assert.fail("no random number may be drawn");
  const chosen = sampleToken(distribution(0.5, 0.3, 0.2), { ...PLAIN, temperature: 0, random });
  assert.deepEqual(chosen, { token: 10, probability: 0.5 });
});

Deno.test("at temperature 1 tokens come as often as they are probable", () => {
  const seen = frequencies({}, distribution(0.6, 0.3, 0.1));
  assertNear(seen.get(10), 0.6);
  assertNear(seen.get(11), 0.3);
  assertNear(seen.get(12), 0.1);
});

Deno.test("a temperature raises probabilities to its inverse", () => {
  const seen = frequencies({ temperature: 0.5 }, distribution(0.6, 0.3, 0.1));
  const sum = 0.36 + 0.09 + 0.01;
  assertNear(seen.get(10), 0.36 / sum);
  assertNear(seen.get(11), 0.09 / sum);
});

Deno.test("top-k, top-p and min-p keep what their definitions say, and the rest keep their proportions", () => {
  const probabilities = distribution(0.5, 0.25, 0.15, 0.1);
  const kept = (options: Partial<SamplingOptions>) =>
    [...frequencies(options, probabilities).keys()].toSorted();
  assert.deepEqual(kept({ topK: 2 }), [10, 11]);
  assert.deepEqual(kept({ topP: 0.7 }), [10, 11]);
  assert.deepEqual(kept({ topP: 0.75 }), [10, 11]);
  assert.deepEqual(kept({ topP: 0.76 }), [10, 11, 12]);
  assert.deepEqual(kept({ minP: 0.3 }), [10, 11, 12]);
  assert.deepEqual(kept({ minP: 1 }), [10]);
  assertNear(frequencies({ topK: 2 }, probabilities).get(10), 2 / 3);
});

Deno.test("a repeat penalty moves a token down, divides its logit above the floor, and spares older tokens", () => {
  const probabilities = distribution(0.5, 0.4, 0.1);
  const penalised = { ...PLAIN, temperature: 0, repeatPenalty: 1.3, generated: [10] };
  assert.deepEqual(sampleToken(probabilities, penalised), { token: 11, probability: 0.4 });

  const weight = 0.5 * PROBABILITY_FLOOR ** (1 - 1 / 1.3);
  const seen = frequencies({ repeatPenalty: 1.3, generated: [10] }, probabilities);
  assertNear(seen.get(10), weight / (weight + 0.5));

  const longAgo = [10, ...Array.from({ length: 64 }, () => 99)];
  assert.equal(sampleToken(probabilities, { ...penalised, generated: longAgo }).token, 10);
});

Deno.test("presence and frequency penalties are subtracted from the logits of all generated tokens", () => {
  const probabilities = distribution(0.6, 0.3, 0.1);
  const generated = [10, 10, 11, ...Array.from({ length: PENALTY_WINDOW }, () => 99)];
  const seen = frequencies({ presencePenalty: 0.5, frequencyPenalty: 0.25, generated }, probabilities);
  const weights = [0.6 * Math.exp(-0.5 - 2 * 0.25), 0.3 * Math.exp(-0.5 - 0.25), 0.1];
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [index, weight] of weights.entries()) assertNear(seen.get(10 + index), weight / sum);
});

Deno.test("a negative penalty brings a token back that top-k alone would cut", () => {
  const probabilities = distribution(0.4, 0.3, 0.2, 0.1);
  const options = { ...PLAIN, temperature: 0, topK: 1, presencePenalty: -2, generated: [13] };
  assert.deepEqual(sampleToken(probabilities, options), { token: 13, probability: 0.1 });
});

Deno.test("top-k counts after penalties: a token that moves down makes room for the next", () => {
  const chosen = sampleToken(distribution(0.5, 0.4, 0.1), {
    ...PLAIN,
    temperature: 0,
    topK: 1,
    repeatPenalty: 1.5,
    generated: [10],
  });
  assert.equal(chosen.token, 11);
});

Deno.test("whatever the settings, the choice is one of the tokens and its probability the model's own", () => {
  const settings = fc.record({
    temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
    topK: fc.nat(50),
    minP: fc.double({ min: 0, max: 1, noNaN: true }),
    repeatPenalty: fc.double({ min: 0.5, max: 2, noNaN: true }),
    presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    generated: fc.array(fc.integer({ min: 10, max: 30 }), { maxLength: 100 }),
    seed: fc.nat(),
  });
  const weights = fc.array(fc.double({ min: 1e-9, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(settings, weights, ({ seed, ...options }, raw) => {
    const sum = raw.reduce((total, weight) => total + weight, 0);
    const probabilities = distribution(...raw.map((weight) => weight / sum).toSorted((a, b) => b - a));
    const chosen = sampleToken(probabilities, { ...options, random: seededRandom(seed) });
    assert.equal(chosen.probability, probabilities.get(chosen.token));
  }));
});
