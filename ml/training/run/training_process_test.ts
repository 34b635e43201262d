/** Tests training jobs in their own process: a whole run, kills, cancellations, crashes, and what is left behind. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeTrainingFolder, type TrainingFolder } from "../../../tests/support/training_folder.ts";
import { GgufFile } from "../ggml/gguf_file.ts";
import { openGgml } from "../ggml/library.ts";
import { readMetrics } from "./metrics_file.ts";
import type { TrainingEnd, TrainingEvent, TrainingResult } from "./training_event.ts";
import { startTrainingProcess, type TrainingProcess } from "./training_process.ts";
import type { TrainingRequestInput } from "./training_request.ts";

async function withFolder(use: (folder: TrainingFolder) => Promise<void>): Promise<void> {
  await using folder = await makeTrainingFolder();
  await use(folder);
}

interface Told {
  events: TrainingEvent[];
  end: TrainingEnd;
}

/** Follows a process to its end; `at` is shown each event. */
async function follow(
  process: TrainingProcess,
  at: (event: TrainingEvent) => void = () => {},
): Promise<Told> {
  const events: TrainingEvent[] = [];
  for await (const event of process.events) {
    events.push(event);
    at(event);
  }
  return { events, end: await process.end };
}

function completed(end: TrainingEnd): TrainingResult {
  assert.equal(end.status, "completed", JSON.stringify(end));
  return end.result;
}

/** What must be the same for two runs of one job, however often they were interrupted. */
async function traceOf(folder: string): Promise<{ metrics: unknown[]; adapter: Uint8Array }> {
  const metrics = (await readMetrics(folder)).map((metric) =>
    metric.type === "step" ? { ...metric, tokensPerSecond: 0, etaMs: 0 } : metric
  );
  return { metrics, adapter: await Deno.readFile(join(folder, "adapter.gguf")) };
}

function stepOf(event: TrainingEvent): number | undefined {
  return event.type === "step" ? event.step : undefined;
}

Deno.test("a job tells its steps, measures base, examples and adapter, and leaves an adapter that says whence it is", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ provenance: { account: "a-1" } });
    const { events, end } = await follow(startTrainingProcess(folder));
    const result = completed(end);
    const prepared = events.find((event) => event.type === "prepared");
    assert.ok(prepared && prepared.train + prepared.heldOut === 40 && prepared.memoryBytes > 0);
    assert.deepEqual(
      events.flatMap((event) => stepOf(event) ?? []),
      Array.from({ length: prepared.steps }, (_, index) => index + 1),
    );
    assert.deepEqual(
      events.flatMap((event) => event.type === "epoch" ? [event.epoch] : []),
      [0, 1, 2],
    );
    const { heldOut } = result;
    assert.ok(heldOut.adapterLoss < heldOut.baseLoss && result.offered);
    assert.ok(
      heldOut.examplesLoss > 0 && heldOut.samples === prepared.heldOut && heldOut.tokens > heldOut.samples,
    );
    assert.equal(result.curve.steps.length, prepared.steps);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(join(folder, "result.json"))), result);
    using file = new GgufFile(openGgml(), result.adapterPath);
    assert.equal(file.text("conversation_assistant.base_model_sha256"), result.modelHash);
    assert.equal(file.text("conversation_assistant.account"), "a-1");
    assert.equal(file.number("conversation_assistant.adapter_loss"), heldOut.adapterLoss);
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assert.deepEqual(left, ["adapter.gguf", "metrics.jsonl", "request.json", "result.json"]);
  });
});

Deno.test("a job that has completed completes again at once with the same result", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ epochs: 1 });
    const first = completed((await follow(startTrainingProcess(folder))).end);
    const { events, end } = await follow(startTrainingProcess(folder));
    assert.deepEqual(completed(end), first);
    assert.deepEqual(events.map(({ type }) => type), ["completed"]);
  });
});

Deno.test("a job killed at any steps and started again gives the same curve and the same adapter, bit for bit", async () => {
  await withFolder(async (training) => {
    const changes: Partial<TrainingRequestInput> = {
      jobId: "same",
      lora: { rank: 4, dropout: 0.1 },
      weightDecay: 0.01,
    };
    const undisturbed = await training.job(changes);
    completed((await follow(startTrainingProcess(undisturbed))).end);
    const killed = await training.job(changes);
    // Before the first checkpoint, between two, at an epoch's end, in the last epoch.
    for (const killAt of [1, 5, 9, 17]) {
      const process = startTrainingProcess(killed);
      const { end } = await follow(process, (event) => {
        if (stepOf(event) === killAt) Deno.kill(process.pid, "SIGKILL");
      });
      assert.equal(end.status, "crashed");
    }
    const { events, end } = await follow(startTrainingProcess(killed));
    completed(end);
    assert.ok(events.some((event) => event.type === "note" && event.code === "resumed"));
    assert.deepEqual(await traceOf(killed), await traceOf(undisturbed));
  });
});
