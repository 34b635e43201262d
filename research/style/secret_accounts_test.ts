/** Tests the place of a planted secret among decoys. */
import assert from "node:assert/strict";
import type { TokenSample } from "../../ml/training/trainer.ts";
import { plantCanaries } from "./canaries.ts";
import { rankAmong, secretRanks } from "./secret_accounts.ts";

/** A reply's characters for tokens, so that a test can read what is evaluated. */
const TOKENIZER = {
  tokenize: ({ input, output }: { input: string; output: string }) => ({
    prompt: [input.length],
    reply: Array.from(output, (character) => character.charCodeAt(0)),
  }),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

function textOf({ reply }: TokenSample): string {
  return String.fromCharCode(...reply);
}

Deno.test("the place counts what is more likely, and stands in the middle of what is as likely", () => {
  assert.equal(rankAmong(-1, [-2, -3]), 1);
  assert.equal(rankAmong(-3, [-1, -2]), 3);
  assert.equal(rankAmong(-1, [-1, -1]), 2);
});

Deno.test("a model that knows the secrets puts each first, one that knows nothing in the middle on average", async () => {
  const canaries = plantCanaries(100, { seed: 1 });
  const known = new Set(canaries.map(({ output }) => output));
  const ranksBy = (likelihoodOf: (text: string) => number) =>
    secretRanks(canaries, {
      tokenizer: TOKENIZER,
      decoys: 31,
      seed: 2,
      evaluate: (samples) => {
        assert.equal(new Set(samples.map(textOf)).size, 32);
        return Promise.resolve(
          samples.map((sample) => ({
            tokens: sample.reply.length,
            logLikelihood: likelihoodOf(textOf(sample)),
          })),
        );
      },
    });
  assert.ok((await ranksBy((text) => known.has(text) ? -1 : -9)).every((rank) => rank === 1));
  const ranks = await ranksBy((text) =>
    -Array.from(text).reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 997, 7)
  );
  const mean = ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length;
  assert.ok(Math.abs(mean - 16.5) < 3, `${mean}`);
});
