/** Builds a training job's folder for tests: a small model that trains in a second, and invented exchanges. */
import { join } from "node:path";
import {
  type TrainingRequestInput,
  writeTrainingRequest,
} from "../../../ml/training/job/training_request.ts";
import { buildLlamaGguf } from "../ml/llama_gguf.ts";

const OPENINGS = [
  "hey are you",
  "did you get",
  "what time is",
  "can we talk about",
  "let me know when",
  "I am",
];
const ENDINGS = [
  "coming tonight?",
  "the job",
  "the food on the table",
  "your way home",
  "running late again",
  "it",
];
const REPLIES = [
  "yes I will be there at eight",
  "no problem at all any time",
  "sounds good to me lol",
  "call me when you wake up",
  "not sure let me think about it",
  "the train was cancelled again sorry",
  "great we should celebrate this weekend",
];

/** Exchanges that all differ, of a manner that can be learned. */
export function inventedSamples(count: number): TrainingRequestInput["samples"] {
  return Array.from({ length: count }, (_, index) => ({
    input: `Them: ${OPENINGS[index % 6]} ${ENDINGS[Math.floor(index / 6) % 6]} number ${index}\nMe:`,
    output: `${REPLIES[index % 7]} ${"abcdefghijklmnopqrstuvwxyz"[index % 26]}${index}`,
    quality: index % 3 === 0 ? 0.5 : 1,
    rejected: `I am afraid I cannot help with number ${index}.`,
  }));
}

/** A folder with a model, in which jobs' folders can be made. */
export interface TrainingFolder extends AsyncDisposable {
  readonly dir: string;
  readonly modelPath: string;
  /** Makes a job and returns its folder. */
  job(changes?: Partial<TrainingRequestInput>): Promise<string>;
}

export async function makeTrainingFolder(): Promise<TrainingFolder> {
  const dir = await Deno.makeTempDir({ prefix: "training-" });
  const modelPath = await buildLlamaGguf({ dir });
  let jobs = 0;
  return {
    dir,
    modelPath,
    async job(changes = {}) {
      const folder = join(dir, `job-${++jobs}`);
      await writeTrainingRequest(folder, {
        jobId: `job-${jobs}`,
        modelPath,
        modelId: "small",
        samples: inventedSamples(40),
        epochs: 2,
        learningRate: 5e-3,
        threads: 1,
        batchSize: 4,
        lora: { rank: 4 },
        weights: "f32",
        checkpointSteps: 3,
        ...changes,
      });
      return folder;
    },
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}
