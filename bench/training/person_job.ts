/** Writes the job that both sides train: 200 replies of one real person, 60 later ones held out, as token ids. */
import { join } from "node:path";
import { readCorpus } from "../../demo/corpus.ts";
import type { TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import type { TokenSample } from "../../ml/training/trainer.ts";
import { choosePeople } from "../../research/style/corpus_people.ts";
import { DATA_DIR, personRequest } from "../../research/style/cached_run.ts";
import { PEOPLE } from "../../research/style/measure_people.ts";
import { peftJobOf } from "../../research/style/peft_side.ts";
import type { SideJob } from "./sides.ts";

export interface PersonJob extends SideJob {
  request: TrainingRequestInput;
  train: TokenSample[];
}

/** Mean tokens per sample. */
export function meanTokens(samples: readonly TokenSample[]): number {
  return samples.reduce((sum, { prompt, reply }) => sum + prompt.length + reply.length, 0) / samples.length;
}

/** Writes the job of one of the style bench's people, counted from 0. */
export async function personJob(index: number): Promise<PersonJob> {
  const person = choosePeople(await readCorpus(DATA_DIR), PEOPLE)[index];
  if (person === undefined) throw new RangeError(`There is no person ${index}`);
  const request = await personRequest(`bench-${person.id}`, person);
  const job = await peftJobOf(request);
  const folder = join(DATA_DIR, "bench");
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, `${request.jobId}.json`);
  await Deno.writeTextFile(path, JSON.stringify(job));
  return { request, modelPath: request.modelPath, path, train: job.train as TokenSample[] };
}

/** The same job, cut to its first steps: enough to measure speed. */
export async function shortenedJob({ modelPath, path }: SideJob, steps: number): Promise<SideJob> {
  const job = JSON.parse(await Deno.readTextFile(path));
  job.orders = [job.orders[0].slice(0, job.settings.batchSize * steps)];
  job.heldOut = job.heldOut.slice(0, 1);
  job.settings.epochs = 1;
  const short = path.replace(/\.json$/, "-short.json");
  await Deno.writeTextFile(short, JSON.stringify(job));
  return { modelPath, path: short };
}
