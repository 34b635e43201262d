/** Tests what the demo's command line takes. */
import assert from "node:assert/strict";
import { demoOptionsOf } from "./options.ts";

Deno.test("a demo trains for six minutes at most, or for as many as are asked for", () => {
  assert.deepEqual(demoOptionsOf([]), { corpus: false, exit: false, trainingMinutes: 6 });
  assert.deepEqual(demoOptionsOf(["--exit", "--training=0.5", "--corpus"]), {
    corpus: true,
    exit: true,
    trainingMinutes: 0.5,
  });
  assert.equal(demoOptionsOf(["--training=0"]).trainingMinutes, 0);
});

Deno.test("an argument that is not known, and minutes that are none, are refused with what would do", () => {
  assert.throws(() => demoOptionsOf(["--quick"]), /Unknown argument --quick[\s\S]*--training=MINUTES/);
  assert.throws(() => demoOptionsOf(["--training"]), /Unknown argument --training/);
  for (const minutes of ["", "-1", "two", "1441", "Infinity", "1e3"]) {
    assert.throws(() => demoOptionsOf([`--training=${minutes}`]), /such as --training=5/, minutes);
  }
});
