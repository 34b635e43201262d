/** Owns the comparison with PEFT on processors that have less than this one: what most people train on. */
import { join } from "node:path";
import { writeLine } from "../../lib/log.ts";
import { PROCESSOR_KINDS, type ProcessorKind } from "../peers/cpu_variant.ts";
import { ALL_THREADS, DATA_DIR } from "../style/kept_run.ts";
import { isPeftInstalled } from "../style/peft_side.ts";
import { tableLines } from "../style/table.ts";
import { type PersonJob, personJob } from "./person_job.ts";
import { ourSide, peftSide } from "./sides.ts";

const BATCH_SIZE = 8;
const STEPS = 10;
const FORMATS = ["auto", "mixed", "q8_0", "file"];

/** The same samples, a few steps only. */
async function shortened({ modelPath, path }: PersonJob): Promise<Pick<PersonJob, "modelPath" | "path">> {
  const job = JSON.parse(await Deno.readTextFile(path));
  job.orders = [job.orders[0].slice(0, BATCH_SIZE * STEPS)];
  job.heldOut = job.heldOut.slice(0, 1);
  job.settings.epochs = 1;
  const short = join(DATA_DIR, "bench", "short.json");
  await Deno.writeTextFile(short, JSON.stringify(job));
  return { modelPath, path: short };
}

async function rowOf(
  { name, variant, peerEnv }: ProcessorKind,
  job: Pick<PersonJob, "modelPath" | "path">,
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
  const job = await shortened(await personJob(0));
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
