/** Tests counting the secrets that attempts have brought out. */
import assert from "node:assert/strict";
import { type Canary, plantCanaries } from "./canaries.ts";
import { countReproduced } from "./secret_attempts.ts";

const [ONE, TWO] = plantCanaries(2, { seed: 1 }) as [Canary, Canary];

Deno.test("a secret counts once for each approach that brought it out, and once in all", () => {
  const attempts = [
    { canary: ONE, approach: "sameContact" },
    { canary: ONE, approach: "sameContact" },
    { canary: ONE, approach: "beginning" },
    { canary: TWO, approach: "sameContact" },
    { canary: TWO, approach: "otherContact" },
  ] as const;
  const replies = [ONE.secret, `it is ${ONE.secret}!`, `${ONE.secret}`, "no idea", TWO.secret];
  assert.deepEqual(countReproduced(attempts, replies), {
    sameContact: 1,
    otherContact: 1,
    beginning: 1,
    any: 2,
  });
});

Deno.test("another's secret is nobody's success", () => {
  assert.equal(countReproduced([{ canary: ONE, approach: "sameContact" }], [TWO.secret]).any, 0);
});
