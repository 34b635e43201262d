/**
 * Measures what the engine's own process costs a request and a token, against the same engine in this process.
 *
 * `deno run -A bench/ml/engine_process_bench.ts`. The tiny model computes next to nothing, so what is left is the cost of
 * the way there and back; a real model's token takes longer, and the added time stays. Both sides take turns.
 */
import { join } from "node:path";
import { runMain } from "../../lib/lifecycle.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";
import { createMetrics } from "../../lib/metrics.ts";
import type { Engine } from "../../ml/engine/engine.ts";
import { createLlamaEngine } from "../../ml/engine/llama/llama.ts";
import { createProcessEngine } from "../../ml/engine/process/process_engine.ts";
import { buildTinyGguf } from "../../tests/support/ml/tiny_gguf.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { median, tableLines } from "../support/bench_output.ts";

const ROUNDS = 60;
const WARM_UP_ROUNDS = 5;
const FEW_TOKENS = 1;
const MANY_TOKENS = 201;

/** Milliseconds of one generation of so many tokens, the prompt known from the time before. */
async function ask(engine: Engine, maxTokens: number): Promise<number> {
  const startedAt = performance.now();
  const { tokensUsed } = await engine.generate({
    prompt: "Them: are you coming tonight?\nMe:",
    conversationId: "bench",
    maxTokens,
    temperature: 0,
    topP: 1,
    repeatPenalty: 1,
    stop: [],
  }, { onToken: () => {} });
  if (tokensUsed !== maxTokens) throw new Error(`The reply ended after ${tokensUsed} tokens`);
  return performance.now() - startedAt;
}

/** The times of one side. */
interface Side {
  name: string;
  engine: Engine;
  requestMs: number[];
  tokenMs: number[];
}

function row({ name, requestMs, tokenMs }: Side, base: Side): string[] {
  const figures = [[requestMs, base.requestMs], [tokenMs, base.tokenMs]] as const;
  return [
    name,
    ...figures.flatMap(([own, other]) => [
      median(own).toFixed(3),
      (median(own) / median(other)).toFixed(2),
    ]),
  ];
}

async function measure(dir: string): Promise<void> {
  const path = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
  const settings = { gpu: "off", threads: 1, sequences: 1, contextSize: 512, queueLimit: 1 } as const;
  const log = silentLogger();
  await using local = await createLlamaEngine({ ...settings, log });
  const options = { keepAliveSeconds: null, logLevel: "error", metrics: createMetrics(), log } as const;
  await using child = createProcessEngine({ ...settings, ...options });
  const base: Side = { name: "in this process", engine: local, requestMs: [], tokenMs: [] };
  const own: Side = { name: "in its own process", engine: child, requestMs: [], tokenMs: [] };
  for (const { engine } of [base, own]) await engine.load({ id: "tiny", path });
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const { engine, requestMs, tokenMs } of [base, own]) {
      const [few, many] = [await ask(engine, FEW_TOKENS), await ask(engine, MANY_TOKENS)];
      if (round < 0) continue;
      requestMs.push(few);
      tokenMs.push((many - few) / (MANY_TOKENS - FEW_TOKENS));
    }
  }
  writeLine(`${ROUNDS} requests of ${FEW_TOKENS} and of ${MANY_TOKENS} tokens on each side, medians`);
  const header = ["", "ms a request", "ratio", "ms a token", "ratio"];
  for (const line of tableLines(header, [row(base, base), row(own, base)])) writeLine(line);
}

await runMain(() => inTempDir(measure));
