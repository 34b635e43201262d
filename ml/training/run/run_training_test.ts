/** Tests a job within the test's own process: requests that cannot be, early stops, memory, order and rate. */
import { join } from "node:path";
import { buildLlamaGguf } from "../../../tests/support/ml/llama_gguf.ts";
import { inventedSamples, makeTrainingFolder } from "../../../tests/support/training/training_folder.ts";
import { epochBatches, learningRateAt } from "./schedule.ts";
import { runTraining } from "./run_training.ts";
import { StepClock } from "./step_clock.ts";
import type { RunResult, TrainingEvent } from "../job/training_event.ts";
import {
  parseTrainingRequest,
  readTrainingRequest,
  type TrainingRequestInput,
} from "../job/training_request.ts";
import assert from "node:assert/strict";
import { failureOf, TrainingError, type TrainingErrorCode } from "../training_error.ts";

async function run(folder: string): Promise<{ events: TrainingEvent[]; result: RunResult }> {
  const events: TrainingEvent[] = [];
  const emit = (event: TrainingEvent) => void events.push(event);
  return { events, result: await runTraining(folder, { emit, signal: new AbortController().signal }) };
}

function isFailure(code: TrainingErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    const failure = failureOf(error);
    assert.equal(failure.code, code, String(error));
    assert.match(failure.message, words);
    return true;
  };
}

const REQUEST: TrainingRequestInput = {
  jobId: "job",
  modelPath: "/nowhere/model.gguf",
  modelId: "small",
  samples: [{ input: "hi", output: "hello" }],
};

Deno.test("a request with an invalid number is refused with the field's name", () => {
  const bad: [object, RegExp][] = [
    [{ epochs: 0 }, /epochs/],
    [{ epochs: 1_000 }, /epochs/],
    [{ epochs: 1.5 }, /epochs/],
    [{ learningRate: NaN }, /learningRate/],
    [{ learningRate: -1 }, /learningRate/],
    [{ samples: [{ input: "a", output: "b", quality: 1.5 }] }, /samples\.0\.quality/],
    [{ samples: [{ input: "a", output: "b", quality: NaN }] }, /samples\.0\.quality/],
    [{ samples: [{ input: "a" }] }, /samples\.0\.output/],
    [{ lora: { rank: 0 } }, /lora\.rank/],
    [{ lora: { rank: 4, dropout: 1 } }, /lora\.dropout/],
    [{ lora: { rank: 4, targets: ["embedding"] } }, /lora\.targets/],
    [{ threads: 0 }, /threads/],
    [{ method: "magic" }, /method/],
    [{ jobId: undefined }, /jobId/],
  ];
  for (const [change, words] of bad) {
    assert.throws(() => parseTrainingRequest({ ...REQUEST, ...change }), isFailure("bad_request", words));
  }
  const { epochs, lora, batchSize } = parseTrainingRequest(REQUEST);
  assert.deepEqual({ epochs, lora, batchSize }, { epochs: 3, lora: { rank: 8, dropout: 0 }, batchSize: 8 });
});

Deno.test("a folder without a request, or with half of one, is refused", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await assert.rejects(readTrainingRequest(dir), isFailure("bad_request", /no request\.json/));
    await Deno.writeTextFile(join(dir, "request.json"), '{"jobId": "a", "samp');
    await assert.rejects(readTrainingRequest(dir), isFailure("bad_request", /no JSON/));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a job that cannot run is refused with a sentence before any training", async () => {
  await using training = await makeTrainingFolder();
  const mixture = await buildLlamaGguf({ dir: training.dir, numbers: { "expert_count": 8 } });
  const notes = join(training.dir, "notes.gguf");
  await Deno.writeTextFile(notes, "no model");
  const bad: [Partial<TrainingRequestInput>, TrainingErrorCode, RegExp][] = [
    [{ modelPath: join(training.dir, "none.gguf") }, "bad_request", /no base model at/],
    [{ modelPath: notes }, "model_unreadable", /no GGUF/],
    [{ modelPath: mixture }, "model_unsupported", /expert_count/],
    [{ samples: [] }, "too_few_samples", /of 0 given/],
    [{ samples: inventedSamples(1) }, "too_few_samples", /of 1 given/],
    [{ memoryLimitBytes: 1_000_000 }, "out_of_memory", /needs 0\.\d\d GiB of memory and may take 0\.00 GiB/],
    [{ lora: { rank: 4, layers: 9 } }, "bad_settings", /layers/],
    [{ method: "dpo", lora: { rank: 4, dropout: 0.1 } }, "bad_request", /dropout/],
  ];
  for (const [changes, code, words] of bad) {
    const folder = await training.job(changes);
    await assert.rejects(run(folder), isFailure(code, words));
    assert.ok(!Array.from(Deno.readDirSync(folder), ({ name }) => name).includes("adapter.gguf"));
  }
});

