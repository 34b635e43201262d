/**
 * Our side of the comparison with `peft_peer.py`: the same job, the same settings, the same lines of output.
 *
 * `deno run -A research/peers/our_trainer.ts MODEL.gguf JOB.json [SETTINGS]`: SETTINGS is a JSON object that overrides the
 * job's settings. It runs as a process of its own, whose peak memory is the kernel's figure (VmHWM).
 */
import { writeLine } from "../../lib/log.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";
import { createTrainer } from "../../ml/training/lora_trainer.ts";
import type { TokenSample, Trainer, TrainerOptions } from "../../ml/training/trainer.ts";
import { peakRssBytes, processStartMs } from "../../bench/support/process_usage.ts";
import { useCpuVariant } from "./cpu_variant.ts";

interface Settings extends Partial<TrainerOptions> {
  batchSize: number;
  epochs: number;
  learningRate: number;
  schedule: "cosine" | "constant";
  warmupSteps: number;
  rank: number;
  alpha: number;
  seed: number;
  threads: number;
  evaluateSteps: number;
  /** ggml's CPU backend for another processor than this one: `zen4`, `haswell`. */
  cpuVariant?: string;
}

interface Job {
  train: TokenSample[];
  heldOut: TokenSample[];
  orders?: number[][];
  settings?: Partial<Settings>;
}

const DEFAULTS: Settings = {
  batchSize: 8,
  epochs: 3,
  learningRate: 3e-4,
  schedule: "cosine",
  warmupSteps: 5,
  rank: 8,
  alpha: 16,
  seed: 1,
  threads: 2,
  evaluateSteps: 0,
};

function emit(event: string, values: Readonly<Record<string, unknown>>): void {
  writeLine(JSON.stringify({ event, ...values }));
}

/** Since this process was started, its own loading included. */
function secondsSinceStart(): number {
  return (performance.timeOrigin + performance.now() - processStartMs()) / 1_000;
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}

/** As transformers' schedules are. */
function rateOf(step: number, steps: number, { learningRate, warmupSteps, schedule }: Settings): number {
  if (step < warmupSteps) return learningRate * step / warmupSteps;
  if (schedule === "constant") return learningRate;
  return learningRate * (1 + Math.cos(Math.PI * (step - warmupSteps) / Math.max(1, steps - warmupSteps))) / 2;
}

async function heldOutLoss(trainer: Trainer, samples: readonly TokenSample[]): Promise<number> {
  const likelihoods = await trainer.evaluate(samples);
  const sum = likelihoods.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0);
  return -sum / likelihoods.reduce((sum, { tokens }) => sum + tokens, 0);
}

interface Clock {
  seconds: number;
  tokens: number;
}

async function train(trainer: Trainer, job: Job, settings: Settings): Promise<Clock> {
  const { batchSize, epochs, seed, evaluateSteps } = settings;
  const random = seededRandom(seed);
  const orders = job.orders ?? Array.from({ length: epochs }, () => shuffled(job.train.length, random));
  const batches = orders.slice(0, epochs).flatMap((order, epoch) =>
    Array.from({ length: Math.ceil(order.length / batchSize) }, (_, index) => ({
      epoch,
      indices: order.slice(index * batchSize, (index + 1) * batchSize),
    }))
  );
  const clock: Clock = { seconds: 0, tokens: 0 };
  let losses: number[] = [];
  const report = async (step: number, epoch: number) => {
    emit("evaluation", {
      step,
      epoch,
      heldOutLoss: await heldOutLoss(trainer, job.heldOut),
      trainLoss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
      seconds: secondsSinceStart(),
      trainingSeconds: clock.seconds,
      tokensPerSecond: clock.tokens / clock.seconds,
    });
    losses = [];
  };
  await report(0, 0);
  for (const [index, { epoch, indices }] of batches.entries()) {
    const batch = indices.flatMap((index) => job.train[index] ?? []);
    const startedMs = performance.now();
    const { loss } = await trainer.step(batch, { learningRate: rateOf(index, batches.length, settings) });
    clock.seconds += (performance.now() - startedMs) / 1_000;
    clock.tokens += batch.reduce((sum, { prompt, reply }) => sum + prompt.length + reply.length, 0);
    losses.push(loss);
    const step = index + 1;
    const endsEpoch = batches[step]?.epoch !== epoch;
    if (endsEpoch || (evaluateSteps > 0 && step % evaluateSteps === 0)) {
      await report(step, endsEpoch ? epoch + 1 : step * batchSize / job.train.length);
    }
  }
  return clock;
}

const [modelPath = "", jobPath = "", overrides = "{}"] = Deno.args;
const job: Job = JSON.parse(await Deno.readTextFile(jobPath));
const settings: Settings = { ...DEFAULTS, ...job.settings, ...JSON.parse(overrides) };
const { rank, alpha, seed, threads, weights, microBatchTokens, optimizer, lora, cpuVariant } = settings;
if (cpuVariant !== undefined) useCpuVariant(cpuVariant);
using trainer = await createTrainer({
  modelPath,
  lora: { rank, alpha, ...lora },
  seed,
  threads,
  weights,
  microBatchTokens,
  optimizer,
});
emit("loaded", { seconds: secondsSinceStart(), rssBytes: Deno.memoryUsage().rss, ...trainer.model });
const clock = await train(trainer, job, settings);
emit("done", {
  seconds: secondsSinceStart(),
  trainingSeconds: clock.seconds,
  tokensPerSecond: clock.tokens / clock.seconds,
  peakRssBytes: peakRssBytes(Deno.pid),
  settings,
});
