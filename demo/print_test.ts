/** Tests that the demo's columns fit into a terminal of 80 columns, whatever a model writes. */
import assert from "node:assert/strict";
import { halves } from "./print.ts";

Deno.test("two texts side by side stay in their halves, words without end too", () => {
  const lines = halves(["ha".repeat(60), "see you at eight\nby the green door, as always on a Thursday"]);
  assert.deepEqual(lines.map((line) => line.slice(2, 39).trim()).join(""), "ha".repeat(60));
  assert.deepEqual(lines.map((line) => line.slice(41)), [
    "see you at eight",
    "by the green door, as always on a",
    "Thursday",
    "",
  ]);
  assert.ok(lines.every((line) => line.length <= 80));
});
