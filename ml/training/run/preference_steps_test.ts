/** Tests learning from pairs: the gradient against finite differences, what it does to both replies, and a complete job. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { buildLlamaGguf } from "../../../tests/support/ml/llama_gguf.ts";
import { makeTrainingFolder } from "../../../tests/support/training/training_folder.ts";
import { seededRandom } from "../../engine/sampling.ts";
import { createTrainer } from "../lora_trainer.ts";
import type { PreparedSample } from "../samples/prepare_samples.ts";
import type { Trainer, TrainerOptions } from "../trainer.ts";
import { readMetrics } from "../job/metrics_file.ts";
import { type PairLikelihood, preferenceLoss, preferenceSteps } from "./preference_steps.ts";
import { runTraining } from "./run_training.ts";

const random = seededRandom(23);
const tokens = (length: number) => Array.from({ length }, () => Math.floor(random() * 340));
const PAIRS: PreparedSample[] = [9, 20, 4, 13].map((length, index) => ({
  prompt: tokens(length),
  reply: tokens(3 + index),
  rejected: tokens(7 - index),
  weight: index === 2 ? 0.5 : 1,
}));
const signal = new AbortController().signal;

async function withTrainer(
  changes: Partial<TrainerOptions>,
  use: (trainer: Trainer, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const modelPath = await buildLlamaGguf({ dir });
    using trainer = await createTrainer({
      modelPath,
      lora: { rank: 4 },
      seed: 3,
      threads: 1,
      weights: "f32",
      ...changes,
    });
    await use(trainer, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function likelihoods(trainer: Trainer, adapterScale: 0 | 1): Promise<PairLikelihood[]> {
  const likelihood = async (reply: "reply" | "rejected") =>
    await trainer.evaluate(PAIRS.map((pair) => ({ prompt: pair.prompt, reply: pair[reply] ?? [] })), {
      adapterScale,
    });
  const [preferred, rejected] = [await likelihood("reply"), await likelihood("rejected")];
  return PAIRS.map((_, index) => ({
    preferred: preferred[index]?.logLikelihood ?? NaN,
    rejected: rejected[index]?.logLikelihood ?? NaN,
  }));
}

/** A training state that has taken no step, with any parameters: header, numbers, checksum. */
class FreshState {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #start: number;
  readonly #path: string;

  constructor(bytes: Uint8Array<ArrayBuffer>, path: string) {
    const header = bytes.indexOf(10) + 1;
    this.#bytes = bytes;
    this.#path = path;
    this.#start = header + 4 + new DataView(bytes.buffer).getUint32(header, true);
  }

