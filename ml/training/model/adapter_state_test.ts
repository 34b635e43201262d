/** Tests the optimiser's step against AdamW's own formulas, and an adapter's beginning. */
import assert from "node:assert/strict";
import { buildLlamaGguf } from "../../../tests/support/ml/llama_gguf.ts";
import { seededRandom } from "../../engine/sampling.ts";
import { CpuBackend } from "../ggml/backend.ts";
import { AdapterState, OPTIMIZER_DEFAULTS } from "./adapter_state.ts";
import { withLoadedModel } from "../../../tests/suites/training/model_oracle_suite.ts";

const OPTIMIZER = {
  ...OPTIMIZER_DEFAULTS,
  beta1: 0.8,
  beta2: 0.95,
  epsilon: 1e-6,
  weightDecay: 0.1,
  maxGradientNorm: 2,
};

Deno.test("steps are those of AdamW with clipped gradients, bias correction and decoupled decay", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await withLoadedModel(await buildLlamaGguf({ dir }), {
      use: async ({ layout }) => {
        using backend = new CpuBackend(2);
        using adapter = new AdapterState(backend, layout, { seed: 3, optimizer: OPTIMIZER });
        const expected = Float64Array.from(adapter.parameters);
        const [first, second] = [new Float64Array(layout.length), new Float64Array(layout.length)];
        const random = seededRandom(4);
        const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = OPTIMIZER;
        for (const [index, spread] of [0.01, 1, 0.001].entries()) {
          const gradient = Float32Array.from(expected, () => (random() - 0.5) * spread);
          adapter.gradients.set(gradient);
          const gradientNorm = adapter.gradientNorm();
          assert.ok(Math.abs(gradientNorm / Math.hypot(...gradient) - 1) < 1e-6);
          await adapter.step(0.01, { gradientNorm });
          const clip = Math.min(1, maxGradientNorm / gradientNorm);
          const step = index + 1;
          expected.forEach((value, at) => {
            const slope = (gradient[at] ?? 0) * clip;
            const m = first[at] = beta1 * (first[at] ?? 0) + (1 - beta1) * slope;
            const v = second[at] = beta2 * (second[at] ?? 0) + (1 - beta2) * slope * slope;
            const change = m / (1 - beta1 ** step) / (Math.sqrt(v / (1 - beta2 ** step)) + epsilon);
            expected[at] = value - 0.01 * (change + weightDecay * value);
          });
        }
        const difference = adapter.parameters.reduce(
          (most, value, at) => Math.max(most, Math.abs(value - (expected[at] ?? NaN))),
          0,
        );
        assert.ok(difference < 1e-6, `${difference}`);
        assert.equal(adapter.steps, 3);
      },
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("an adapter starts with A uniform by its input's width and with B at zero", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await withLoadedModel(await buildLlamaGguf({ dir }), {
      lora: { rank: 8 },
      use: ({ adapter: { parameters }, layout: { modules, rank } }) => {
        for (const { inputWidth, outputWidth, offsetA, offsetB } of modules) {
          const a = parameters.subarray(offsetA, offsetA + inputWidth * rank);
          const bound = 1 / Math.sqrt(inputWidth);
          assert.ok(a.every((value) => Math.abs(value) <= bound));
          const spread = Math.hypot(...a) / Math.sqrt(a.length);
          assert.ok(Math.abs(spread / (bound / Math.sqrt(3)) - 1) < 0.1, `${spread}`);
          assert.ok(parameters.subarray(offsetB, offsetB + outputWidth * rank).every((value) => value === 0));
        }
        return Promise.resolve();
      },
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
