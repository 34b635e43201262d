/** Owns timing llama-finetune, llama.cpp's training of all weights, on windows of a text. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { FINETUNE, FINETUNE_MODEL } from "../../research/peers/peer_paths.ts";
import { ALL_THREADS } from "../../research/style/kept_run.ts";

/** Enough that its clock, which tells whole seconds, is near. */
const WINDOWS = 16;
/** Its smallest window, in tokens; one starts in the middle of the one before. A step is a half of it. */
const WINDOW_TOKENS = 256;
const STEP_TOKENS = WINDOW_TOKENS / 2;
const SENTENCE =
  "She said that she would bring dessert, but in the end we ordered pizza and watched a film. ";
/** More than the tokens of a character of such text. */
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

/** Tokens a second in training; undefined where it is not built. */
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
    const told = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const last = [...told.matchAll(PROGRESS)].at(-1);
    if (last === undefined) throw new UserError("llama-finetune told no progress");
    const [windows = 0, hours = 0, minutes = 0, seconds = 0] = last.slice(1).map(Number);
    return windows * WINDOW_TOKENS / (hours * 3_600 + minutes * 60 + seconds);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
