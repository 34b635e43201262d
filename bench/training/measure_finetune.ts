/** Owns the comparison with llama-finetune, which trains all weights: samples a second, each side in turn. */
import { writeLine } from "../../lib/log.ts";
import { ALL_THREADS } from "../../research/style/kept_run.ts";
import { tableLines } from "../../research/style/table.ts";
import { finetuneTokensPerSecond } from "./finetune_run.ts";
import { personJob, shortenedJob } from "./person_job.ts";
import { ourSide } from "./sides.ts";

/** Each side's best of these counts: others use the machine too. */
const ROUNDS = 3;
const STEPS = 10;

/** Prints both sides' tokens a second and their ratio. */
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
