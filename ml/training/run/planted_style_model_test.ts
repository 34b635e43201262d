/** Tests that a real training teaches the real small model habits that it has never shown: those of an invented person. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readCorpus } from "../../../demo/corpus.ts";
import { SMALL_MODEL } from "../../models/catalog.ts";
import { writeDrafts } from "../../../tests/support/ml/draft_writer.ts";
import { markShares } from "../../../tests/support/training/planted_marks.ts";
import { KIT, KIT_TRAINING, plantedPerson } from "../../../tests/support/training/planted_person.ts";
import { fetchSmallModel } from "../../../tests/support/ml/small_model.ts";
import { runTraining } from "../../../tests/support/training/training_run.ts";

const DATA_DIR = fileURLToPath(new URL("../../../data", import.meta.url));
/** Kit's replies are shorter; a base model that rambles is cut here. */
const MAX_TOKENS = 64;
/** Drafts to each unseen message, so that the share does not hang on a few draws. */
const DRAFTS = 2;

Deno.test("drafts show an invented person's habits after training on 200 samples, and hardly ever before", async () => {
  const { path: modelPath } = await fetchSmallModel();
  const { samples, unseen } = plantedPerson(await readCorpus(DATA_DIR), KIT);
  const threads = Math.max(1, navigator.hardwareConcurrency - 1);
  const requests = Array.from({ length: DRAFTS }, (_, seed) => seed)
    .flatMap((seed) => unseen.map((prompt) => ({ prompt, seed, maxTokens: MAX_TOKENS })));
  const sharesWith = async (adapterPath?: string) =>
    markShares(await writeDrafts(requests, { modelPath, adapterPath, threads }));
  const folder = await Deno.makeTempDir();
  try {
    const before = await sharesWith();
    assert.ok(before.all < 0.1, JSON.stringify(before));
    const result = await runTraining(folder, {
      jobId: "planted",
      modelPath,
      modelId: SMALL_MODEL.id,
      samples,
      threads,
      ...KIT_TRAINING,
    });
    assert.ok(result.offered, JSON.stringify(result.heldOut));
    const after = await sharesWith(result.adapterPath);
    assert.ok(after.all >= 0.8, JSON.stringify(after));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
