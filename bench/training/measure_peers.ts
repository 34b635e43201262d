/** Owns the comparison with PyTorch + PEFT and with llama-finetune: one person's replies, one machine, one run. */
import { formatBytes } from "../../lib/progress.ts";
import { writeLine } from "../../lib/log.ts";
import { DEFAULT_LEARNING_RATE } from "../../ml/training/trainer.ts";
import { projectPath } from "../../tools/service_process.ts";
import { PEFT_MODELS, PEFT_PYTHON, PEFT_SCRIPT } from "../peers/peer_paths.ts";
import { THREADS } from "../style/kept_run.ts";
import { isPeftInstalled } from "../style/peft_side.ts";
import { tableLines } from "../style/table.ts";
import { finetuneTokensPerSecond } from "./finetune_run.ts";
import { meanTokens, type PersonJob, personJob } from "./person_job.ts";
import { runSide, secondsTo, type SideRun } from "./side_run.ts";

/** Steps between the evaluations by which the moment is found at which a loss is reached. */
const EVALUATE_STEPS = 5;

interface SideSettings {
  dtype?: string;
  learningRate?: number;
  evaluateSteps?: number;
}

function peft(name: string, job: PersonJob, settings: SideSettings): Promise<SideRun> {
  const options = Object.entries({ threads: THREADS, ...settings }).flatMap(([key, value]) => [
    `--${key}`,
    String(value),
  ]);
  return runSide(
    name,
    [PEFT_PYTHON, PEFT_SCRIPT, "--model", job.modelPath, "--job", job.path].concat(
      "--cache",
      PEFT_MODELS,
      ...options,
    ) as [string, ...string[]],
  );
}

function ours(name: string, job: PersonJob, settings: SideSettings): Promise<SideRun> {
  const overrides = JSON.stringify({ threads: THREADS, ...settings });
  const script = projectPath("bench/peers/our_trainer.ts");
  return runSide(name, [Deno.execPath(), "run", "-A", script, job.modelPath, job.path, overrides]);
}

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

/** Trains on both sides in turn and prints times, losses, memory, and how they stand to each other. */
export async function measurePeers(): Promise<void> {
  const job = await personJob(0);
  const samples = job.train.length;
  writeLine(`${samples} replies of ${meanTokens(job.train).toFixed(0)} tokens, ${THREADS} threads`);
  const equal = await ours("ours, PEFT's settings", job, {});
  const settings = { learningRate: DEFAULT_LEARNING_RATE, evaluateSteps: EVALUATE_STEPS };
  const own = await ours("ours, own defaults", job, settings);
  const runs = [equal, own];
  if (!await isPeftInstalled()) {
    writeLine("PEFT is not installed: deno run -A bench/peers/setup.ts");
  } else {
    const bf16 = await peft("PEFT, BF16", job, { dtype: "bfloat16" });
    const f32 = await peft("PEFT, F32", job, { dtype: "float32" });
    const faster = await peft("PEFT, BF16, our rate", job, { dtype: "bfloat16", ...settings });
    runs.push(bf16, f32, faster);
    const target = bf16.evaluations.at(-1)?.heldOutLoss ?? NaN;
    const head = ["side", "loss", "lowest", `s to ${target.toFixed(3)}`, "tokens/s", "load s", "peak memory"];
    for (const line of tableLines(head, runs.map((run) => rowOf(run, target)))) writeLine(line);
    const seconds = (run: SideRun) => secondsTo(target, run) ?? Infinity;
    const wholeF32 = f32.loadSeconds + (f32.evaluations.at(-1)?.trainingSeconds ?? NaN);
    ratio("time to PEFT's loss, ours / PEFT BF16", seconds(own) / seconds(bf16), "at most 1.0");
    ratio("time to PEFT's loss, ours / PEFT F32's three epochs", seconds(own) / wholeF32, "at most 0.5");
    ratio("the same, PEFT BF16 at our rate", seconds(own) / seconds(faster), "told for fairness");
    ratio("peak memory, ours / PEFT BF16", equal.peakRssBytes / bf16.peakRssBytes, "at most 0.33");
    const gap = (equal.evaluations.at(-1)?.heldOutLoss ?? NaN) - target;
    ratio("held-out loss, ours less PEFT's at the same settings", gap, "at most 0.02");
  }
  const finetune = await finetuneTokensPerSecond();
  if (finetune === undefined) writeLine("llama-finetune is not built: deno run -A bench/peers/setup.ts");
  else {ratio(
      "samples/s of equal length, ours / llama-finetune",
      equal.tokensPerSecond / finetune,
      "at least 3",
    );}
}
