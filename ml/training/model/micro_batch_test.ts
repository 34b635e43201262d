/** Tests that packing keeps every token and every prediction of every sample, and nothing of one in another. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { TokenSample } from "../trainer.ts";
import { computedTokens, groupSamples, packGroup } from "./micro_batch.ts";

const token = fc.integer({ min: 0, max: 999 });
const sample: fc.Arbitrary<TokenSample> = fc.record({
  prompt: fc.array(token, { minLength: 1, maxLength: 60 }),
  reply: fc.array(token, { minLength: 1, maxLength: 20 }),
  weight: fc.double({ min: 0.1, max: 1, noNaN: true }),
});
/** Samples that often share a prefix, some their complete prompt. */
const samples = fc.tuple(
  fc.array(token, { maxLength: 20 }),
  fc.array(sample, { minLength: 1, maxLength: 12 }),
  fc.boolean(),
).map(([beginning, samples, isAlike]) =>
  samples.map((sample) =>
    isAlike ? { ...sample, prompt: [...beginning, ...sample.prompt.slice(0, 3)] } : sample
  )
).map((samples) =>
  samples.map((sample) => ({ ...sample, prompt: sample.prompt.length > 0 ? sample.prompt : [1] }))
);

Deno.test("every sample is in one group, and no group of several is larger than allowed", () => {
  fc.assert(fc.property(samples, fc.integer({ min: 1, max: 300 }), (samples, maxTokens) => {
    const groups = groupSamples(samples, { maxTokens });
    const places = groups.flat().map(({ index }) => index).sort((a, b) => a - b);
    assert.deepEqual(places, samples.map((_, index) => index));
    for (const group of groups) {
      const { rows, paddedLength } = packGroup(group).shape;
      assert.ok(group.length === 1 || paddedLength * group.length <= maxTokens);
      assert.ok(rows % 16 === 0 && paddedLength % 16 === 0);
    }
  }));
});

Deno.test("each prediction is at its own token, labelled with the next one and weighted as its sample", () => {
  fc.assert(fc.property(samples, (samples) => {
    const [group = []] = groupSamples(samples, { maxTokens: 1e6 });
    const batch = packGroup(group);
    const seen = group.map(() => 0);
    batch.owners.forEach((owner, row) => {
      const weight = batch.weights[row];
      if (owner === -1) return assert.equal(weight, 0);
      const slot = group.findIndex(({ index }) => index === owner);
      const sample = group[slot]?.sample;
      assert.ok(sample);
      const position = sample.prompt.length - 1 + (seen[slot] ?? 0);
      const ids = [...sample.prompt, ...sample.reply];
      assert.equal(weight, sample.weight);
      assert.equal(batch.labels[row], ids[position + 1]);
      assert.equal(batch.tokens[batch.predicted[row] ?? -1], ids[position]);
      assert.equal(batch.predictedFromPadded[row], slot * batch.shape.paddedLength + position);
      assert.equal(batch.toPredicted[batch.predicted[row] ?? -1], row);
      assert.equal(batch.paddedToPredicted[batch.predictedFromPadded[row] ?? -1], row);
      seen[slot] = (seen[slot] ?? 0) + 1;
    });
    assert.deepEqual(seen, group.map(({ sample }) => sample.reply.length));
  }));
});

Deno.test("padded rows are their samples' tokens, and filler rows point to filler rows", () => {
  fc.assert(fc.property(samples, (samples) => {
    const [group = []] = groupSamples(samples, { maxTokens: 1e6 });
    const { shape, tokens, tokenCount, toPadded, ownToPadded, toPacked, toPredicted, owners } = packGroup(
      group,
    );
    assert.ok(tokenCount < shape.rows);
    group.forEach(({ sample }, slot) => {
      const ids = [...sample.prompt, ...sample.reply];
      for (let position = 0; position < shape.paddedLength; position++) {
        const packed = toPadded[slot * shape.paddedLength + position] ?? -1;
        if (position < ids.length - 1) assert.equal(tokens[packed], ids[position]);
        else assert.ok(packed >= tokenCount);
      }
    });
    toPacked.forEach((padded, packed) => {
      if (packed < tokenCount) assert.equal(ownToPadded[padded], packed);
      else assert.ok((toPadded[padded] ?? 0) >= tokenCount && owners[toPredicted[packed] ?? -1] === -1);
    });
    ownToPadded.forEach((packed, padded) => {
      if (packed < tokenCount) assert.equal(toPacked[packed], padded);
    });
  }));
});

Deno.test("a prefix that all samples of a group share is computed once", () => {
  const prompt = [1, 2, 3, 4, 5];
  const group = [[6, 7], [6, 8], [9]].map((rest, index) => {
    return { sample: { prompt: [...prompt, ...rest], reply: [50, 51] }, index };
  });
  assert.equal(packGroup(group).tokenCount, 5 + (3 + 3 + 2));
  const same = [0, 1].map((index) => ({ sample: { prompt, reply: [50, 51] }, index }));
  assert.equal(packGroup(same).tokenCount, 4 + (2 + 2));
  assert.equal(packGroup(same.slice(1)).tokenCount, computedTokens({ prompt, reply: [50, 51] }));
});
