/** Tests that the GPU packages go in and out of package.json and nothing else changes. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { type LockFile, overridesWith, withoutLlamaResolution } from "./gpu_packages.ts";

Deno.test("switching the GPU packages on and off again gives the package.json we ship", () => {
  const on = overridesWith(manifest.overrides, true);
  assert.deepEqual(Object.keys(on).filter((name) => /cuda|vulkan/.test(name)), []);
  assert.deepEqual(overridesWith(on, false), manifest.overrides);
});

Deno.test("the lock file forgets how node-llama-cpp was resolved, and nothing else", async () => {
  const path = fileURLToPath(new URL("../deno.lock", import.meta.url));
  const lock: LockFile = JSON.parse(await Deno.readTextFile(path));
  const forgotten = withoutLlamaResolution(lock);
  const lost = (part: "npm" | "specifiers"): string[] =>
    Object.keys(lock[part]).filter((name) => !(name in forgotten[part]));
  assert.deepEqual(lost("specifiers"), ["npm:node-llama-cpp@3.21.1"]);
  assert.deepEqual(lost("npm"), ["node-llama-cpp@3.21.1"]);
});
