/** Tests that both wires carry the same figures of a training job, whatever an older ml leaves out. */
import assert from "node:assert/strict";
import { mlTrainingStatusSchema } from "./ml_training.ts";
import {
  metricsOf,
  mlTrainingProgressSchema,
  nothingOf,
  trainingMetricsSchema,
  trainingOutcomeSchema,
  trainingResultSchema,
} from "./training_figures.ts";

Deno.test("every figure of ml's status is on the server's wire under its own name", () => {
  const figures = Object.keys(mlTrainingProgressSchema.shape);
  assert.ok(figures.includes("tokens_per_second") && figures.includes("held_out_loss"));
  assert.equal(Object.keys(trainingMetricsSchema.shape).length, figures.length + 1, "and the result");
  assert.equal(
    Object.keys(trainingOutcomeSchema.shape).length,
    Object.keys(trainingResultSchema.shape).length,
  );
  const metrics = metricsOf({
    ...nothingOf(mlTrainingProgressSchema),
    phase: "training",
    tokens_per_second: 12.5,
    eta_ms: 0,
    excluded: { too_long: 2 },
    result: {
      adapter_id: "a",
      offered: false,
      offer_reason: "Too few to tell",
      base_loss: 3,
      examples_loss: null,
      adapter_loss: 2.5,
      held_out_samples: 1,
      train_samples: 0,
    },
  });
  assert.deepEqual(metrics, {
    ...nothingOf(trainingMetricsSchema),
    phase: "training",
    tokensPerSecond: 12.5,
    etaMs: 0,
    excluded: { too_long: 2 },
    result: {
      adapterId: "a",
      offered: false,
      offerReason: "Too few to tell",
      baseLoss: 3,
      examplesLoss: null,
      adapterLoss: 2.5,
      heldOutSamples: 1,
      heldOutIds: null,
      trainSamples: 0,
    },
  });
});

Deno.test("figures that an older ml does not report are null", () => {
  const status = mlTrainingStatusSchema.parse({
    job_id: "a",
    status: "training",
    progress: 1,
    error: null,
    step: 3,
  });
  assert.deepEqual(metricsOf(status), { ...nothingOf(trainingMetricsSchema), step: 3 });
});
