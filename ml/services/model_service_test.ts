/** Tests what `/health` and the log say of the device that a model runs on: a real model, and the files of a driver in a folder. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { healthResponseSchema } from "../../contract/ml.ts";
import { withMlService } from "../../tests/support/ml/ml_service.ts";
import { withTinyEngine } from "../../tests/support/ml/tiny_gguf_engine.ts";
import { backendOf } from "./model_service.ts";

const CPU = { device: "cpu", gpuLayers: 0 };
const CUDA = { device: "cuda", gpuLayers: 33 };

/** What health says of a model on the CPU where a folder of libraries has these files, and the log's lines that a person sees. */
async function onCpuWith(files: readonly string[]) {
  const seen = { backend: null as unknown, lines: [] as string[] };
  await withTinyEngine({}, async ({ engine, dir }) => {
    const folder = join(dir, "lib");
    await Deno.mkdir(folder);
    for (const name of files) await Deno.writeTextFile(join(folder, name), "");
    await withMlService(
      { engine, dir, driverFolders: [join(dir, "none"), folder] },
      async ({ models, request, logLines }) => {
        await models.start();
        const health = (await (await request("/health")).text()).replaceAll(folder, "/lib");
        seen.backend = healthResponseSchema.parse(JSON.parse(health)).backend;
        seen.lines = logLines.map((line) => line.replaceAll(folder, "/lib"));
      },
    );
  });
  return seen;
}

const IS_MAC = Deno.build.os === "darwin";
/** A Mac of Apple silicon needs no driver to have a GPU; an Intel one is taken to have none. */
const ALWAYS = IS_MAC && Deno.build.arch === "aarch64" ? "the GPU of Apple silicon" : null;

for (
  const [files, gpu] of [
    [["libc.so.6", "libcuda.so.1"], IS_MAC ? ALWAYS : "an NVIDIA driver (/lib/libcuda.so.1)"],
    [["libc.so.6"], ALWAYS],
  ] as const
) {
  Deno.test(`with ${files.join(", ")} a model on the CPU makes a warning exactly where there is a GPU`, async () => {
    const warning = gpu &&
      `This machine has ${gpu}, but the model runs on the CPU: see "GPU" in the README, or set GPU=off`;
    const { backend, lines } = await onCpuWith(files);
    assert.deepEqual(backend, { device: "cpu", gpu_layers: 0, warning });
    const logged = lines.map((line) => JSON.parse(line));
    const warned = logged.filter(({ level }) => level === "warn").map(({ message }) => message);
    assert.deepEqual(warned, warning === null ? [] : [warning]);
    const loaded = logged.find(({ message }) => message.startsWith("The model is tiny"));
    assert.deepEqual([loaded.device, loaded.gpuLayers], ["cpu", 0]);
  });
}

Deno.test("there is no warning where the GPU computes, and no device before a model is loaded", () => {
  assert.match(
    backendOf({ device: CPU }, "a GPU")?.warning ?? "",
    /has a GPU, but the model runs on the CPU/,
  );
  assert.deepEqual(backendOf({ device: CUDA }, "a GPU"), { device: "cuda", gpu_layers: 33, warning: null });
  assert.deepEqual([backendOf({}, "a GPU"), backendOf({ device: null }, "a GPU")], [null, null]);
});
