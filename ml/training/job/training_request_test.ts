/** Tests that a training job takes exactly what the wire takes: each limit of a request stands in one place. */
import assert from "node:assert/strict";
import { mlStartTrainingRequestSchema } from "../../../contract/ml_training.ts";
import { processRequestOf } from "../../services/training_request.ts";
import { parseTrainingRequest } from "./training_request.ts";
import { TrainingError } from "../training_error.ts";

const SAMPLE = { input: "Dinner?", output: "Yes", quality: 1 };
const REQUEST = { job_id: "job", base_model: "model", samples: [SAMPLE] };

/** The largest value of each setting, and the smallest that is too large. */
const LIMITS: [path: string, largest: number, tooLarge: number][] = [
  ["lora.rank", 256, 257],
  ["lora.alpha", 1_024, 1_025],
  ["lora.layers", 1_000, 1_001],
  ["epochs", 100, 101],
  ["batch_size", 1_024, 1_025],
  ["seed", 0xffff_ffff, 0x1_0000_0000],
];

function requestWith(path: string, value: number) {
  const [name = "", field] = path.split(".");
  return { ...REQUEST, [name]: field === undefined ? value : { [field]: value } };
}

for (const [path, largest, tooLarge] of LIMITS) {
  Deno.test(`the wire and a training job agree on the largest ${path}`, () => {
    const wire = mlStartTrainingRequestSchema.parse(requestWith(path, largest));
    const jobRequest = processRequestOf(wire, { modelPath: "/model.gguf" });
    parseTrainingRequest(jobRequest);

    const refused = mlStartTrainingRequestSchema.safeParse(requestWith(path, tooLarge));
    assert.deepEqual(refused.error?.issues.map((issue) => issue.path.join(".")), [path]);
    const beyond = { ...wire, ...requestWith(path, tooLarge) };
    assert.throws(
      () => parseTrainingRequest(processRequestOf(beyond, { modelPath: "/model.gguf" })),
      TrainingError,
    );
  });
}
