/** Compares training with PEFT on processors that have fewer instructions than this one, as most people's do. */
import { writeLine } from "../../lib/log.ts";
import { PEER_TYPES, PROCESSOR_KINDS, type ProcessorKind } from "../../research/peers/cpu_variant.ts";
import { ALL_THREADS } from "../../research/style/cached_run.ts";
import { isPeftInstalled } from "../../research/style/peft_side.ts";
import { tableLines } from "../support/bench_output.ts";
import { personJob, shortenedJob } from "./person_job.ts";
import { ourSide, peftSide, type SideJob } from "./sides.ts";

const STEPS = 6;
const FORMATS = ["auto", "mixed", "q8_0", "file"];

/** Tokens a second of each of our formats, then of each of the peer's types; undefined where it has none. */
async function speedsOf(
  { variant, peerEnv, peerTypes = PEER_TYPES }: ProcessorKind,
  job: SideJob,
): Promise<(number | undefined)[]> {
  const threads = ALL_THREADS;
  const speeds: (number | undefined)[] = [];
  for (const weights of FORMATS) {
    const settings = { threads, weights, cpuVariant: variant };
    speeds.push((await ourSide(weights, { job, settings })).tokensPerSecond);
  }
  const isInstalled = await isPeftInstalled();
  for (const dtype of PEER_TYPES) {
    const isRun = isInstalled && peerTypes.includes(dtype);
    const side = isRun
      ? await peftSide(dtype, { job, settings: { threads, dtype }, env: peerEnv })
      : undefined;
    speeds.push(side?.tokensPerSecond);
  }
  return speeds;
}

function rowOf({ name }: ProcessorKind, speeds: readonly (number | undefined)[]): string[] {
  const bestPeer = Math.max(...speeds.slice(FORMATS.length).map((speed) => speed ?? 0));
  return [
    name,
    ...speeds.map((speed) => speed?.toFixed(0) ?? ""),
    ((speeds[0] ?? NaN) / bestPeer).toFixed(2),
  ];
}

/** Prints the tokens a second of both sides for each kind of processor that this one can stand for. */
export async function measureProcessors(): Promise<void> {
  const job = await shortenedJob(await personJob(0), STEPS);
  const rows: string[][] = [];
  for (const kind of PROCESSOR_KINDS) rows.push(rowOf(kind, await speedsOf(kind, job)));
  writeLine(`tokens/s over ${STEPS} steps, ${ALL_THREADS} threads`);
  const ours = FORMATS.map((format) => `ours, ${format}`);
  for (
    const line of tableLines(["processor", ...ours, "PEFT, BF16", "PEFT, F32", "auto / best PEFT"], rows)
  ) {
    writeLine(line);
  }
}
