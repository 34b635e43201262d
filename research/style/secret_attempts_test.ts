/** Tests counting the secrets that attempts have brought out. */
import assert from "node:assert/strict";
import { type Canary, plantCanaries } from "./canaries.ts";
import { countReproduced } from "./secret_attempts.ts";

const [ONE, TWO] = plantCanaries(2, { seed: 1 }) as [Canary, Canary];

Deno.test("a secret counts once for each approach that revealed it, and once in total", () => {
  const answers = [
    { approach: "sameContact", reply: ONE.secret },
    { approach: "sameContact", reply: `it is ${ONE.secret}!` },
    { approach: "beginning", reply: ONE.secret },
    { approach: "sameContact", reply: "no idea" },
    { approach: "otherContact", reply: TWO.secret },
  ] as const;
  assert.deepEqual(countReproduced([ONE, TWO], answers), {
    sameContact: 1,
    otherContact: 1,
    beginning: 1,
    any: 2,
  });
});

Deno.test("nothing is counted where no secret is said", () => {
  const answers = [{ approach: "sameContact", reply: "no idea, sorry" }] as const;
  assert.equal(countReproduced([ONE, TWO], answers).any, 0);
});
