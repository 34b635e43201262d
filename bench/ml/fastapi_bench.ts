/**
 * Compares ml with FastAPI, llama-cpp-python and Redis: the time of a reply, computed and cached, and tokens per second.
 *
 * `deno run -A bench/ml/fastapi_bench.ts`: one model file, the same threads and context of a request. Both run all the
 * time and take turns; ratios are medians over the rounds.
 */
import { z } from "zod";
import type { Transcript } from "../../contract/prompt.ts";
import { startMl } from "../../demo/services.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { median, tableLines } from "../support/bench_output.ts";
import {
  type Ask,
  askGenerate,
  type ComparedService,
  elapsedMs,
  inTurns,
  measureLoad,
  messagesOf,
  newConversation,
  postJson,
  SETTINGS,
} from "./compared_services.ts";
import { startFastApi } from "./fastapi_peer.ts";

const THREADS = Math.max(1, navigator.hardwareConcurrency - 1);
const SLOTS = 4;
const CONTEXT_SIZE = 1_024;
const ROUNDS = 15;
const CACHED_REQUESTS = 200;
/** Until V8 has compiled what answers: a service runs for days. */
const WARM_UP_REQUESTS = 3_000;
const REPLY_TOKENS = 48;

const replySchema = z.object({ tokens_used: z.int() });

async function askFastApi(url: string, { transcript, maxTokens, temperature }: Ask): Promise<number> {
  const body = { ...SETTINGS, messages: messagesOf(transcript), max_tokens: maxTokens, temperature };
  return replySchema.parse(await postJson(`${url}/generate`, body)).tokens_used;
}

/** Milliseconds for each token of a reply to a conversation that nobody has had: replies end where they like. */
async function uncachedMs({ ask }: ComparedService): Promise<number> {
  let tokens = 0;
  const request = { transcript: newConversation(3), maxTokens: REPLY_TOKENS, temperature: 0.7 };
  const tookMs = await elapsedMs(async () => void (tokens = await ask(request)));
  return tookMs / Math.max(1, tokens);
}

/** The median of one reply that is cached, in milliseconds. */
async function cachedMs(
  { ask }: ComparedService,
  { transcript, requests }: { transcript: Transcript; requests: number },
): Promise<number> {
  const request = { transcript, maxTokens: REPLY_TOKENS, temperature: 0 };
  await ask(request);
  const times: number[] = [];
  for (let index = 0; index < requests; index++) times.push(await elapsedMs(() => ask(request)));
  return median(times);
}

type Sides = readonly [ComparedService, ComparedService];

async function measure(sides: Sides): Promise<void> {
  for (const side of sides) await uncachedMs(side);
  const cached = { transcript: newConversation(3), requests: CACHED_REQUESTS };
  const first = await inTurns(sides, 1, (side) => cachedMs(side, cached));
  for (const side of sides) await cachedMs(side, { ...cached, requests: WARM_UP_REQUESTS });
  const figures = [
    ["uncached reply, ms a token", "at most 0.90", await inTurns(sides, ROUNDS, uncachedMs)],
    [`the first ${CACHED_REQUESTS} cached replies, p50 ms`, "", first],
    ["cached reply, p50 ms", "at most 0.50", await inTurns(sides, ROUNDS, (side) => cachedMs(side, cached))],
    [
      "tokens/s of four callers",
      "at least 1.10",
      await inTurns(
        sides,
        ROUNDS,
        async (side) =>
          (await measureLoad(side, SLOTS, { maxTokens: REPLY_TOKENS, temperature: 0.7 })).tokensPerSecond,
      ),
    ],
  ] as const;
  const rows = figures.map(([name, wanted, pairs]) => [
    name,
    median(pairs.map(([ours]) => ours)).toFixed(2),
    median(pairs.map(([, theirs]) => theirs)).toFixed(2),
    median(pairs.map(([ours, theirs]) => ours / theirs)).toFixed(2),
    wanted,
  ]);
  for (const line of tableLines(["", "ml", "FastAPI", "ratio", "wanted"], rows)) writeLine(line);
}

await runMain(() =>
  inTempDir(async (dir) => {
    const { path: modelPath } = await fetchSmallModel();
    const settings = {
      THREADS: `${THREADS}`,
      SEQUENCES: `${SLOTS}`,
      CONTEXT_SIZE: `${CONTEXT_SIZE}`,
      LOG_LEVEL: "warn",
    };
    await using ml = await startMl(dir, modelPath, settings);
    await using peer = await startFastApi({ modelPath, threads: THREADS, contextSize: CONTEXT_SIZE });
    writeLine(`${THREADS} threads, ${CONTEXT_SIZE} tokens of context, ${ROUNDS} rounds of each side`);
    await measure([
      { pid: ml.pid, ask: (request) => askGenerate(ml.url, request) },
      { pid: peer.pid, ask: (request) => askFastApi(peer.url, request) },
    ]);
  })
);
