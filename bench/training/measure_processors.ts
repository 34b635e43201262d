/** Owns the comparison with PEFT on processors that have less than this one: what most people train on. */
import { writeLine } from "../../lib/log.ts";
import { PROCESSOR_KINDS, type ProcessorKind } from "../peers/cpu_variant.ts";
import { ALL_THREADS } from "../style/kept_run.ts";
import { isPeftInstalled } from "../style/peft_side.ts";
import { tableLines } from "../style/table.ts";
import { personJob, shortenedJob, type SideJob } from "./person_job.ts";
import { ourSide, peftSide } from "./sides.ts";

const STEPS = 10;
const FORMATS = ["auto", "mixed", "q8_0", "file"];

async function rowOf(
  { name, variant, peerEnv }: ProcessorKind,
  job: SideJob,
): Promise<string[]> {
  const threads = ALL_THREADS;
  const speeds: number[] = [];
  for (const weights of FORMATS) {
    const run = await ourSide(weights, { job, settings: { threads, weights, cpuVariant: variant } });
    speeds.push(run.tokensPerSecond);
  }
  for (const dtype of await isPeftInstalled() ? ["bfloat16", "float32"] : []) {
    speeds.push((await peftSide(dtype, { job, settings: { threads, dtype }, env: peerEnv })).tokensPerSecond);
  }
  const best = Math.max(...speeds.slice(FORMATS.length));
  return [name, ...speeds.map((speed) => speed.toFixed(0)), ((speeds[0] ?? NaN) / best).toFixed(2)];
}

/** Prints the tokens a second of both sides for each kind of processor that this one can stand for. */
export async function measureProcessors(): Promise<void> {
  const job = await shortenedJob(await personJob(0), STEPS);
  const rows: string[][] = [];
  for (const kind of PROCESSOR_KINDS) rows.push(await rowOf(kind, job));
  writeLine(`tokens/s over ${STEPS} steps, ${ALL_THREADS} threads`);
  const head = [
    "processor",
    ...FORMATS.map((format) => `ours, ${format}`),
    "PEFT, BF16",
    "PEFT, F32",
    "auto / best PEFT",
  ];
  for (const line of tableLines(head, rows)) writeLine(line);
}
