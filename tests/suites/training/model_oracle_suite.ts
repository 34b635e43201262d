/** Loads models as the trainer does and compares the graph's logits with llama.cpp's. */
import { getLlama, type Llama, type Token } from "node-llama-cpp";
import { CpuBackend, GraphMemory } from "../../../ml/training/ggml/backend.ts";
import { GgufFile } from "../../../ml/training/ggml/gguf_file.ts";
import { matrixUnitMemory } from "../../../ml/training/ggml/matrix_unit.ts";
import type { LoraOptions, TokenSample } from "../../../ml/training/trainer.ts";
import { AdapterState, OPTIMIZER_DEFAULTS } from "../../../ml/training/model/adapter_state.ts";
import { type Hyperparameters, readHyperparameters } from "../../../ml/training/model/hyperparameters.ts";
import { layOutLora, type LoraLayout } from "../../../ml/training/model/lora_layout.ts";
import { packGroup } from "../../../ml/training/model/micro_batch.ts";
import { ModelGraph } from "../../../ml/training/model/model_graph.ts";
import { type FixedFormat, planWeights } from "../../../ml/training/model/weight_plan.ts";
import { ModelWeights } from "../../../ml/training/model/weights.ts";

/** K-quants hold 256 numbers in a block: rows must be that long. */
export const WIDE_SHAPE = { layers: 2, width: 256, heads: 4, keyValueHeads: 1, feedForward: 512 };
/** Tokens of the prompts that are compared. */
export const COMPARED_LENGTHS = [1, 17, 200];
export const COMPARED_ROWS = 3;

export interface LoadedModel {
  backend: CpuBackend;
  model: Hyperparameters;
  layout: LoraLayout;
  weights: ModelWeights;
  adapter: AdapterState;
  memory: GraphMemory;
}

export interface LoadOptions {
  /** Default: where the processor has one. */
  matrixUnit?: boolean;
  weights?: FixedFormat;
  lora?: LoraOptions;
  threads?: number;
}

/** Loads a model and passes it to `use`. */
export async function withLoadedModel<Result>(
  path: string,
  options: LoadOptions & { use: (parts: LoadedModel) => Promise<Result> },
): Promise<Result> {
  using backend = new CpuBackend(options.threads ?? 1);
  using file = new GgufFile(backend.ggml, path);
  const model = readHyperparameters(file);
  const layout = layOutLora(options.lora ?? { rank: 4 }, model);
  const plan = planWeights(file, model, {
    format: options.weights ?? "f32",
    firstTrained: layout.firstLayer,
    matrixUnit: options.matrixUnit ?? matrixUnitMemory(backend.ggml) !== null,
  });
  using weights = await ModelWeights.load(backend, file, { plan });
  using adapter = new AdapterState(backend, layout, { seed: 1, optimizer: OPTIMIZER_DEFAULTS });
  using memory = new GraphMemory(backend);
  return await options.use({ backend, model, layout, weights, adapter, memory });
}

/** The tokens as a sample whose predictions are those after each of the last `count` tokens. */
function sampleOf(tokens: readonly number[], count: number): TokenSample {
  const split = tokens.length - count + 1;
  return { prompt: tokens.slice(0, split), reply: [...tokens.slice(split), 0] };
}

function logSoftMax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const sum = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
  return Float64Array.from(logits, (logit) => logit - largest - Math.log(sum));
}

/** Log-probabilities of every token after each of the last `count` tokens, by our graph without an adapter. */
export async function graphTable(
  { backend, model, layout, weights, memory }: LoadedModel,
  tokens: readonly number[],
  options: { count: number },
): Promise<Float64Array[]> {
  const packed = packGroup([{ sample: sampleOf(tokens, options.count), index: 0 }]);
  using graph = new ModelGraph(backend, {
    model,
    layout,
    weights,
    lora: null,
    shape: packed.shape,
    train: false,
    exact: true,
    keepLogits: true,
  });
  graph.place(memory);
  graph.load(packed, { shares: new Float32Array(packed.shape.predictedRows), random: () => 0 });
  await graph.compute();
  const logits = graph.logits();
  const { vocabularySize } = model;
  return Array.from(
    { length: options.count },
    (_, row) => logSoftMax(logits.subarray(row * vocabularySize, (row + 1) * vocabularySize)),
  );
}

/** Opens llama.cpp for a comparison. */
export function openOracle(): Promise<Llama> {
  return getLlama({ gpu: false, build: "never", skipDownload: true, logger: () => {} });
}

/** The same by llama.cpp, attention in 32-bit floats as in the graph. */
export async function llamaTable(
  llama: Llama,
  path: string,
  options: { tokens: readonly number[]; count: number; adapter?: { filePath: string; scale: number } },
): Promise<Float64Array[]> {
  const { tokens, count, adapter } = options;
  await using model = await llama.loadModel({ modelPath: path });
  await using context = await model.createContext({
    contextSize: 512,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
    lora: adapter && { adapters: [adapter] },
  });
  const wanted = { generateNext: { probabilities: true, options: { temperature: 0 } } } as const;
  const first = tokens.length - count;
  const outputs = await context.getSequence().controlledEvaluate(
    tokens.map((token, index) => index < first ? token as Token : [token as Token, wanted]),
  );
  return outputs.slice(first).map((output) => {
    const probabilities = output?.next.probabilities ?? new Map<Token, number>();
    const table = new Float64Array(probabilities.size);
    for (const [token, probability] of probabilities) table[token] = Math.log(probability);
    return table;
  });
}

/** The largest and the mean difference between two tables. */
export function differenceOf(
  actual: readonly Float64Array[],
  expected: readonly Float64Array[],
): { most: number; mean: number } {
  const differences = actual.flatMap((row, index) => {
    const other = expected[index];
    if (other?.length !== row.length) throw new Error("The tables differ in size");
    return Array.from(row, (value, token) => Math.abs(value - (other[token] ?? NaN)));
  });
  const sum = differences.reduce((sum, difference) => sum + difference, 0);
  return { most: differences.reduce((a, b) => Math.max(a, b), 0), mean: sum / differences.length };
}

/** How far the graph's log-probabilities are from llama.cpp's on the same file, for each of the compared lengths. */
export async function differencesFromLlama(
  llama: Llama,
  { path, weights }: { path: string; weights: FixedFormat },
): Promise<{ length: number; most: number; mean: number }[]> {
  const differences: { length: number; most: number; mean: number }[] = [];
  for (const length of COMPARED_LENGTHS) {
    const tokens = Array.from({ length }, (_, index) => (index * 7919 + 11) % 300);
    const count = Math.min(COMPARED_ROWS, length);
    const expected = await llamaTable(llama, path, { tokens, count });
    const actual = await withLoadedModel(path, {
      weights,
      use: (parts) => graphTable(parts, tokens, { count }),
    });
    differences.push({ length, ...differenceOf(actual, expected) });
  }
  return differences;
}
