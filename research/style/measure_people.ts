/** Measures real people: trains on each one's earlier replies and prints how close drafts come to the later ones. */
import { join } from "node:path";
import { writeLine } from "../../lib/log.ts";
import { readCorpus } from "../../demo/corpus.ts";
import type { TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import type { RunResult } from "../../ml/training/job/training_event.ts";
import { choosePeople, type PersonReplies } from "./corpus_people.ts";
import {
  ALL_THREADS,
  cached,
  cachedTraining,
  DATA_DIR,
  personRequest,
  styleFolder,
  THREADS,
} from "./cached_run.ts";
import { isPeftInstalled, trainWithPeft } from "./peft_side.ts";
import {
  draftForPerson,
  epochTable,
  lossTable,
  type PersonDrafts,
  type PersonOutcome,
  styleTable,
} from "./person_report.ts";

export const PEOPLE = { people: 3, train: 200, heldOut: 60 };
/** PEFT's type for the comparison of losses; its speed is another bench's. */
const PEFT_DTYPE = "bfloat16";

function print(title: string, lines: readonly string[]): void {
  writeLine(`\n${title}\n`);
  for (const line of lines) writeLine(line);
}

function requestOf(person: PersonReplies): Promise<TrainingRequestInput> {
  return personRequest(`person-${person.id}`, person);
}

/** The result of a person's training; it is run where it has not been. */
export async function trainPerson(person: PersonReplies): Promise<RunResult> {
  return await cachedTraining(await requestOf(person));
}

/** PEFT's held-out losses on the same; null where PEFT is not installed. */
export async function peftLossesOf(person: PersonReplies): Promise<number[] | null> {
  if (!await isPeftInstalled()) return null;
  const request = await requestOf(person);
  const folder = await styleFolder(request.jobId);
  return await cached(
    join(folder, "peft.json"),
    () => trainWithPeft(request, { folder, dtype: PEFT_DTYPE, threads: ALL_THREADS }),
  );
}

/** Drafts to the person's held-out prompts. */
export async function draftsOf(person: PersonReplies): Promise<PersonDrafts> {
  const { jobId, modelPath } = await requestOf(person);
  const { adapterPath } = await trainPerson(person);
  return await cached(
    join(await styleFolder(jobId), "drafts.json"),
    () => draftForPerson(person, { modelPath, adapterPath, threads: THREADS }),
  );
}

async function measurePerson(person: PersonReplies): Promise<PersonOutcome> {
  writeLine(
    `  ${person.id}: ${person.train.length} replies to learn from, ${person.heldOut.length} held out`,
  );
  return {
    person,
    result: await trainPerson(person),
    peftLosses: await peftLossesOf(person),
    drafts: await draftsOf(person),
  };
}

/** Trains on each person's earlier replies and prints what it does to the later ones. */
export async function measurePeople(): Promise<void> {
  const outcomes: PersonOutcome[] = [];
  for (const person of choosePeople(await readCorpus(DATA_DIR), PEOPLE)) {
    outcomes.push(await measurePerson(person));
  }
  print("Held-out loss per token", lossTable(outcomes));
  print("Held-out loss by epoch", epochTable(outcomes));
  for (const outcome of outcomes) {
    print(
      `${outcome.person.id}: how drafts look, and how well a classifier tells them from held-out replies`,
      styleTable(outcome),
    );
  }
}
