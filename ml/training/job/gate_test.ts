/** Tests the gate: too few replies, each comparison, and its interval against the textbook's formula. */
import assert from "node:assert/strict";
import { seededRandom } from "../../engine/sampling.ts";
import { gainOver, judge, type MeasuredReply } from "./gate.ts";

const TOKENS = 10;

/** Normal deviates by Box and Muller, moved so that their mean is 0. */
function normals(count: number, seed: number): number[] {
  const random = seededRandom(seed);
  const drawn = Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
  const mean = drawn.reduce((sum, value) => sum + value) / count;
  return drawn.map((value) => value - mean);
}

/** Replies of equal length on which the adapter gains so much per token. */
function replies(
  gains: readonly { base: number; examples: number; conversation?: string }[],
): MeasuredReply[] {
  return gains.map(({ base, examples, conversation }) => ({
    conversation,
    tokens: TOKENS,
    base: -40 - base * TOKENS,
    examples: -40 - examples * TOKENS,
    adapter: -40,
  }));
}

/** Gains around a mean, with a deviation of 0.1. */
function around(mean: { base: number; examples: number }, count: number): MeasuredReply[] {
  const [base, examples] = [normals(count, 1), normals(count, 2)];
  return replies(Array.from({ length: count }, (_, index) => ({
    base: mean.base + 0.1 * (base[index] ?? 0),
    examples: mean.examples + 0.1 * (examples[index] ?? 0),
  })));
}

Deno.test("an adapter measured on fewer than 30 replies is not offered, however well it did", () => {
  const few = judge(around({ base: 1, examples: 1 }, 29));
  assert.equal(few.offered, false);
  assert.match(few.reason, /^Too few to tell: 29 replies were held out, and 30 are needed/);
  assert.match(judge(around({ base: 1, examples: 1 }, 1)).reason, /1 reply was held out/);
  assert.equal(judge(around({ base: 1, examples: 1 }, 30)).offered, true);
});

Deno.test("an adapter must beat the base model, alone and with examples, by more than chance", () => {
  const cases: [{ base: number; examples: number }, boolean, RegExp][] = [
    [
      { base: 0.3, examples: 0.2 },
      true,
      /^Better than the base model by 0\.\d{3} .* and than it with examples/,
    ],
    [{ base: -0.3, examples: 0.2 }, false, /^Not surely better than the base model: ahead by -0\.\d{3} /],
    [
      { base: 0.3, examples: -0.2 },
      false,
      /not surely better than it with examples in its prompt: ahead by -/,
    ],
    [{ base: 0.001, examples: 0.2 }, false, /^Not surely better than the base model/],
    [{ base: 0.3, examples: 0.001 }, false, /^Better than the base model, but not surely/],
  ];
  for (const [mean, offered, words] of cases) {
    const verdict = judge(around(mean, 60));
    assert.equal(verdict.offered, offered, verdict.reason);
    assert.match(verdict.reason, words);
    assert.match(verdict.reason, /on 60 held-out replies$/);
  }
});

Deno.test("the interval is that of a mean's standard error", () => {
  const measured = around({ base: 0.3, examples: 0 }, 200);
  const { mean, low, high } = gainOver("base", measured);
  const gains = measured.map(({ adapter, base, tokens }) => (adapter - base) / tokens);
  const expected = gains.reduce((sum, gain) => sum + gain) / gains.length;
  const variance = gains.reduce((sum, gain) => sum + (gain - expected) ** 2, 0) / (gains.length - 1);
  const margin = 1.96 * Math.sqrt(variance / gains.length);
  assert.ok(Math.abs(mean - expected) < 1e-9);
  assert.ok(Math.abs(expected - low - margin) < 0.1 * margin, `${expected - low} against ${margin}`);
  assert.ok(Math.abs(high - expected - margin) < 0.1 * margin, `${high - expected} against ${margin}`);
});

Deno.test("replies of one conversation count as one where they are alike", () => {
  const own = normals(20, 3);
  const gains = Array.from({ length: 180 }, (_, index) => {
    const gain = 0.02 + 0.1 * (own[index % own.length] ?? 0);
    return { base: gain, examples: gain, conversation: String(index % own.length) };
  });
  const width = ({ low, high }: { low: number; high: number }) => high - low;
  const together = gainOver("base", replies(gains));
  const single = gainOver("base", replies(gains.map(({ conversation: _, ...gain }) => gain)));
  // Nine equal replies a conversation: the standard error is three times as large.
  assert.ok(Math.abs(width(together) / width(single) - 3) < 0.4, `${width(together) / width(single)}`);
});

Deno.test("of fewer than ten conversations the replies are drawn one by one", () => {
  const gains = around({ base: 0.3, examples: 0.3 }, 60);
  const three = gains.map((reply, index) => ({ ...reply, conversation: String(index % 3) }));
  assert.deepEqual(gainOver("base", three), gainOver("base", gains));
});

Deno.test("an adapter that is no better than the texting adapter, which drafts without it, is not offered", () => {
  const measured = around({ base: 0.3, examples: 0.3 }, 60);
  const noise = normals(60, 3);
  const ahead = (gain: number) =>
    measured.map((reply, index) => ({
      ...reply,
      texting: -40 - (gain + 0.1 * (noise[index] ?? 0)) * TOKENS,
    }));
  for (
    const [gain, offered, words] of [
      [0.2, true, /Control: surely better than the texting adapter of many others, ahead by 0\.200 /],
      [0.001, true, /Control: not surely better than the texting adapter/],
      [
        -0.001,
        false,
        /^No better than the texting adapter that drafts without it.* Control: not surely better/,
      ],
      [-0.2, false, /Control: surely worse than the texting adapter of many others, ahead by -0\.200 /],
    ] as const
  ) {
    const verdict = judge(ahead(gain));
    assert.equal(verdict.offered, offered, verdict.reason);
    assert.match(verdict.reason, words);
  }
});