  /** Parameters of a state; two moments of the same length follow them. */
  parametersOf(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
    return new Float32Array(
      bytes.slice(this.#start, this.#start + (bytes.length - 32 - this.#start) / 3).buffer,
    );
  }

  get parameters(): Float32Array<ArrayBuffer> {
    return this.parametersOf(this.#bytes);
  }

  async load(trainer: Trainer, parameters: Float32Array<ArrayBuffer>): Promise<void> {
    const bytes = this.#bytes.slice();
    bytes.set(new Uint8Array(parameters.buffer), this.#start);
    const body = bytes.subarray(0, -32);
    bytes.set(createHash("sha256").update(body).digest(), body.length);
    await Deno.writeFile(this.#path, bytes);
    await trainer.loadState(this.#path);
  }
}

/** So large that AdamW's first step is the gradient itself, times rate / epsilon. */
const FLAT_EPSILON = 1e6;

for (const { beta, anchor } of [{ beta: 0.1, anchor: 0 }, { beta: 0.5, anchor: 1 }]) {
  Deno.test(`the gradient of pairs agrees with finite differences: beta ${beta}, anchor ${anchor}`, async () => {
    const optimizer = { epsilon: FLAT_EPSILON, maxGradientNorm: 1e30 };
    await withTrainer({ optimizer }, async (trainer, dir) => {
      const path = join(dir, "state");
      await trainer.saveState(path);
      const fresh = new FreshState(await Deno.readFile(path), path);
      // Away from the start, where the matrices B are zero and the policy is the base model.
      const here = fresh.parameters.map((number) => number + 0.2 * (random() - 0.5));
      const base = await likelihoods(trainer, 0);
      const lossAt = async (parameters: Float32Array<ArrayBuffer>) => {
        await fresh.load(trainer, parameters);
        return preferenceLoss(PAIRS, { beta, anchor, base, policy: await likelihoods(trainer, 1) }).loss;
      };
      const takeStep = await preferenceSteps(trainer, PAIRS, { beta, anchor, signal });
      await fresh.load(trainer, here);
      const { loss, gradientNorm } = await takeStep(PAIRS, { learningRate: FLAT_EPSILON, signal });
      await trainer.saveState(path);
      const there = fresh.parametersOf(await Deno.readFile(path));
      const gradient = here.map((number, index) => number - (there[index] ?? 0));
      assert.ok(Math.abs(Math.hypot(...gradient) / gradientNorm - 1) < 1e-3);
      assert.ok(Math.abs(loss - await lossAt(here)) < 1e-4);
      for (let direction = 0; direction < 6; direction++) {
        // Along the gradient's own components, another half of them each time.
        const along = gradient.map((slope) => random() < 0.5 ? slope / gradientNorm : 0);
        const expected = along.reduce((sum, part, index) => sum + part * (gradient[index] ?? 0), 0);
        const width = 0.02;
        const at = async (side: number) =>
          await lossAt(here.map((number, index) => number + side * width * (along[index] ?? 0)));
        const actual = (await at(1) - await at(-1)) / (2 * width);
        assert.ok(Math.abs(actual / expected - 1) < 0.02, `${actual} against ${expected}`);
      }
    });
  });
}

function sumOf(pairs: readonly PairLikelihood[], reply: keyof PairLikelihood): number {
  return pairs.reduce((sum, pair) => sum + pair[reply], 0);
}

Deno.test("steps on pairs make the preferred reply more probable and the rejected one less", async () => {
  await withTrainer({}, async (trainer) => {
    const base = await likelihoods(trainer, 0);
    const takeStep = await preferenceSteps(trainer, PAIRS, { beta: 0.1, anchor: 1, signal });
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      losses.push((await takeStep(PAIRS, { learningRate: 5e-3, signal })).loss);
    }
    const policy = await likelihoods(trainer, 1);
    assert.ok((losses.at(-1) ?? NaN) < (losses[0] ?? NaN) / 2, losses.join());
    assert.ok(sumOf(policy, "preferred") > sumOf(base, "preferred") + 10);
    assert.ok(sumOf(policy, "rejected") < sumOf(base, "rejected") - 10);
  });
});

Deno.test("a pair counts by its weight, and every pair starts with a loss of log 2", () => {
  const same: PairLikelihood[] = PAIRS.map(() => ({ preferred: -5, rejected: -7 }));
  const { loss, weights } = preferenceLoss(PAIRS, { beta: 0.1, anchor: 0, policy: same, base: same });
  assert.ok(Math.abs(loss - Math.LN2) < 1e-12);
  assert.ok(Math.abs((weights[2]?.preferred ?? 0) - (weights[0]?.preferred ?? 0) / 2) < 1e-12);
  for (const { preferred, rejected } of weights) assert.equal(preferred, -rejected);
  const sure = PAIRS.map(() => ({ preferred: 0, rejected: -1e6 }));
  const far = preferenceLoss(PAIRS, { beta: 0.1, anchor: 0, policy: sure, base: same });
  assert.ok(far.loss === 0 && far.weights.every(({ preferred }) => preferred >= 0 && preferred < 1e-30));
  const wrong = preferenceLoss(PAIRS, { beta: 0.1, anchor: 0, policy: same, base: sure });
  assert.ok(Number.isFinite(wrong.loss) && wrong.loss > 1_000);
});

/** Each step's loss, and each epoch's. */
async function lossesOf(folder: string): Promise<number[]> {
  const metrics = await Array.fromAsync(readMetrics(folder));
  return metrics.map((metric) => metric.type === "step" ? metric.loss : metric.heldOutLoss);
}

Deno.test("a job of pairs produces an adapter, and the same one when it is killed and resumed", async () => {
  await using training = await makeTrainingFolder();
  const run = async (folder: string, untilStep?: number) => {
    const cancellation = new AbortController();
    return await runTraining(folder, {
      emit: (event) => event.type === "step" && event.step === untilStep && cancellation.abort(),
      signal: cancellation.signal,
    });
  };
  const [uninterrupted, interrupted] = [
    await training.job({ jobId: "same", method: "dpo" }),
    await training.job({ jobId: "same", method: "dpo" }),
  ];
  const result = await run(uninterrupted);
  assert.equal(result.method, "dpo");
  const { adapterLoss, baseLoss } = result.heldOut;
  assert.ok(adapterLoss < baseLoss, "the anchor keeps the person's replies probable");
  await assert.rejects(run(interrupted, 11));
  const resumed = await run(interrupted);
  assert.deepEqual(await lossesOf(interrupted), await lossesOf(uninterrupted));
  assert.equal(resumed.adapterHash, result.adapterHash);
});
