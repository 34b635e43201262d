/**
 * Measures the memory that the recommended model takes, served and trained, with a file of its exact shape.
 *
 * `deno run -A bench/ml/real_size_bench.ts [serve|train]...`. The file (2.1 GB) is written into `data/bench` once; its
 * weights are seeded, so its replies mean nothing. Takes 8 GB of memory and, on two cores, some minutes. Linux only.
 */
import { join } from "node:path";
import { silentLogger, writeLine } from "../../lib/log.ts";
import { createMetrics } from "../../lib/metrics.ts";
import type { KvCacheType } from "../../ml/engine/libllama/native_context.ts";
import { createProcessEngine } from "../../ml/engine/process/process_engine.ts";
import { RECOMMENDED_MODEL } from "../../ml/models/catalog.ts";
import { writeTrainingRequest } from "../../ml/training/job/training_request.ts";
import { startTrainingProcess } from "../../ml/training/run/training_process.ts";
import { realSizeGguf } from "../../tests/support/ml/real_size_gguf.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { projectPath } from "../../tools/service_process.ts";
import { runSections, tableLines } from "../support/bench_output.ts";
import { descendantBytes, peakRssBytes } from "../support/process_usage.ts";

const GIBIBYTE = 1024 ** 3;
/** The service's defaults. */
const SERVED = { contextSize: 2_048, sequences: 4 };
const PROMPT_WORDS = 300;
const REPLY_TOKENS = 16;
const WORDS = "are you coming tonight or shall we meet on the way home tomorrow morning".split(" ");
/** A sample about as long as the micro-batch, so that the estimate's largest graph is really computed. */
const SAMPLE_WORDS = 400;

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(2)} GiB`;
}

function textOf(words: number, seed: number): string {
  return Array.from({ length: words }, (_, index) => WORDS[(index * 7 + seed) % WORDS.length]).join(" ");
}

async function modelFile(): Promise<{ path: string; size: number }> {
  const path = await realSizeGguf(projectPath("data", "bench"));
  return { path, size: (await Deno.stat(path)).size };
}

/** What the engine's process holds once it has loaded the model, and after a long prompt. */
async function servedBytes(path: string, kvCache: KvCacheType): Promise<{ loaded: number; used: number }> {
  const settings = {
    ...SERVED,
    kvCache,
    gpu: "off",
    queueLimit: 1,
    keepAliveSeconds: null,
    logLevel: "error",
  } as const;
  await using engine = createProcessEngine({ ...settings, metrics: createMetrics(), log: silentLogger() });
  await engine.load({ id: "real-size", path });
  const loaded = descendantBytes(Deno.pid);
  await engine.generate({
    prompt: `Them: ${textOf(PROMPT_WORDS, 0)}\nMe:`,
    conversationId: "bench",
    maxTokens: REPLY_TOKENS,
    temperature: 0,
    topP: 1,
    repeatPenalty: 1,
    stop: [],
  }, { onToken: () => {} });
  return { loaded, used: descendantBytes(Deno.pid) };
}

/** Prints what the engine's process holds, with keys and values of 16 bits and of 8. */
async function measureServing(): Promise<void> {
  const { path, size } = await modelFile();
  writeLine(`file: ${gibibytes(size)}, ${(size / RECOMMENDED_MODEL.sizeBytes).toFixed(3)} of the real one's`);
  const rows: string[][] = [];
  for (const kvCache of ["f16", "q8_0"] as const) {
    const { loaded, used } = await servedBytes(path, kvCache);
    const reply = `after a reply, ${SERVED.sequences} sequences of ${SERVED.contextSize} tokens`;
    for (const [what, bytes] of [["loaded", loaded], [reply, used]] as const) {
      rows.push([`${kvCache}: ${what}`, gibibytes(bytes), (bytes / size).toFixed(2)]);
    }
  }
  for (const line of tableLines(["the engine's process", "memory", "÷ file"], rows)) writeLine(line);
}

/** Prints what a training step was estimated to need and what its process held at most. */
async function measureTraining(): Promise<void> {
  const { path } = await modelFile();
  await inTempDir(async (dir) => {
    const folder = join(dir, "job");
    const samples = [false, true].map((heldOut) => ({
      input: `Them: ${textOf(heldOut ? 4 : SAMPLE_WORDS, 1)}\nMe:`,
      output: textOf(8, heldOut ? 2 : 3),
      heldOut,
    }));
    const job = { jobId: "real-size", modelId: RECOMMENDED_MODEL.id, modelPath: path, samples };
    await writeTrainingRequest(folder, { ...job, epochs: 1, batchSize: 1 });
    const process = startTrainingProcess(folder, { through: [] });
    let [estimate, peak] = [0, 0];
    for await (const event of process.events) {
      peak = Math.max(peak, peakRssBytes(process.pid));
      if (event.type === "prepared") estimate = event.memoryBytes;
    }
    const end = await process.end;
    if (end.status !== "completed") throw new Error(`The job ended as ${JSON.stringify(end)}`);
    const rows = [[gibibytes(estimate), gibibytes(peak), (peak / estimate).toFixed(2)]];
    for (const line of tableLines(["estimate of a step", "held at most", "÷ estimate"], rows)) {
      writeLine(line);
    }
  });
}

await runSections({ serve: measureServing, train: measureTraining });
