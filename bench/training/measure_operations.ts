/** Measures where a training step's time goes, by operation. */
import { writeLine } from "../../lib/log.ts";
import type { OperationTime } from "../../ml/training/ggml/graph_profile.ts";
import { matrixUnitMemory } from "../../ml/training/ggml/matrix_unit.ts";
import { openGgml } from "../../ml/training/ggml/library.ts";
import { groupSamples, packGroup } from "../../ml/training/model/micro_batch.ts";
import { type LoadedModel, withLoadedModel } from "../../tests/suites/training/model_oracle_suite.ts";
import { ModelGraph } from "../../ml/training/model/model_graph.ts";
import { autoFormats } from "../../ml/training/memory_estimate.ts";
import { DEFAULT_MICRO_BATCH_TOKENS, type TokenSample } from "../../ml/training/trainer.ts";
import { percent, tableLines } from "../support/bench_output.ts";
import { meanTokens, personJob } from "./person_job.ts";

const BATCH_SIZE = 8;
/** Each operation's shortest time over these rounds counts, since others use the machine too. */
const ROUNDS = 5;
const LEAST_SHARE = 0.01;
const HEAD = ["operation", "times", "ms", "share", "GFLOP/s"];

interface Row {
  count: number;
  ms: number;
  operations: number;
}

/** Splits products by purpose, judged by their first operand's type and shape. */
function kindOf({ name, type, shape }: OperationTime): string {
  if (name !== "MUL_MAT" && name !== "OUT_PROD") return name;
  const isAttention = (shape[2] ?? 1) > 1;
  const isFrozen = type !== "f32";
  const purpose = isAttention ? "attention" : isFrozen ? `frozen weights, ${type}` : "adapter";
  return `${name}, ${purpose}`;
}

function multiplications({ name, shape, resultShape }: OperationTime): number {
  if (name !== "MUL_MAT" && name !== "OUT_PROD") return 0;
  const inner = name === "MUL_MAT" ? shape[0] : shape[1];
  return 2 * (inner ?? 0) * resultShape.reduce((product, size) => product * size, 1);
}

function tabled(times: readonly OperationTime[]): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const time of times) {
    const row = rows.get(kindOf(time)) ?? { count: 0, ms: 0, operations: 0 };
    row.count++;
    row.ms += time.ms;
    row.operations += multiplications(time);
    rows.set(kindOf(time), row);
  }
  return rows;
}

async function profileBatch(parts: LoadedModel, batch: readonly TokenSample[]): Promise<OperationTime[]> {
  const best: OperationTime[] = [];
  for (const group of groupSamples(batch, { maxTokens: DEFAULT_MICRO_BATCH_TOKENS })) {
    const packed = packGroup(group);
    using graph = new ModelGraph(parts.backend, {
      ...parts,
      lora: parts.adapter.tensors({ scale: 1 }),
      shape: packed.shape,
      train: true,
      exact: false,
    });
    graph.place(parts.memory);
    const rounds: OperationTime[][] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const shares = new Float32Array(packed.shape.predictedRows).fill(1 / packed.shape.predictedRows);
      graph.load(packed, { shares, random: () => 0 });
      rounds.push(await graph.profile());
    }
    best.push(...(rounds[0] ?? []).map((time, index) => ({
      ...time,
      ms: Math.min(...rounds.map((round) => round[index]?.ms ?? Infinity)),
    })));
  }
  return best;
}

/** Prints how long each operation of one step takes: eight replies, one thread. */
export async function measureOperations(): Promise<void> {
  const { modelPath, train } = await personJob(0);
  const batch = train.slice(0, BATCH_SIZE);
  const weights = autoFormats()[0] ?? "file";
  const times = await withLoadedModel(modelPath, {
    weights,
    lora: { rank: 8 },
    use: (parts) => profileBatch(parts, batch),
  });
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  const unit = matrixUnitMemory(openGgml()) === null ? "no matrix unit" : "with a matrix unit";
  writeLine(
    `one step of ${BATCH_SIZE} replies, ${meanTokens(batch).toFixed(0)} tokens each, weights ${weights}, ` +
      `one thread, ${unit}: ${total.toFixed(0)} ms`,
  );
  const rows = [...tabled(times)].toSorted(([, a], [, b]) => b.ms - a.ms)
    .filter(([, { ms }]) => ms >= LEAST_SHARE * total)
    .map(([kind, { count, ms, operations }]) => [
      kind,
      String(count),
      ms.toFixed(0),
      percent(ms / total),
      operations > 0 ? (operations / ms / 1e6).toFixed(0) : "",
    ]);
  for (const line of tableLines(HEAD, rows)) writeLine(line);
}
