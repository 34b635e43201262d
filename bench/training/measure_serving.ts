/** Measures how long a draft takes while a training runs, against an idle machine. */
import { join } from "node:path";
import { generateResultSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { startMl } from "../../demo/services.ts";
import { writeLine } from "../../lib/log.ts";
import { startTrainingProcess, type TrainingProcess } from "../../ml/training/run/training_process.ts";
import { type TrainingRequestInput, writeTrainingRequest } from "../../ml/training/job/training_request.ts";
import { ALL_THREADS, THREADS } from "../../research/style/cached_run.ts";
import { median, tableLines } from "../support/bench_output.ts";
import { personJob } from "./person_job.ts";

const DRAFTS = 15;
const DRAFT_TOKENS = 32;
const WANTED_RATIO = 2;

/** Milliseconds of one draft after another, each of as many tokens and of its own prompt, so that none is cached. */
async function draftTimes(url: string, prompts: readonly string[]): Promise<number[]> {
  const times: number[] = [];
  for (const prompt of prompts) {
    const startedMs = performance.now();
    const response = await fetch(`${url}${ML_PATHS.generate}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt, max_tokens: DRAFT_TOKENS, temperature: 0 }),
    });
    const { tokens_used: tokens } = generateResultSchema.parse(await response.json());
    times.push((performance.now() - startedMs) / Math.max(1, tokens) * DRAFT_TOKENS);
  }
  return times;
}

/** Starts a training as the service does and waits for its first step. */
async function startTraining(folder: string, request: TrainingRequestInput): Promise<TrainingProcess> {
  await writeTrainingRequest(folder, request);
  const training = startTrainingProcess(folder);
  for await (const { type } of training.events) if (type === "step") return training;
  throw new Error("The training ended before its first step");
}

/** Prints the median time of a draft at rest, and while a training of one thread and of all cores runs. */
export async function measureServing(): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const { request } = await personJob(0);
    const prompts = request.samples.map(({ input }) => input);
    await using ml = await startMl(dir, request.modelPath);
    const next = () => draftTimes(ml.url, prompts.splice(0, DRAFTS));
    await next();
    const idle = median(await next());
    const rows = [["at rest", idle.toFixed(0), "1.00"]];
    for (const threads of new Set([THREADS, ALL_THREADS])) {
      const folder = join(dir, `job-${threads}`);
      const training = await startTraining(folder, { ...request, threads, epochs: 100 });
      const busy = median(await next());
      training.cancel();
      await training.end;
      rows.push([`training with ${threads} threads`, busy.toFixed(0), (busy / idle).toFixed(2)]);
    }
    writeLine(
      `a draft of ${DRAFT_TOKENS} tokens, median of ${DRAFTS}; wanted: at most ${WANTED_RATIO} times at rest`,
    );
    for (const line of tableLines(["", "ms", "times"], rows)) writeLine(line);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
