/** Tests the division into training and held-out samples: by content, stable, without leaks. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MIN_HELD_OUT, splitSamples, type Splittable } from "./held_out_split.ts";
import { normalised } from "../../../lib/bm25.ts";

const OPTIONS = { share: 0.1, most: 400 };

const sample = (index: number): Splittable => ({
  input: `Them: question number ${index}\nMe:`,
  output: `this is my own answer number ${index}`,
});
const samples = (count: number) => Array.from({ length: count }, (_, index) => sample(index));

Deno.test("about the requested share is held out, the same samples in any order", () => {
  const all = samples(2_000);
  const { train, heldOut, twins } = splitSamples(all, OPTIONS);
  assert.equal(twins.length, 0);
  assert.equal(train.length + heldOut.length, all.length);
  assert.ok(Math.abs(heldOut.length - 200) < 50, `${heldOut.length} of 2000`);
  const turned = splitSamples(all.toReversed(), OPTIONS);
  assert.deepEqual(new Set(turned.heldOut), new Set(heldOut));
});

Deno.test("a held-out sample stays held out when samples are added", () => {
  const [few, many] = [splitSamples(samples(600), OPTIONS), splitSamples(samples(1_200), OPTIONS)];
  const later = new Set(many.heldOut.map(({ output }) => output));
  assert.ok(few.heldOut.length > 0);
  for (const { output } of few.heldOut) assert.ok(later.has(output), output);
});

Deno.test("no question and no long answer is on both sides, however samples repeat each other", () => {
  const words = fc.constantFrom(
    "ok",
    "see you at the station tomorrow",
    "no I do not think so",
    "lol",
    "call me",
    "",
  );
  const inputs = fc.constantFrom(
    "Them: hey\nMe:",
    "Them: where are you now\nMe:",
    "how is it going?",
    "Them: ok\nMe:",
  );
  const repeating = fc.array(fc.record({ input: inputs, output: words }), { minLength: 2, maxLength: 40 });
  fc.assert(fc.property(repeating, (repeated) => {
    const all = [...samples(20), ...repeated];
    const { train, heldOut, twins } = splitSamples(all, { share: 0.3, most: 400 });
    assert.equal(train.length + heldOut.length + twins.length, all.length);
    for (const { input, output } of train) {
      for (const held of heldOut) {
        assert.notEqual(normalised(input), normalised(held.input));
        if (normalised(output).split(" ").length >= 4) {
          assert.notEqual(normalised(output), normalised(held.output));
        }
      }
    }
  }));
});

Deno.test("with few samples at least one is held out and at least one is left to learn from", () => {
  for (let count = 2; count < 30; count++) {
    const { train, heldOut } = splitSamples(samples(count), OPTIONS);
    assert.ok(train.length >= 1 && heldOut.length >= 1, `${count} samples`);
  }
  const { train, heldOut } = splitSamples(samples(1), OPTIONS);
  assert.equal(train.length + heldOut.length, 1);
});

Deno.test("enough to judge by are held out where three times as many are left to learn from", () => {
  assert.ok(splitSamples(samples(119), OPTIONS).heldOut.length < MIN_HELD_OUT);
  for (const count of [120, 150, 200]) {
    assert.ok(splitSamples(samples(count), OPTIONS).heldOut.length >= MIN_HELD_OUT, `${count} samples`);
  }
});

Deno.test("no more samples are held out than allowed; the others are learned from", () => {
  const { train, heldOut } = splitSamples(samples(2_000), { share: 0.1, most: 25 });
  assert.equal(heldOut.length, 25);
  assert.equal(train.length, 1_975);
});

Deno.test("a caller's own split is respected, and its training samples are never excluded as twins", () => {
  const own = samples(40).map((entry, index) => ({ ...entry, heldOut: index % 4 === 0 }));
  const twin = { ...sample(0), heldOut: false };
  const { train, heldOut, twins } = splitSamples([...own, twin], OPTIONS);
  assert.deepEqual([train.length, heldOut.length, twins.length], [31, 10, 0]);
});
