/** Tests which model is chosen, by what is on the machine, and what is said when none is available. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { RECOMMENDED_MODEL, SMALL_MODEL } from "./catalog.ts";
import { findInModelsFolder, listModelsFolder } from "./models_folder.ts";
import { resolveModel, type ResolveOptions } from "./model_source.ts";

const PLENTY = 64 * 1024 ** 3;
/** Port 9 of the loopback address: nobody listens there. */
const NO_HUB = "http://127.0.0.1:9";

async function withFolder(use: (options: ResolveOptions) => Promise<void>): Promise<void> {
  const modelsDir = await Deno.makeTempDir();
  const log = silentLogger();
  try {
    await use({ model: "auto", modelsDir, hubUrl: NO_HUB, log, availableBytes: PLENTY });
  } finally {
    await Deno.remove(modelsDir, { recursive: true });
  }
}

/** A file of this size that takes no space. */
async function placeFile(path: string, sizeBytes: number): Promise<void> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, sizeBytes);
}

Deno.test("auto takes the recommended model where it is present and memory allows", async () => {
  await withFolder(async (options) => {
    await placeFile(join(options.modelsDir, RECOMMENDED_MODEL.fileName), RECOMMENDED_MODEL.sizeBytes);
    await placeFile(join(options.modelsDir, SMALL_MODEL.fileName), SMALL_MODEL.sizeBytes);
    const chosen = await resolveModel(options);
    assert.equal(chosen.id, RECOMMENDED_MODEL.id);
    assert.match(chosen.why, /recommended/);
    const cramped = await resolveModel({ ...options, availableBytes: 1024 ** 3 });
    assert.equal(cramped.id, SMALL_MODEL.id);
    assert.match(cramped.why, /needs 3.65 GB of memory and 1.07 GB are available/);
  });
});

Deno.test("auto takes the small model where the hub cannot be reached, and says so", async () => {
  await withFolder(async (options) => {
    await placeFile(join(options.modelsDir, SMALL_MODEL.fileName), SMALL_MODEL.sizeBytes);
    const chosen = await resolveModel(options);
    assert.equal(chosen.id, SMALL_MODEL.id);
    assert.match(chosen.why, /the model hub does not answer for ministral-3b-instruct/);
  });
});

Deno.test("auto without hub and without a model says where to put one, and that the demo fetches it", async () => {
  await withFolder(async (options) => {
    await assert.rejects(resolveModel(options), (error: unknown) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^The model smollm2-135m-instruct is not here and could not be fetched/);
      const { fileName } = SMALL_MODEL;
      assert.ok(
        error.fix?.startsWith(`Put ${fileName} into ${options.modelsDir}, run \`deno task demo\` once`),
      );
      return true;
    });
  });
});

Deno.test("a path is taken as it is, and a missing file is a sentence", async () => {
  await withFolder(async (options) => {
    const path = join(options.modelsDir, "mine.gguf");
    await placeFile(path, 10);
    assert.deepEqual(await resolveModel({ ...options, model: path }), {
      id: "mine",
      path,
      why: "MODEL names its file",
    });
    await assert.rejects(resolveModel({ ...options, model: "/nowhere/x.gguf" }), (error: unknown) => {
      return error instanceof UserError && /There is no model file at \/nowhere\/x.gguf/.test(error.message);
    });
  });
});

Deno.test("a file's bare name is looked for in the models folder, then where the service runs", async () => {
  await withFolder(async (options) => {
    const { modelsDir } = options;
    const here = join(Deno.cwd(), "only here.gguf");
    for (const name of ["mine.gguf", "My Model.Q4_0.GGUF"]) {
      await placeFile(join(modelsDir, name), 10);
      const { id, path } = await resolveModel({ ...options, model: name });
      assert.deepEqual([id, path], [name.replace(/ /, "-").replace(/\.gguf$/, ""), join(modelsDir, name)]);
    }
    await assert.rejects(resolveModel({ ...options, model: "only here.gguf" }), (error: Error) => {
      assert.equal(
        error.message,
        `There is no model file at ${join(modelsDir, "only here.gguf")} or ${here}`,
      );
      return true;
    });
  });
});

Deno.test("an id is looked up in the folder; an unknown one is answered with what there is", async () => {
  await withFolder(async (options) => {
    await placeFile(join(options.modelsDir, "tuned-7b.gguf"), 10);
    assert.equal((await resolveModel({ ...options, model: "tuned-7b" })).id, "tuned-7b");
    await assert.rejects(
      resolveModel({ ...options, model: "nonesuch" }),
      /the catalog has smollm2-135m-instruct and ministral-3b-instruct/,
    );
  });
});

Deno.test("when the hub cannot be reached, one sentence says so and another what to do", async () => {
  await withFolder(async (options) => {
    await assert.rejects(resolveModel({ ...options, model: RECOMMENDED_MODEL.id }), (error: unknown) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /could not be fetched \(the model hub: .+\)$/);
      assert.match(
        error.fix ?? "",
        /^Put Ministral-3-3B-Instruct-2512-Q4_K_M.gguf into .*, or set MODEL to a GGUF/,
      );
      return true;
    });
  });
});

Deno.test("the folder lists whole models under safe ids only", async () => {
  await withFolder(async ({ modelsDir }) => {
    await placeFile(join(modelsDir, SMALL_MODEL.fileName), SMALL_MODEL.sizeBytes - 1);
    await placeFile(join(modelsDir, "fine.gguf"), 10);
    await placeFile(join(modelsDir, "fine.gguf.part"), 10);
    await placeFile(join(modelsDir, "..my model.gguf"), 10);
    await Deno.mkdir(join(modelsDir, "folder.gguf"));
    assert.deepEqual((await listModelsFolder(modelsDir)).map(({ id }) => id), ["fine", "my-model"]);
    assert.equal(await findInModelsFolder(modelsDir, "../fine"), undefined);
    assert.deepEqual(await listModelsFolder(join(modelsDir, "absent")), []);
  });
});

Deno.test("a link that leads nowhere hides none of the folder's models", async () => {
  await withFolder(async ({ modelsDir }) => {
    await placeFile(join(modelsDir, "a.gguf"), 10);
    await Deno.symlink(join(modelsDir, "gone"), join(modelsDir, "b.gguf"));
    await Deno.mkdir(join(modelsDir, "c.gguf"));
    await placeFile(join(modelsDir, "d.gguf"), 10);
    assert.deepEqual((await listModelsFolder(modelsDir)).map(({ id }) => id), ["a", "d"]);
  });
});
