/** Measures what share of a job's time each of its phases takes, on 200 replies of a real person as the product trains on them. */
import { readCorpus } from "../../demo/corpus.ts";
import { writeLine } from "../../lib/log.ts";
import type { TrainingEvent } from "../../ml/training/job/training_event.ts";
import { writeTrainingRequest } from "../../ml/training/job/training_request.ts";
import { startTrainingProcess } from "../../ml/training/run/training_process.ts";
import type { TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import { readTextingAdapter } from "../../ml/models/texting_adapter.ts";
import { SMALL_MODEL } from "../../ml/models/catalog.ts";
import { DATA_DIR } from "../../research/style/cached_run.ts";
import { choosePeople } from "../../research/style/corpus_people.ts";
import { PEOPLE } from "../../research/style/measure_people.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { tableLines } from "../support/bench_output.ts";

/** What a person gets without training is measured for comparison only: wanted are at most 15 %. */
const COMPARISONS = ["base", "examples"];

/** The phase that an event begins or continues; null for one that changes none. */
function phaseOf(event: TrainingEvent): string | null {
  if (event.type === "evaluating") return event.what;
  if (event.type === "step" || event.type === "epoch") return "steps";
  return event.type === "note" ? null : event.type;
}

/** A job with its own defaults: it holds replies out itself, and starts from the texting adapter. */
async function jobRequest(): Promise<TrainingRequestInput> {
  const [person] = choosePeople(await readCorpus(DATA_DIR), PEOPLE);
  const texting = await readTextingAdapter();
  if (person === undefined || texting === undefined) {
    throw new Error("The corpus or the texting adapter is missing");
  }
  const { path: modelPath } = await fetchSmallModel();
  const { train: samples } = person;
  const textingAdapter = { path: texting.path, start: true };
  return { jobId: "phases", modelId: SMALL_MODEL.id, modelPath, samples, textingAdapter };
}

/** Milliseconds by phase of a whole job on one thread, its process's start included. */
async function phaseTimes(): Promise<Map<string, number>> {
  const request = await jobRequest();
  const folder = await Deno.makeTempDir();
  try {
    await writeTrainingRequest(folder, { ...request, threads: 1 });
    const times = new Map<string, number>();
    let [phase, since] = ["start", performance.now()];
    const process = startTrainingProcess(folder, { through: [] });
    for await (const event of process.events) {
      const now = performance.now();
      times.set(phase, (times.get(phase) ?? 0) + now - since);
      [phase, since] = [phaseOf(event) ?? phase, now];
    }
    const { status } = await process.end;
    if (status !== "completed") throw new Error(`The job ended as ${status}`);
    return times;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Prints each phase's share, and that of the comparisons. */
export async function measurePhases(): Promise<void> {
  const times = await phaseTimes();
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const shareOf = (time: number) => `${(100 * time / total).toFixed(1)} %`;
  const rows = [...times].map(([phase, time]) => [phase, shareOf(time)]);
  for (const line of tableLines(["phase", "share of the job"], rows)) writeLine(line);
  const comparisons = COMPARISONS.reduce((sum, phase) => sum + (times.get(phase) ?? 0), 0);
  writeLine(`base and examples: ${shareOf(comparisons)}; wanted: at most 15 %`);
}
