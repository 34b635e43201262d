/**
 * Compares ml with llama.cpp's own server: one model file, the same libraries, threads and context of each slot.
 *
 * `deno run -A bench/ml/engine_bench.ts`. Both run all the time and take turns, round by round; ratios are medians over
 * the rounds. No prompt comes twice, so no answer comes from a cache. Memory comes from Linux's /proc.
 */
import { z } from "zod";
import type { Transcript } from "../../contract/prompt.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { startMl } from "../../demo/services.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { median, tableLines } from "../support/bench_output.ts";
import { descendantBytes, peakRssBytes } from "../support/process_usage.ts";
import {
  type Ask,
  askGenerate,
  type ComparedService,
  elapsedMs,
  inTurns,
  type LoadFigures,
  measureLoad,
  messagesOf,
  newConversation,
  postJson,
  SETTINGS,
} from "./compared_services.ts";
import { startLlamaServer } from "./llama_server.ts";

const THREADS = Math.max(1, navigator.hardwareConcurrency - 1);
const SLOTS = 8;
const CONTEXT_SIZE = 1_024;
const CONCURRENCIES = [1, 4, 8];
const TEMPERATURES = [0.7, 0];
const ROUNDS = 5;
const REPLY_TOKENS = 48;
interface Side extends ComparedService {
  readonly name: string;
  readonly startMs: number;
}

const completionSchema = z.object({ usage: z.object({ completion_tokens: z.int() }) });

async function askLlamaServer(url: string, { transcript, maxTokens, temperature }: Ask): Promise<number> {
  const body = { ...SETTINGS, messages: messagesOf(transcript), max_tokens: maxTokens, temperature };
  return completionSchema.parse(await postJson(`${url}/v1/chat/completions`, body)).usage.completion_tokens;
}

/** Time of a long conversation's next turn, as a share of the time of its first. */
async function secondTurn(side: Side): Promise<{ shareOfCold: number; ms: number }> {
  const request = { maxTokens: 1, temperature: 0 };
  const transcript = newConversation(16);
  const coldMs = await elapsedMs(() => side.ask({ ...request, transcript }));
  const turns: Transcript["turns"] = [
    ...transcript.turns,
    { speaker: "me", text: "Once upon a time" },
    { speaker: "them", text: "And then?" },
  ];
  const ms = await elapsedMs(() => side.ask({ ...request, transcript: { ...transcript, turns } }));
  return { shareOfCold: ms / coldMs, ms };
}

async function measureSpeed(sides: readonly [Side, Side]): Promise<void> {
  const rows: string[][] = [];
  for (const temperature of TEMPERATURES) {
    for (const callers of CONCURRENCIES) {
      const load = { maxTokens: REPLY_TOKENS, temperature };
      const pairs = await inTurns(sides, ROUNDS, (side) => measureLoad(side, callers, load));
      const ratio = (figure: (of: LoadFigures) => number) =>
        median(pairs.map(([ours, theirs]) => figure(ours) / figure(theirs))).toFixed(2);
      rows.push([
        `${callers} at a time, temperature ${temperature}`,
        median(pairs.map(([ours]) => ours.tokensPerSecond)).toFixed(1),
        median(pairs.map(([, theirs]) => theirs.tokensPerSecond)).toFixed(1),
        ratio(({ tokensPerSecond }) => tokensPerSecond),
        ratio(({ cpuMsPerToken }) => 1 / cpuMsPerToken),
      ]);
    }
  }
  const ratios = ["ratio (wanted: at least 1.00)", "tokens of a processor's second, ratio"];
  for (const line of tableLines(["tokens/s", ...sides.map(({ name }) => name), ...ratios], rows)) {
    writeLine(line);
  }
}

async function measureSecondTurn(sides: readonly [Side, Side]): Promise<void> {
  const pairs = await inTurns(sides, ROUNDS, secondTurn);
  const share = median(pairs.map(([ours]) => ours.shareOfCold));
  const ratio = median(pairs.map(([ours, theirs]) => ours.ms / theirs.ms));
  writeLine(`second turn, of the first: ${share.toFixed(3)} (wanted: at most 0.100)`);
  writeLine(`second turn, ours / llama-server's: ${ratio.toFixed(2)} (wanted: at most 0.80)`);
}

/** A process's peak, and what its children hold now: the engine may be one of them. */
function memoryBytes({ pid }: Side): number {
  return peakRssBytes(pid) + descendantBytes(pid);
}

await runMain(() =>
  inTempDir(async (dir) => {
    const { path: modelPath } = await fetchSmallModel();
    const options = { modelPath, threads: THREADS, slots: SLOTS, contextSize: CONTEXT_SIZE };
    // Once before it counts: the first start builds the program, and reads the model's file from disk.
    await (await startLlamaServer(options))[Symbol.asyncDispose]();
    const settings = { THREADS: `${THREADS}`, SEQUENCES: `${SLOTS}`, CONTEXT_SIZE: `${CONTEXT_SIZE}` };
    let startedAt = performance.now();
    await using ml = await startMl(dir, modelPath, settings);
    const mlStartMs = performance.now() - startedAt;
    startedAt = performance.now();
    await using server = await startLlamaServer(options);
    const sides = [
      { name: "ml", pid: ml.pid, startMs: mlStartMs, ask: (request: Ask) => askGenerate(ml.url, request) },
      {
        name: "llama-server",
        pid: server.pid,
        startMs: performance.now() - startedAt,
        ask: (request: Ask) => askLlamaServer(server.url, request),
      },
    ] as const;
    for (const side of sides) {
      await measureLoad(side, SLOTS, { maxTokens: REPLY_TOKENS, temperature: 0 });
    }
    writeLine(`${THREADS} threads, ${SLOTS} slots of ${CONTEXT_SIZE} tokens, ${ROUNDS} rounds of each side`);
    await measureSpeed(sides);
    await measureSecondTurn(sides);
    const [ours, theirs] = sides;
    const starts = ours.startMs / theirs.startMs;
    writeLine(`start to ready, ours / llama-server's: ${starts.toFixed(1)} (wanted: at most 3.0)`);
    const memory = memoryBytes(ours) / memoryBytes(theirs);
    writeLine(`peak memory, ours / llama-server's: ${memory.toFixed(2)} (wanted: at most 1.35)`);
  })
);
