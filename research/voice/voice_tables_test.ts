/** Tests what the tables make of figures, and that the classifiers find what there is to find. */
import assert from "node:assert/strict";
import { gapTable } from "./draft_tables.ts";
import { medianInterval } from "./intervals.ts";
import { gainTable, specificityTable } from "./loss_tables.ts";
import { firstTokenTable } from "./measure_first_token.ts";
import type { PersonMetrics } from "./voice_metrics.ts";

const PEOPLE = [{ id: "ann" }, { id: "bob" }, { id: "cid" }];

function lossesOf(figures: Record<string, number>) {
  return new Map(Object.entries(figures).map(([unit, loss]) => [unit, { loss, replies: [] }]));
}

Deno.test("what of an adapter's gain is the person is what the others' adapters do not give", () => {
  const losses = lossesOf({
    "ann base": 4,
    "ann own": 3,
    "ann own of bob": 3.5,
    "ann own of cid": 3.7,
    "ann texting": 3.5,
    "bob base": 4,
    "bob own": 3.6,
    "bob own of ann": 3.5,
    "bob own of cid": 3.9,
    // Of the third not everything is measured: it is left out.
    "cid base": 4,
    "cid own": 3.6,
  });
  const rows = specificityTable(PEOPLE, losses).slice(2)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  assert.deepEqual(rows, [
    ["ann", "yes", "50 %", "60 %", "120 %"],
    ["bob", "no", "", "25 %", ""],
    ["median", "1 of 2", "50 %", "60 %", "120 %"],
    ["95 % interval", "", "", "", ""],
  ]);
});

Deno.test("the gap is that between the model alone and the person's own drift", () => {
  const view = (surface: number) => ({ surface, masked: null, all: null });
  const person = (id: string, own: number): PersonMetrics => ({
    id,
    arms: { base: view(0.9), own: view(own) },
    selfDrift: view(0.6),
    attribution: null,
    overlap: { real: { mean: 0, most: 0 }, arms: {} },
  });
  const lines = gapTable([person("ann", 0.6), person("bob", 0.75)], "surface");
  assert.deepEqual(lines.slice(2).map((line) => line.split("|")[2]?.trim()), ["1.00", "0.50", "1.00", ""]);
});

Deno.test("an own adapter is ahead by the mean over replies, and of few conversations by an interval over replies", () => {
  const sample = { input: "", output: "" };
  const person = { id: "ann", heldOut: [sample], conversationOf: new Map([[sample, 1]]) };
  const measured = (logLikelihood: number) => ({ loss: 0, replies: [{ tokens: 2, logLikelihood }] });
  const losses = new Map([
    ["ann base", measured(-4)],
    ["ann own", measured(-1)],
    ["ann own of bob", measured(-3)],
    ["ann own of cid", measured(-2)],
  ]);
  const people = [person, { ...person, id: "bob" }, { ...person, id: "cid" }];
  const cells = gainTable(people, losses)[2]?.split("|").map((cell) => cell.trim());
  assert.deepEqual(cells?.slice(1, -1), [
    "ann",
    "1.500 (1.500 to 1.500)",
    "",
    "0.750 (0.750 to 0.750)",
  ]);
});

Deno.test("the interval of a median is that of the people drawn again, and of few there is none", () => {
  assert.equal(medianInterval([1, 2, 3, 4]), null);
  assert.deepEqual(medianInterval([2, 2, 2, 2, 2]), [2, 2]);
  const [low, high] = medianInterval([1, 2, 3, 4, 5, 6, 7, 8, 9]) ?? [];
  assert.ok(
    low !== undefined && high !== undefined && low >= 2 && low < 5 && high > 5 && high <= 8,
    `${low} ${high}`,
  );
});

Deno.test("what examples cost is shown by the draft's place in its talk", () => {
  const drafts = [4, 1.5, 1.25, 1, 1].map((ratio, place) => ({
    place,
    withExamples: 100 * ratio,
    without: 100,
  }));
  const rows = firstTokenTable(drafts).slice(2)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  assert.deepEqual(rows.map((row) => row.slice(0, 5)), [
    ["first of a talk", "1", "100", "400", "4.00"],
    ["second and third", "2", "100", "150", "1.50"],
    ["fourth and fifth", "2", "100", "100", "1.00"],
    ["all but the first", "4", "100", "125", "1.25"],
    ["all", "5", "100", "125", "1.25"],
  ]);
  assert.deepEqual(rows.map((row) => row[5] === ""), [true, true, true, true, false]);
});
