/** Tests the hand-built backward pass against ggml's autodiff and against central differences of the loss. */
import assert from "node:assert/strict";
import {
  buildLlamaGguf,
  type LlamaGgufOptions,
  type LlamaShape,
  SMALL_SHAPE,
} from "../../../tests/support/ml/llama_gguf.ts";
import { seededRandom } from "../../engine/sampling.ts";
import { LORA_TARGETS, type LoraOptions, type TokenSample } from "../trainer.ts";
import { autodiffGradient } from "../../../tests/suites/training/autodiff_suite.ts";
import type { LoraModule } from "./lora_layout.ts";
import { groupSamples, packGroup } from "./micro_batch.ts";
import { ModelGraph } from "./model_graph.ts";
import { type LoadedModel, withLoadedModel } from "../../../tests/suites/training/model_oracle_suite.ts";

const random = seededRandom(3);
const tokens = (length: number) => Array.from({ length }, () => Math.floor(random() * 340));

const beginning = tokens(6);

/** Of unlike lengths and weights, some beginning alike, so that packing, padding, sharing and shares all matter. */
const SAMPLES: TokenSample[] = [
  { prompt: [...beginning, ...tokens(3)], reply: tokens(4) },
  { prompt: [...beginning, ...tokens(2)], reply: tokens(5), weight: 0.3 },
  { prompt: [...beginning, ...tokens(3)], reply: tokens(3) },
  { prompt: tokens(9), reply: tokens(4) },
  { prompt: tokens(30), reply: tokens(7), weight: 0.5 },
  { prompt: tokens(1), reply: tokens(1), weight: 2 },
  { prompt: tokens(15), reply: tokens(1) },
  { prompt: tokens(12), reply: tokens(19) },
];
/** Long enough that attention is computed in two blocks, and in four. */
const LONG_SAMPLES: TokenSample[] = [
  { prompt: [...beginning, ...tokens(120)], reply: tokens(8) },
  { prompt: [...beginning, ...tokens(70)], reply: tokens(40), weight: 0.5 },
  { prompt: [...beginning, ...tokens(90)], reply: tokens(3) },
  { prompt: tokens(290), reply: tokens(20) },
  { prompt: tokens(200), reply: tokens(100), weight: 2 },
];

function totalWeight(samples: readonly TokenSample[]): number {
  return samples.reduce((sum, { reply, weight = 1 }) => sum + reply.length * weight, 0);
}

/** Gives both matrices of each module numbers that matter; a fresh B is zero and hides A's gradient. */
function scatter({ adapter }: LoadedModel): void {
  const random = seededRandom(9);
  const { parameters } = adapter;
  for (let index = 0; index < parameters.length; index++) parameters[index] = (random() - 0.5) * 0.3;
}

/** The weighted mean loss; with `train` also its gradient, left in the adapter. */
async function lossOf(
  parts: LoadedModel,
  options: { train: boolean; exact?: boolean; samples?: readonly TokenSample[] },
): Promise<number> {
  const { backend, model, layout, weights, adapter, memory } = parts;
  const { samples = SAMPLES } = options;
  const total = totalWeight(samples);
  adapter.gradients.fill(0);
  let loss = 0;
  // Samples that begin alike share a group of their own; the others are grouped by length.
  const alike = samples.slice(0, 3).map((sample, index) => ({ sample, index }));
  const maxTokens = 2 * Math.max(...samples.slice(3).map(({ prompt }) => prompt.length));
  for (const group of [alike, ...groupSamples(samples.slice(3), { maxTokens })]) {
    const packed = packGroup(group);
    using graph = new ModelGraph(backend, {
      model,
      layout,
      weights,
      lora: adapter.tensors({ scale: 1 }),
      shape: packed.shape,
      train: options.train,
      exact: options.exact ?? true,
    });
    graph.place(memory);
    const shares = Float32Array.from(packed.weights, (weight) => weight / total);
    // Equal seeds: dropout leaves out the same numbers whenever the loss is asked.
    graph.load(packed, { shares, random: seededRandom(17) });
    await graph.compute();
    graph.labelProbabilities().forEach((probability, row) =>
      loss -= Math.log(probability) * (shares[row] ?? 0)
    );
  }
  return loss;
}

