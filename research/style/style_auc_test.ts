/** Tests the classifier that tells drafts from replies. */
import assert from "node:assert/strict";
import { seededRandom } from "../../ml/engine/sampling.ts";
import { areaUnderCurve, styleAuc } from "./style_auc.ts";

const WORDS = ["sure", "maybe", "later", "tonight", "the", "game", "was", "good", "call", "me"];

/** Replies of random length, each with a capital and a full stop by chance. */
function replies(seed: number, chance: { capital: number; stop: number }): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: 60 }, () => {
    const count = 1 + Math.floor(random() * 12);
    const text = Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)]).join(" ");
    const opened = random() < chance.capital ? `A${text}` : text;
    return random() < chance.stop ? `${opened}.` : opened;
  });
}

Deno.test("the area is the share of pairs in the right order, ties counting half", () => {
  assert.equal(areaUnderCurve([2, 3], [0, 1]), 1);
  assert.equal(areaUnderCurve([0, 1], [2, 3]), 0);
  assert.equal(areaUnderCurve([1, 1], [1, 1]), 0.5);
  assert.equal(areaUnderCurve([1, 3], [2]), 0.5);
});

Deno.test("replies with and without capitals and full stops are distinguished", () => {
  const formal = replies(1, { capital: 1, stop: 0.9 });
  const casual = replies(2, { capital: 0.05, stop: 0.05 });
  assert.ok(styleAuc(formal, casual) > 0.95, `${styleAuc(formal, casual)}`);
});

Deno.test("two halves of one style are not distinguished", () => {
  const areas = [1, 2, 3, 4, 5, 6].map((seed) =>
    styleAuc(replies(seed, { capital: 0.5, stop: 0.5 }), replies(seed + 100, { capital: 0.5, stop: 0.5 }))
  );
  const mean = areas.reduce((sum, area) => sum + area, 0) / areas.length;
  assert.ok(Math.abs(mean - 0.5) < 0.06, areas.join(" "));
});

Deno.test("a weak habit gives a figure between", () => {
  const area = styleAuc(replies(7, { capital: 0.8, stop: 0.5 }), replies(8, { capital: 0.3, stop: 0.5 }));
  assert.ok(area > 0.62 && area < 0.9, `${area}`);
});

Deno.test("the length alone is enough to distinguish replies", () => {
  const long = replies(3, { capital: 0.5, stop: 0.5 }).map((reply) => `${reply} `.repeat(12));
  assert.ok(styleAuc(long, replies(4, { capital: 0.5, stop: 0.5 })) > 0.9);
});

Deno.test("equal inputs give equal figures, and too few are refused", () => {
  const [a, b] = [replies(5, { capital: 1, stop: 0 }), replies(6, { capital: 0, stop: 0 })];
  assert.equal(styleAuc(a, b), styleAuc(a, b));
  assert.throws(() => styleAuc(["ok"], b), RangeError);
});
