/** Compares tokens per second with llama-finetune, llama.cpp's training of all weights, one side after the other. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { FINETUNE, FINETUNE_MODEL } from "../../research/peers/peer_paths.ts";
import { ALL_THREADS } from "../../research/style/cached_run.ts";
import { writeLine } from "../../lib/log.ts";
import { tableLines } from "../support/bench_output.ts";
import { personJob, shortenedJob } from "./person_job.ts";
import { ourSide } from "./sides.ts";

/** Enough that its clock, which counts full seconds, is accurate. */
const WINDOWS = 16;
/** Its smallest window, in tokens; each starts in the middle of the one before. A step is half a window. */
const WINDOW_TOKENS = 256;
const STEP_TOKENS = WINDOW_TOKENS / 2;
const SENTENCE =
  "She said that she would bring dessert, but in the end we ordered pizza and watched a film. ";
/** An upper bound of tokens per character for such text. */
const TOKENS_PER_CHARACTER = 0.24;

/** Its last line of progress: windows done, and hours, minutes and seconds since the first. */
const PROGRESS = /train: .*? data=0*(\d+)\/.*? t=(\d+):(\d+):(\d+)/g;

function isBuilt(): boolean {
  try {
    return Deno.statSync(FINETUNE).isFile && Deno.statSync(FINETUNE_MODEL).isFile;
  } catch {
    return false;
  }
}

/** Tokens per second in training; undefined when llama-finetune is not built. */
export async function finetuneTokensPerSecond(): Promise<number | undefined> {
  if (!isBuilt()) return undefined;
  const dir = await Deno.makeTempDir();
  try {
    const characters = STEP_TOKENS * (WINDOWS + 1) / TOKENS_PER_CHARACTER;
    const text = join(dir, "text.txt");
    await Deno.writeTextFile(text, SENTENCE.repeat(Math.ceil(characters / SENTENCE.length)));
    const sizes = ["-c", `${WINDOW_TOKENS}`, "-b", `${STEP_TOKENS}`, "-ub", `${STEP_TOKENS}`];
    const { success, stdout, stderr } = await new Deno.Command(FINETUNE, {
      args: ["-m", FINETUNE_MODEL, "-f", text, "-o", join(dir, "trained.gguf"), ...sizes]
        .concat("-t", String(ALL_THREADS), "-epochs", "1", "-val-split", "0.1", "-lr", "1e-6"),
    }).output();
    if (!success) throw new UserError("llama-finetune did not complete");
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const last = [...output.matchAll(PROGRESS)].at(-1);
    if (last === undefined) throw new UserError("llama-finetune printed no progress");
    const [windows = 0, hours = 0, minutes = 0, seconds = 0] = last.slice(1).map(Number);
    return windows * WINDOW_TOKENS / (hours * 3_600 + minutes * 60 + seconds);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The best round of each side counts, since others use the machine too. */
const ROUNDS = 3;
const STEPS = 10;

/** Prints both sides' tokens per second and their ratio. */
export async function measureFinetune(): Promise<void> {
  const job = await shortenedJob(await personJob(0), STEPS);
  const rounds: { ours: number; peer: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const peer = await finetuneTokensPerSecond();
    if (peer === undefined) {
      writeLine("llama-finetune is not built: deno run -A research/peers/setup.ts");
      return;
    }
    const { tokensPerSecond: ours } = await ourSide("ours", { job, settings: { threads: ALL_THREADS } });
    rounds.push({ ours, peer });
  }
  const best = {
    ours: Math.max(...rounds.map(({ ours }) => ours)),
    peer: Math.max(...rounds.map(({ peer }) => peer)),
  };
  writeLine(
    `tokens/s in training, ${ALL_THREADS} threads, samples of equal length; wanted: at least 3 times`,
  );
  const rows = [...rounds.map((round, index) => ({ name: `round ${index + 1}`, ...round })), {
    name: "best of each",
    ...best,
  }].map(({ name, ours, peer }) => [name, ours.toFixed(0), peer.toFixed(0), (ours / peer).toFixed(2)]);
  for (const line of tableLines(["", "ours", "llama-finetune", "times"], rows)) writeLine(line);
}
