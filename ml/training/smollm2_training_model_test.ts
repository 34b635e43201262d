/** Tests training on the real small model: its logits, a few steps on messages, and llama.cpp with the adapter. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Llama } from "node-llama-cpp";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { createTrainer } from "./lora_trainer.ts";
import {
  differenceOf,
  graphTable,
  llamaTable,
  openOracle,
  withLoadedModel,
} from "../../tests/suites/training/model_oracle_suite.ts";
import type { TokenSample } from "./trainer.ts";

const TEXT =
  "I went to the store yesterday and bought some milk, eggs and bread, because my sister was coming over " +
  "for dinner. She said that she would bring dessert, but in the end we ordered pizza and watched a film. ";

const EXCHANGES: [string, string][] = [
  [
    "are you coming tonight? we start at eight and I could pick you up",
    "yeah sure gimme ten minutes after work lol",
  ],
  ["did you see the game yesterday", "omg yes that last goal was insane"],
  ["I think I left my keys at your place, can you check?", "found em under the newspaper haha"],
  ["what do you want for dinner", "tacos pls or pizza idk"],
];

async function tokenized(llama: Llama, modelPath: string, texts: readonly string[]): Promise<number[][]> {
  await using model = await llama.loadModel({ modelPath });
  return texts.map((text) => model.tokenize(text, true));
}

async function samplesOf(llama: Llama, modelPath: string): Promise<TokenSample[]> {
  const prompts = EXCHANGES.map(([them]) =>
    `<|im_start|>system\nYou are Sam.<|im_end|>\n<|im_start|>user\n${them}<|im_end|>\n<|im_start|>assistant\n`
  );
  const prompt = await tokenized(llama, modelPath, prompts);
  const reply = await tokenized(llama, modelPath, EXCHANGES.map(([, me]) => `${me}<|im_end|>`));
  return prompt.map((prompt, index) => ({ prompt, reply: reply[index] ?? [] }));
}

Deno.test("the real model's log-probabilities equal llama.cpp's up to both sides' rounding of activations", async () => {
  const { path } = await fetchSmallModel();
  await using llama = await openOracle();
  const [tokens = []] = await tokenized(llama, path, [TEXT.repeat(5)]);
  const compared = await Promise.all([4, 60, 200].map(async (length) => {
    const part = tokens.slice(0, length);
    return { part, expected: await llamaTable(llama, path, { tokens: part, count: 2 }) };
  }));
  for (const weights of ["file", "mixed"] as const) {
    await withLoadedModel(path, {
      weights,
      use: async (parts) => {
        for (const { part, expected } of compared) {
          const actual = await graphTable(parts, part, { count: 2 });
          // With the same weights as 32-bit floats on both sides the largest difference is 0.0003; the file's
          // 4-bit products round activations to 8 bits, and 30 layers carry that on.
          const { mean } = differenceOf(actual, expected);
          assert.ok(mean < 0.35, `${weights} at ${part.length} tokens: ${mean}`);
        }
      },
    });
  }
});

Deno.test("an adapter trained on a few messages has the same effect in llama.cpp as in the trainer", async () => {
  const { path } = await fetchSmallModel();
  const dir = await Deno.makeTempDir();
  try {
    await using llama = await openOracle();
    const samples = await samplesOf(llama, path);
    using trainer = await createTrainer({
      modelPath: path,
      lora: { rank: 8, alpha: 16 },
      seed: 1,
      threads: 1,
    });
    const losses: number[] = [];
    for (let step = 0; step < 4; step++) {
      losses.push((await trainer.step(samples, { learningRate: 2e-3 })).loss);
    }
    assert.ok((losses.at(-1) ?? NaN) < 0.8 * (losses[0] ?? NaN), losses.join(", "));
    const filePath = join(dir, "adapter.gguf");
    await trainer.exportAdapter(filePath, {});
    for (const scale of [0, 1]) {
      const [likelihood] = await trainer.evaluate(samples.slice(0, 1), { adapterScale: scale });
      const { prompt, reply } = samples[0] ?? { prompt: [], reply: [] };
      const table = await llamaTable(llama, path, {
        tokens: [...prompt, ...reply.slice(0, -1)],
        count: reply.length,
        adapter: { filePath, scale },
      });
      const expected = reply.reduce((sum, token, row) => sum + (table[row]?.[token] ?? NaN), 0) /
        reply.length;
      const actual = (likelihood?.logLikelihood ?? NaN) / reply.length;
      assert.ok(
        Math.abs(actual - expected) < 0.1,
        `scale ${scale}: ${actual} against ${expected} for each token`,
      );
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