/** Each matrix of an adapter, by name, and where it lies in the flat array. */
function matricesOf(parts: LoadedModel): { name: string; start: number; end: number }[] {
  const { modules, rank } = parts.layout;
  const matrix = ({ layer, target }: LoraModule, letter: string, start: number, width: number) => {
    return { name: `layer ${layer} ${target} ${letter}`, start, end: start + width * rank };
  };
  return modules.flatMap((module) => [
    matrix(module, "A", module.offsetA, module.inputWidth),
    matrix(module, "B", module.offsetB, module.outputWidth),
  ]);
}

async function withModel(
  { lora, file, shape = { ...SMALL_SHAPE, layers: 3 } }: {
    lora: LoraOptions;
    shape?: LlamaShape;
    file?: Omit<LlamaGgufOptions, "dir">;
  },
  use: (parts: LoadedModel, path: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = await buildLlamaGguf({ dir, shape, ...file });
    await withLoadedModel(path, {
      lora,
      use: async (parts) => {
        scatter(parts);
        await use(parts, path);
      },
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const ADAPTERS: { name: string; lora: LoraOptions }[] = [
  { name: "attention", lora: { rank: 4 } },
  { name: "every matrix", lora: { rank: 8, alpha: 4, targets: LORA_TARGETS } },
  {
    name: "some matrices of each group",
    lora: { rank: 3, targets: ["attn_q", "attn_v", "ffn_up", "ffn_down"] },
  },
  { name: "the upper two layers", lora: { rank: 2, layers: 2, targets: LORA_TARGETS } },
  { name: "one matrix of the last layer", lora: { rank: 1, layers: 1, targets: ["attn_k"] } },
];

async function compareWithAutodiff(
  { lora, samples, file }: {
    lora: LoraOptions;
    samples: readonly TokenSample[];
    file?: Omit<LlamaGgufOptions, "dir">;
  },
): Promise<void> {
  await withModel({ lora, file }, async (parts, path) => {
    const loss = await lossOf(parts, { train: true, samples });
    const { adapter: { gradients, parameters }, layout } = parts;
    const expected = await autodiffGradient(path, layout, { samples, parameters });
    assert.ok(Math.abs(loss - expected.loss) < 1e-5 * expected.loss, `${loss} against ${expected.loss}`);
    for (const { name, start, end } of matricesOf(parts)) {
      const wanted = expected.gradient.subarray(start, end);
      const length = Math.hypot(...wanted);
      const difference = Math.hypot(
        ...wanted.map((value, index) => value - (gradients[start + index] ?? NaN)),
      );
      assert.ok(length > 1e-3 && difference < 1e-5 * length, `${name}: off by ${difference} of ${length}`);
    }
  });
}

for (const { name, lora } of ADAPTERS) {
  Deno.test(`gradients and loss agree with ggml's autodiff: ${name}`, async () => {
    await compareWithAutodiff({ lora, samples: SAMPLES });
  });
}

Deno.test("gradients and loss agree with ggml's autodiff when attention is computed in blocks", async () => {
  await compareWithAutodiff({ lora: { rank: 4, targets: LORA_TARGETS }, samples: LONG_SAMPLES });
});

/** One file of each other architecture. */
const FILES: Omit<LlamaGgufOptions, "dir">[] = [
  { architecture: "qwen2" },
  { architecture: "qwen3", shape: { ...SMALL_SHAPE, headWidth: 32 } },
  {
    architecture: "gemma3",
    tied: true,
    // Every second layer sees everything; of the long samples the others see a part.
    numbers: { "attention.sliding_window": 24, "attention.sliding_window_pattern": 2, "rope.freq_base": 1e6 },
    shape: { ...SMALL_SHAPE, layers: 3, headWidth: 32 },
  },
];

for (const file of FILES) {
  Deno.test(`gradients and loss agree with ggml's autodiff: ${file.architecture}`, async () => {
    await compareWithAutodiff({ lora: { rank: 4, targets: LORA_TARGETS }, samples: SAMPLES, file });
    await compareWithAutodiff({ lora: { rank: 4 }, samples: LONG_SAMPLES, file });
  });
}

const SLOPES: { name: string; dropout?: number; file?: Omit<LlamaGgufOptions, "dir"> }[] = [
  { name: "without dropout" },
  { name: "with dropout", dropout: 0.3 },
  ...FILES.map((file) => ({ name: `${file.architecture}`, file })),
];

for (const { name, dropout = 0, file } of SLOPES) {
  Deno.test(`gradients agree with finite differences of the loss, matrix by matrix: ${name}`, async () => {
    await withModel({ lora: { rank: 4, dropout, targets: LORA_TARGETS }, file }, async (parts) => {
      await lossOf(parts, { train: true });
      const gradients = parts.adapter.gradients.slice();
      const start = parts.adapter.parameters.slice();
      const random = seededRandom(5);
      for (const matrix of matricesOf(parts)) {
        const part = gradients.subarray(matrix.start, matrix.end);
        // Random lengths along the gradient's signs: a long slope, which rounding of the loss does not drown.
        const direction = Float64Array.from(part, (value) => Math.sign(value) * random());
        const length = Math.hypot(...direction);
        const step = 0.05;
        const lossAt = async (distance: number) => {
          const { parameters } = parts.adapter;
          parameters.set(start);
          direction.forEach((value, index) => {
            const at = matrix.start + index;
            parameters[at] = (start[at] ?? 0) + value / length * distance;
          });
          return await lossOf(parts, { train: dropout > 0 });
        };
        const slope = (await lossAt(step) - await lossAt(-step)) / (2 * step);
        const expected = part.reduce(
          (sum, value, index) => sum + value * (direction[index] ?? 0) / length,
          0,
        );
        assert.ok(
          Math.abs(slope - expected) < 0.01 * expected,
          `${matrix.name}: ${slope} against ${expected}`,
        );
      }
    });
  });
}

Deno.test("gradients agree with ggml's autodiff for models of many shapes", async () => {
  const random = seededRandom(21);
  const oneOf = <Value>(...values: Value[]) => values[Math.floor(random() * values.length)] as Value;
  for (let run = 0; run < 12; run++) {
    const [keyValueHeads, headWidth, group] = [oneOf(1, 2, 3), oneOf(16, 32), oneOf(1, 2, 3)];
    const heads = keyValueHeads * group;
    const width = oneOf(32, 64, 96);
    const shape = {
      layers: oneOf(1, 2, 4),
      width,
      heads,
      keyValueHeads,
      headWidth,
      feedForward: oneOf(64, 96),
    };
    const targets = LORA_TARGETS.filter(() => random() < 0.6);
    const lora = { rank: oneOf(1, 2, 5, 16), layers: oneOf(1, shape.layers), targets };
    if (targets.length === 0) continue;
    await withModel({ lora, shape }, async (parts, path) => {
      await lossOf(parts, { train: true });
      const { adapter: { gradients, parameters }, layout } = parts;
      const { gradient } = await autodiffGradient(path, layout, { samples: SAMPLES, parameters });
      const difference = Math.hypot(...gradient.map((value, index) => value - (gradients[index] ?? NaN)));
      const length = Math.hypot(...gradient);
      assert.ok(
        difference < 2e-5 * length,
        `${JSON.stringify({ shape, lora })}: off by ${difference / length}`,
      );
    });
  }
});

Deno.test("rounded weights and results change the gradient's direction only slightly", async () => {
  const lora = { rank: 8, targets: LORA_TARGETS };
  await withModel({ lora }, async (exact, path) => {
    await lossOf(exact, { train: true });
    const expected = exact.adapter.gradients.slice();
    // Cosines measured: 0.9996, 0.9995 and 0.9949.
    for (const [weights, least] of [["bf16", 0.999], ["mixed", 0.998], ["q8_0", 0.99]] as const) {
      await withLoadedModel(path, {
        lora,
        weights,
        use: async (parts) => {
          scatter(parts);
          await lossOf(parts, { train: true, exact: false });
          const { gradients } = parts.adapter;
          const product = expected.reduce((sum, value, index) => sum + value * (gradients[index] ?? NaN), 0);
          const cosine = product / Math.hypot(...expected) / Math.hypot(...gradients);
          assert.ok(cosine > least && cosine <= 1.0001, `${weights}: ${cosine}`);
        },
      });
    }
  });
});
