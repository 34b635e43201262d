/**
 * Measures what several candidates of one prompt cost, and when a prompt's beginning is copied sooner than evaluated.
 *
 * `deno run -A bench/ml/candidates_bench.ts`. Both sides take turns, round by round; ratios are medians over the rounds.
 */
import { runMain } from "../../lib/lifecycle.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";
import type { GenerationRequest } from "../../ml/engine/engine.ts";
import { createLlamaEngine, type LocalEngine } from "../../ml/engine/llama/llama.ts";
import { closeLlama, openLlama } from "../../ml/engine/llama/llama_library.ts";
import { DecodeLoop } from "../../ml/engine/libllama/decode_loop.ts";
import type { Evaluation, Sequence } from "../../ml/engine/libllama/evaluation.ts";
import { openLibLlama } from "../../ml/engine/libllama/library.ts";
import { NativeContext } from "../../ml/engine/libllama/native_context.ts";
import { NativeModel } from "../../ml/engine/libllama/native_model.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { median, tableLines } from "../support/bench_output.ts";

const THREADS = Math.max(1, navigator.hardwareConcurrency - 1);
const CANDIDATES = 4;
const CONTEXT_SIZE = 2_048;
const ROUNDS = 5;
const REPLY_TOKENS = 24;
/** Lines of a prompt, about 12 tokens each. */
const LINES = 20;
const SHARED_TOKENS = [16, 64, 256, 1_024];

let prompts = 0;

/** A request for one reply; no prompt comes twice, from its first line on. */
function freshRequest(): Omit<GenerationRequest, "seed"> {
  const lines = Array.from(
    { length: LINES },
    (_, line) => `Them: talk ${++prompts}, and what of line ${line}?`,
  );
  return {
    prompt: `${lines.join("\n")}\nMe:`,
    maxTokens: REPLY_TOKENS,
    temperature: 1,
    topP: 0.9,
    repeatPenalty: 1.1,
    stop: [],
  };
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** A row: medians of both sides in milliseconds, and the median of their ratios. */
function rowOf(name: string, pairs: readonly (readonly [number, number])[]): string[] {
  const [ours, others] = [pairs.map(([ours]) => ours), pairs.map(([, other]) => other)];
  const ratios = pairs.map(([ours, other]) => ours / other);
  return [name, median(ours).toFixed(0), median(others).toFixed(0), median(ratios).toFixed(2)];
}

async function candidateRow(
  engine: LocalEngine,
  name: string,
  other: (request: Omit<GenerationRequest, "seed">) => Promise<unknown>,
): Promise<string[]> {
  const together = (request: Omit<GenerationRequest, "seed">) =>
    Promise.all(Array.from({ length: CANDIDATES }, (_, seed) => engine.generate({ ...request, seed })));
  const pairs: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [ours, others] = [freshRequest(), freshRequest()];
    pairs.push([await millisecondsOf(() => together(ours)), await millisecondsOf(() => other(others))]);
  }
  return rowOf(name, pairs);
}

async function measureCandidates(path: string): Promise<void> {
  const sizes = { sequences: CANDIDATES, contextSize: CONTEXT_SIZE, threads: THREADS, queueLimit: 0 };
  await using engine = await createLlamaEngine({ gpu: "off", log: silentLogger(), ...sizes });
  await engine.load({ id: "small", path });
  const rows = [
    await candidateRow(engine, "calls one after another, the prompt reused", async (request) => {
      for (let seed = 0; seed < CANDIDATES; seed++) await engine.generate({ ...request, seed });
    }),
    await candidateRow(
      engine,
      "calls side by side, each with its prompt",
      (request) =>
        Promise.all(Array.from({ length: CANDIDATES }, (_, seed) => {
          return engine.generate({ ...request, prompt: `Them: number ${seed}\n${request.prompt}`, seed });
        })),
    ),
    await candidateRow(engine, "one reply", (request) => engine.generate({ ...request, seed: 0 })),
  ];
  writeLine(`\n${CANDIDATES} candidates of one prompt of ${LINES} lines\n`);
  const head = ["against", "candidates, ms", "the other, ms", "ratio"];
  for (const line of tableLines(head, rows)) writeLine(line);
}

/** Evaluates tokens on a sequence, to the logits after the last of them. */
function evaluationOf(id: number, tokens: readonly number[]): Evaluation {
  const sequence: Sequence = { id, tokens: [], adapter: null };
  return { sequence, adapter: null, tokens, outputs: 1, next: () => undefined };
}

async function measureCopies(path: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const llama = stack.adopt(await openLlama({ gpu: "off", log: silentLogger() }), closeLlama);
  const model = stack.use(await NativeModel.load(openLibLlama(llama), { path, gpuLayers: 0 }));
  const sizes = { contextSize: CONTEXT_SIZE, sequences: 3, threads: THREADS, outputs: 3 };
  const loop = new DecodeLoop(stack.use(await NativeContext.create(model, sizes)));
  const rows: string[][] = [];
  for (const count of SHARED_TOKENS) {
    const pairs: [number, number][] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const tokensFrom = (first: number) =>
        Array.from({ length: count + 1 }, (_, index) => first + (index * 7) % 900);
      const [held, other] = [tokensFrom(1_000 + prompts++ % 5_000), tokensFrom(20_000 + prompts++ % 5_000)];
      await loop.run(evaluationOf(0, held));
      const copied = await millisecondsOf(() => loop.run(evaluationOf(1, held)));
      pairs.push([copied, await millisecondsOf(() => loop.run(evaluationOf(2, other)))]);
    }
    rows.push(rowOf(`${count}`, pairs));
  }
  writeLine(`\nA beginning that another sequence of ${CONTEXT_SIZE} tokens holds, and one more token\n`);
  const head = ["tokens", "copied, ms", "evaluated, ms", "ratio"];
  for (const line of tableLines(head, rows)) writeLine(line);
}

await runMain(async () => {
  const { path } = await fetchSmallModel();
  await measureCandidates(path);
  await measureCopies(path);
});