Deno.test("training stops when the held-out loss no longer falls, and the best epoch's adapter is the result", async () => {
  await using training = await makeTrainingFolder();
  // A rate at which the few samples are soon learned by heart.
  const folder = await training.job({ epochs: 30, learningRate: 0.03, patienceEpochs: 2, warmupSteps: 0 });
  const { result } = await run(folder);
  assert.ok(result.stoppedEarly && result.epochsRun < 30);
  assert.equal(result.bestEpoch, result.epochsRun - 2);
  const losses = result.curve.epochs.map(({ heldOutLoss }) => heldOutLoss);
  assert.equal(Math.min(...losses.slice(1)), result.heldOut.adapterLoss);
  assert.equal(losses[result.bestEpoch], result.heldOut.adapterLoss);
});

Deno.test("an adapter that does no better than the base model is not offered", async () => {
  await using training = await makeTrainingFolder();
  const samples = inventedSamples(110).map(({ input }, index) =>
    index < 30 ? { input, output: "zq xv jk qq ww", heldOut: true } : { input, output: "no", heldOut: false }
  );
  const folder = await training.job({ samples, learningRate: 0.05, epochs: 1, batchSize: 2, warmupSteps: 0 });
  const { result } = await run(folder);
  assert.ok(result.heldOut.adapterLoss >= result.heldOut.baseLoss);
  assert.equal(result.offered, false);
  assert.match(
    result.offerReason ?? "",
    /^Not surely better than the base model: .* on 30 held-out replies$/,
  );
});

Deno.test("the rate rises linearly, falls along half a cosine, and is never zero", () => {
  const rates = Array.from(
    { length: 20 },
    (_, step) => learningRateAt(step, { peak: 1, warmupSteps: 4, steps: 20 }),
  );
  assert.deepEqual(rates.slice(0, 5), [0.2, 0.4, 0.6, 0.8, 1]);
  assert.ok(Math.abs((rates[12] ?? 0) - 0.5) < 1e-12);
  for (let step = 5; step < 20; step++) {
    assert.ok((rates[step] ?? 0) < (rates[step - 1] ?? 0) && (rates[step] ?? 0) > 0);
  }
});

Deno.test("each epoch has every sample once, in an order determined by seed and epoch", () => {
  const items = Array.from({ length: 50 }, (_, index) => index);
  const order = (seed: number, epoch: number) => epochBatches(items, { seed, epoch, batchSize: 8 });
  assert.deepEqual(order(1, 1).map(({ length }) => length), [8, 8, 8, 8, 8, 8, 2]);
  assert.deepEqual(order(1, 1).flat().sort((a, b) => a - b), items);
  assert.deepEqual(order(1, 2), order(1, 2));
  assert.notDeepEqual(order(1, 1), order(1, 2));
  assert.notDeepEqual(order(1, 1), order(2, 1));
});

Deno.test("a job's speed and remaining time follow its steps", async () => {
  let now = 0;
  const clock = new StepClock(() => now);
  assert.equal(clock.etaMs(10), null);
  await clock.time(() => Promise.resolve(now += 2_000));
  clock.stepped(100);
  assert.equal(clock.tokensPerSecond, 50);
  assert.equal(clock.etaMs(3), 6_000);
  assert.equal(clock.isSaveDue, false);
  now += 120_000;
  assert.equal(clock.isSaveDue, true);
  clock.saved();
  assert.equal(clock.isSaveDue, false);
});

Deno.test("a failure's message never quotes a sample", () => {
  assert.deepEqual(failureOf(new Error("Unexpected token in 'my secret message'")), {
    code: "internal",
    message: "Training ended unexpectedly (Error)",
  });
  assert.equal(failureOf(new TrainingError("model_changed", "It changed")).message, "It changed");
  assert.equal(failureOf(new TrainingError("diverged", "It diverged")).code, "diverged");
  assert.equal(failureOf(new Error("No space left on device (os error 28)")).code, "disk_full");
});

Deno.test("every evaluation of a job reports how many replies it has measured, from none to all", async () => {
  await using training = await makeTrainingFolder();
  const samples = inventedSamples(24).map((sample) => ({ ...sample, rejected: `no, ${sample.output}?` }));
  const folder = await training.job({ samples, method: "dpo", epochs: 2 });
  const { events, result } = await run(folder);
  const counts = new Map<string, number[]>();
  for (const event of events) {
    if (event.type !== "evaluating") continue;
    const all = event.what === "pairs" ? 2 * result.train : result.heldOut.samples;
    assert.equal(event.toEvaluate, all, event.what);
    counts.set(event.what, [...counts.get(event.what) ?? [], event.evaluated]);
  }
  assert.deepEqual([...counts.keys()], ["base", "examples", "pairs", "heldOut"]);
  const pairs = counts.get("pairs") ?? [];
  assert.ok(pairs.length > 2, `more than its beginning and its end: ${pairs}`);
  for (const [what, evaluated] of counts) {
    const last = what === "pairs" ? 2 * result.train : result.heldOut.samples;
    assert.deepEqual([evaluated.at(0), evaluated.at(-1)], [0, last], what);
    assert.ok(evaluated.every((count) => count <= last), what);
  }
});
