// Checks how the age of rows is known from when they were first seen.
import assert from "node:assert/strict";
import { RowAge } from "./row_age.ts";

Deno.test("rows are final once their first sighting is old enough, in the order of sightings", () => {
  const clock = new RowAge();
  assert.equal(clock.finalRowId(1_000), 0);
  clock.observe(10, { atMs: 1_000, nowMs: 1_000 });
  clock.observe(10, { atMs: 2_000, nowMs: 2_000 });
  clock.observe(15, { atMs: 3_000, nowMs: 3_000 });
  assert.equal(clock.finalRowId(999), 0);
  assert.equal(clock.finalRowId(1_000), 10);
  assert.equal(clock.finalRowId(2_999), 10);
  assert.equal(clock.finalRowId(9_000), 15);
});

Deno.test("a final row stays final when the newest rows are deleted or the clock moves back", () => {
  const clock = new RowAge();
  clock.observe(10, { atMs: 1_000, nowMs: 1_000 });
  assert.equal(clock.finalRowId(1_000), 10);
  clock.observe(8, { atMs: 5_000, nowMs: 5_000 });
  assert.equal(clock.finalRowId(500), 10);
  clock.observe(11, { atMs: 6_000, nowMs: 6_000 });
  assert.equal(clock.finalRowId(5_999), 10);
  assert.equal(clock.finalRowId(6_000), 11);
});

Deno.test("when the clock moves back, a row counts from then on instead of waiting for the old time", () => {
  const clock = new RowAge();
  clock.observe(10, { atMs: 3_600_000, nowMs: 3_600_000 });
  clock.observe(10, { atMs: 1_000, nowMs: 1_000 });
  assert.equal(clock.finalRowId(999), 0);
  assert.equal(clock.finalRowId(1_000), 10);
});
