/** Tests a complete job on the real small model: the process trains, and llama.cpp with the adapter agrees. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Llama } from "node-llama-cpp";
import { fetchSmallModel } from "../../../tests/support/ml/small_model.ts";
import { inventedSamples } from "../../../tests/support/training/training_folder.ts";
import { createLlamaEngine } from "../../engine/llama/llama.ts";
import { openSampleTokenizer } from "../../engine/llama/sample_tokenizer.ts";
import { llamaTable, openOracle } from "../../../tests/suites/training/model_oracle_suite.ts";
import type { TokenSample } from "../trainer.ts";
import type { TrainingEvent } from "../job/training_event.ts";
import { startTrainingProcess } from "./training_process.ts";
import { writeTrainingRequest } from "../job/training_request.ts";
import { silentLogger } from "../../../lib/log.ts";

/** The same loss by llama.cpp, which computes with the file's weights as they are. */
async function lossByLlama(
  llama: Llama,
  samples: readonly TokenSample[],
  options: { modelPath: string; adapterPath?: string },
): Promise<number> {
  let [sum, tokens] = [0, 0];
  for (const { prompt, reply } of samples) {
    const table = await llamaTable(llama, options.modelPath, {
      tokens: [...prompt, ...reply.slice(0, -1)],
      count: reply.length,
      adapter: options.adapterPath === undefined ? undefined : { filePath: options.adapterPath, scale: 1 },
    });
    reply.forEach((token, row) => sum -= table[row]?.[token] ?? NaN);
    tokens += reply.length;
  }
  return sum / tokens;
}

Deno.test("a job on the real small model learns a style, and llama.cpp with its adapter agrees", async () => {
  const { path: modelPath } = await fetchSmallModel();
  const dir = await Deno.makeTempDir();
  try {
    const samples = inventedSamples(24).map((sample, index) => ({ ...sample, heldOut: index % 8 === 0 }));
    const folder = join(dir, "job");
    await writeTrainingRequest(folder, {
      jobId: "job",
      modelPath,
      modelId: "smollm2-135m-instruct",
      samples,
      epochs: 1,
      learningRate: 2e-3,
      batchSize: 3,
      threads: 1,
      seed: 7,
    });
    const process = startTrainingProcess(folder);
    const events: TrainingEvent[] = await Array.fromAsync(process.events);
    const end = await process.end;
    assert.ok(end.status === "completed", JSON.stringify(end));
    const { heldOut, adapterPath } = end.result;
    assert.equal(events.filter(({ type }) => type === "step").length, 7);
    assert.equal(heldOut.samples, 3);
    assert.ok(heldOut.adapterLoss < heldOut.baseLoss - 0.3, JSON.stringify(heldOut));
    await using tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
    const held = samples.filter((sample) => sample.heldOut)
      .map((sample) => tokenizer.tokenize(sample, { maxTokens: 512 }) ?? { prompt: [], reply: [] });
    assert.equal(held.reduce((sum, { reply }) => sum + reply.length, 0), heldOut.tokens);
    await using llama = await openOracle();
    const base = await lossByLlama(llama, held, { modelPath });
    const adapted = await lossByLlama(llama, held, { modelPath, adapterPath });
    // llama.cpp multiplies the file's 4-bit weights with activations of 8 bits, the trainer with 16.
    assert.ok(Math.abs(base - heldOut.baseLoss) < 0.1, `base: ${base} against ${heldOut.baseLoss}`);
    assert.ok(
      Math.abs(adapted - heldOut.adapterLoss) < 0.1,
      `adapter: ${adapted} against ${heldOut.adapterLoss}`,
    );
    await using engine = await createLlamaEngine({
      gpu: "off",
      threads: 1,
      sequences: 1,
      contextSize: 512,
      queueLimit: 1,
      log: silentLogger(),
    });
    await engine.load({ id: "small", path: modelPath });
    const { adapterHash: sha256, probe } = end.result;
    const proof = await engine.probeAdapter({
      id: "a",
      path: adapterPath,
      sha256,
      baseModelId: "small",
      probe,
    });
    assert.ok(proof.probe === "agrees" && proof.shift > 0.3, JSON.stringify(proof));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
