/** Compares training with PyTorch and PEFT: one person's replies, one machine, one run. */
import { formatBytes } from "../../lib/progress.ts";
import { writeLine } from "../../lib/log.ts";
import { DEFAULT_LEARNING_RATE } from "../../ml/training/trainer.ts";
import { ALL_THREADS, THREADS } from "../../research/style/cached_run.ts";
import { isPeftInstalled } from "../../research/style/peft_side.ts";
import { tableLines } from "../support/bench_output.ts";
import { meanTokens, personJob } from "./person_job.ts";
import { ourSide, peftSide, secondsTo, type SideRun, type SideSettings } from "./sides.ts";

/** Steps between the evaluations by which the moment is found at which a loss is reached. */
const EVALUATE_STEPS = 5;

function rowOf(run: SideRun, target: number): string[] {
  const seconds = secondsTo(target, run);
  const lowest = Math.min(...run.evaluations.map(({ heldOutLoss }) => heldOutLoss));
  return [
    run.name,
    run.evaluations.at(-1)?.heldOutLoss.toFixed(3) ?? "",
    lowest.toFixed(3),
    seconds === undefined ? "never" : seconds.toFixed(0),
    run.tokensPerSecond.toFixed(0),
    run.loadSeconds.toFixed(1),
    formatBytes(run.peakRssBytes),
  ];
}

function ratio(what: string, value: number, most: string): void {
  writeLine(`${what}: ${value.toFixed(2)} (wanted: ${most})`);
}

function finalLoss({ evaluations }: SideRun): number {
  return evaluations.at(-1)?.heldOutLoss ?? NaN;
}

type Sides = Record<"equal" | "own" | "served" | "bf16" | "f32" | "faster", SideRun>;

function printPeft(sides: Sides): void {
  const { equal, own, served, bf16, f32, faster } = sides;
  const target = finalLoss(bf16);
  const head = ["side", "loss", "lowest", `s to ${target.toFixed(3)}`, "tokens/s", "load s", "peak memory"];
  for (const line of tableLines(head, Object.values(sides).map((run) => rowOf(run, target)))) writeLine(line);
  const seconds = (run: SideRun) => secondsTo(target, run) ?? Infinity;
  const totalF32 = f32.loadSeconds + (f32.evaluations.at(-1)?.trainingSeconds ?? NaN);
  ratio("time to PEFT's loss, ours / PEFT BF16", seconds(own) / seconds(bf16), "at most 1.0");
  ratio("time to PEFT's loss, ours / PEFT F32's three epochs", seconds(own) / totalF32, "at most 0.5");
  ratio(
    "the same as a job runs, with a core left free / PEFT BF16",
    seconds(served) / seconds(bf16),
    "reported",
  );
  ratio("the same, PEFT BF16 at our rate", seconds(own) / seconds(faster), "reported for fairness");
  const quickest = (...runs: SideRun[]) => Math.max(...runs.map(({ tokensPerSecond }) => tokensPerSecond));
  const speeds = quickest(equal, own) / quickest(bf16, faster);
  ratio("tokens/s in training, the quicker of two runs, ours / PEFT BF16", speeds, "reported");
  ratio("peak memory, ours / PEFT BF16", equal.peakRssBytes / bf16.peakRssBytes, "at most 0.33");
  const gap = finalLoss(equal) - target;
  ratio("held-out loss, ours less PEFT's at the same settings", gap, "at most 0.02");
}

/** Trains on both sides in turn and prints times, losses, memory, and how they stand to each other. */
export async function measurePeers(): Promise<void> {
  const job = await personJob(0);
  const samples = job.train.length;
  writeLine(`${samples} replies of ${meanTokens(job.train).toFixed(0)} tokens, ${ALL_THREADS} threads`);
  const rate = { learningRate: DEFAULT_LEARNING_RATE, evaluateSteps: EVALUATE_STEPS };
  const equal = await ourSide("ours, PEFT's settings", { job, settings: { threads: ALL_THREADS } });
  const own = await ourSide("ours, own rate", { job, settings: { threads: ALL_THREADS, ...rate } });
  const served = await ourSide(`ours, as a job (${THREADS} thread)`, {
    job,
    settings: { threads: THREADS, ...rate },
  });
  if (await isPeftInstalled()) {
    const peft = (name: string, settings: SideSettings) =>
      peftSide(name, { job, settings: { threads: ALL_THREADS, ...settings } });
    const bf16 = await peft("PEFT, BF16", { dtype: "bfloat16" });
    const f32 = await peft("PEFT, F32", { dtype: "float32" });
    const faster = await peft("PEFT, BF16, our rate", { dtype: "bfloat16", ...rate });
    printPeft({ equal, own, served, bf16, f32, faster });
  } else writeLine("PEFT is not installed: deno run -A research/peers/setup.ts");
}
