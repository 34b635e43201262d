/** Tests that the demo's training ends in time, one way or the other, and says how it ended. */
import assert from "node:assert/strict";
import type { TrainingJob } from "../../contract/training.ts";
import { ownerClient } from "../../tests/support/server/owner_client.ts";
import { serveApp } from "../../tests/support/server/served_app.ts";
import { completedStatus, pairTrainee, runningStatus } from "../../tests/support/server/trainee.ts";
import { endWithoutAdapter, trainWithin } from "./training.ts";
import { TrainingProgress } from "./training_progress.ts";

const NEVER = new AbortController().signal;

/** A training on a server whose ml does what a test says. */
async function training() {
  const served = await serveApp();
  const { token } = await pairTrainee(served.app);
  const owner = ownerClient(served.url, token);
  const { ml } = served.app;
  return {
    owner,
    ml,
    /** The job's name, once ml has it. */
    jobId: () => ml.started[0]?.job_id ?? "",
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  };
}

Deno.test("a training that ends in time is shown at each step and brings its adapter", async () => {
  await using run = await training();
  const phases: unknown[] = [];
  const job = await trainWithin(run.owner, { timeUp: NEVER, signal: NEVER }, async ({ metrics }) => {
    phases.push(metrics?.step ?? null);
    if (phases.length === 1) run.ml.reportTraining(runningStatus(run.jobId()));
    if (metrics?.step === 9) run.ml.reportTraining(completedStatus(run.jobId(), { offered: false }));
    await Promise.resolve();
  });
  assert.deepEqual([job.status, job.metrics?.result?.adapterId], ["completed", `adapter-${run.jobId()}`]);
  assert.deepEqual(phases.slice(-2), [9, 20]);
});

Deno.test("a training whose time is up is cancelled on the server, and that is said with what it has come to", async () => {
  await using run = await training();
  const timeUp = new AbortController();
  const job = await trainWithin(run.owner, { timeUp: timeUp.signal, signal: NEVER }, async ({ metrics }) => {
    if (metrics?.step === 9) timeUp.abort();
    else run.ml.reportTraining(runningStatus(run.jobId()));
    await Promise.resolve();
  });
  assert.equal(job.status, "cancelled");
  assert.equal((await run.owner.trainingJob(job.id)).status, "cancelled");
  assert.match(
    endWithoutAdapter(job, 90_000),
    /^Its 1.5 minutes ran out at step 9 of 20, .*drafts stay as they were/,
  );
});

Deno.test("a training whose time is up after its last step is measured and stored all the same", async () => {
  await using run = await training();
  const timeUp = new AbortController();
  const job = await trainWithin(
    run.owner,
    { timeUp: timeUp.signal, signal: NEVER },
    async ({ id, metrics }) => {
      if (metrics?.step !== 20) run.ml.reportTraining(runningStatus(id, { step: 20 }));
      else if (timeUp.signal.aborted) run.ml.reportTraining(completedStatus(id));
      else timeUp.abort();
      await Promise.resolve();
    },
  );
  assert.deepEqual([job.status, job.metrics?.result?.offered], ["completed", true]);
});

Deno.test("a training that is over just when its time is up counts as it ended", async () => {
  await using run = await training();
  const timeUp = new AbortController();
  const job = await trainWithin(run.owner, { timeUp: timeUp.signal, signal: NEVER }, async ({ id }) => {
    run.ml.reportTraining(completedStatus(id));
    while ((await run.owner.trainingJob(id)).status !== "completed");
    timeUp.abort();
  });
  assert.deepEqual([job.status, job.metrics?.result?.offered], ["completed", true]);
});

Deno.test("an end of the demo ends the wait for its training", async () => {
  await using run = await training();
  const ending = new AbortController();
  const limits = { timeUp: NEVER, signal: ending.signal };
  const waiting = trainWithin(run.owner, limits, () => Promise.resolve(ending.abort(new Error("Ctrl-C"))));
  await assert.rejects(waiting, /Ctrl-C/);
});

function jobAt(metrics: Partial<NonNullable<TrainingJob["metrics"]>>): TrainingJob {
  return { status: "training", error: null, fix: null, metrics } as unknown as TrainingJob;
}

Deno.test("a failed training names its reason and what to do", () => {
  const job = { ...jobAt({}), status: "failed", error: "It needs 9 GB of memory", fix: "Free some" } as const;
  assert.equal(endWithoutAdapter(job, 1), "The training failed: It needs 9 GB of memory. Free some.");
});

Deno.test("progress is one line that is drawn again on a terminal, and lines of their own elsewhere", async () => {
  const course = [
    jobAt({ phase: "evaluating", evaluated: 15, toEvaluate: 30 }),
    jobAt({ phase: "evaluating", evaluated: 10, toEvaluate: 30 }),
    jobAt({ phase: "training", step: 5, steps: 20 }),
    jobAt({ phase: "evaluating", evaluated: 3, toEvaluate: 30 }),
    jobAt({ phase: "training", step: 20, steps: 20 }),
    jobAt({ phase: "exporting" }),
  ];
  let drawn = "";
  const terminal = { columns: 80, write: (text: string) => void (drawn += text) };
  const lines: string[] = [];
  for (const options of [{ terminal }, { terminal: null, write: (text: string) => void lines.push(text) }]) {
    using progress = new TrainingProgress(options);
    for (const job of course) await progress.show(job);
  }
  assert.deepEqual(lines, [
    "  Measuring replies: 15 of 30 (50 %)",
    "  Measuring replies: 10 of 30 (33 %)",
    "  Training steps: 5 of 20 (25 %)",
    "  Measuring replies: 3 of 30 (10 %)",
  ]);
  assert.match(drawn, /Measuring replies .*Training steps /s);
  assert.ok(!drawn.includes("\n"), "no line is left behind");
});
