/** Tests an adapter's export: an archive that says the same as the adapter's own file. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { buildLlamaGguf } from "../../tests/support/ml/llama_gguf.ts";
import { assertError, type MlService, withMlService } from "../../tests/support/ml/ml_service.ts";
import { tensorsIn } from "../../tests/support/ml/safetensors_reader.ts";
import { publishTinyAdapter } from "../../tests/support/ml/tiny_adapter.ts";
import { withTinyEngine } from "../../tests/support/ml/tiny_gguf_engine.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { GgufFile } from "../training/ggml/gguf_file.ts";
import { openGgml } from "../training/ggml/library.ts";
import { createTrainer } from "../training/lora_trainer.ts";
import { readHyperparameters } from "../training/model/hyperparameters.ts";
import { peftArchiveOf } from "./peft_export.ts";

function exportTest(name: string, use: (service: MlService) => Promise<void>): void {
  Deno.test(
    name,
    () =>
      withTinyEngine({}, ({ engine, dir }) =>
        withMlService({ engine, dir }, async (service) => {
          await service.models.start();
          await use(service);
        })),
  );
}

exportTest(
  "an exported adapter has the numbers of its own file, the rotated rows by halves",
  async (service) => {
    const { id } = await publishTinyAdapter(service);
    const answer = await service.request(`/models/adapters/${id}/export`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/zip");
    assert.match(answer.headers.get("content-disposition") ?? "", new RegExp(`adapter-${id}\\.zip`));
    const files = unzipSync(await answer.bytes());
    assert.deepEqual(Object.keys(files).sort(), ["adapter_config.json", "adapter_model.safetensors"]);
    const config = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]));
    assert.deepEqual(
      [
        config.peft_type,
        config.r,
        config.lora_alpha,
        config.base_model_name_or_path,
        config.layers_to_transform,
      ],
      ["LORA", 4, 8, "tiny", null],
    );
    assert.deepEqual(config.target_modules.toSorted(), ["k_proj", "o_proj", "q_proj", "v_proj"]);

    const tensors = tensorsIn(files["adapter_model.safetensors"] ?? assert.fail());
    const { path: modelPath } = await service.models.servedFile();
    using model = new GgufFile(openGgml(), modelPath);
    using own = new GgufFile(openGgml(), service.registry.pathOf(id));
    assert.equal(tensors.size, own.tensors.size);
    const { headWidth } = readHyperparameters(model);
    const numbersOf = (name: string) => {
      const info = own.tensors.get(name) ?? assert.fail(name);
      const bytes = new Uint8Array(info.sizeBytes);
      own.readTensor(info, bytes);
      return { rows: info.shape[1], numbers: new Float32Array(bytes.buffer) };
    };
    const prefix = "base_model.model.model.layers.0.self_attn";
    for (
      const [theirs, ours] of [["o_proj.lora_A", "attn_output.weight.lora_a"], [
        "v_proj.lora_B",
        "attn_v.weight.lora_b",
      ]]
    ) {
      assert.deepEqual(
        tensors.get(`${prefix}.${theirs}.weight`)?.numbers,
        numbersOf(`blk.0.${ours}`).numbers,
      );
    }
    const rotated = tensors.get(`${prefix}.q_proj.lora_B.weight`) ?? assert.fail();
    const { rows, numbers } = numbersOf("blk.0.attn_q.weight.lora_b");
    assert.deepEqual(rotated.shape, [rows, 4]);
    // llama.cpp's conversion: [heads, 2, half, columns] becomes [heads, half, 2, columns].
    for (let head = 0; head < rows / headWidth; head++) {
      for (let pair = 0; pair < headWidth / 2; pair++) {
        for (const side of [0, 1]) {
          const from = (head * headWidth + side * headWidth / 2 + pair) * 4;
          const to = (head * headWidth + 2 * pair + side) * 4;
          assert.deepEqual(rotated.numbers.slice(from, from + 4), numbers.slice(to, to + 4));
        }
      }
    }
  },
);

for (const architecture of ["qwen2", "qwen3", "gemma3"] as const) {
  Deno.test(`an adapter of ${architecture} is exported as it is: its heads have transformers' order already`, async () => {
    await inTempDir(async (dir) => {
      const path = await buildLlamaGguf({ dir, architecture });
      using trainer = await createTrainer({ modelPath: path, lora: { rank: 2 }, seed: 1, threads: 1 });
      const adapterPath = join(dir, "adapter.gguf");
      await trainer.step([{ prompt: [1, 2], reply: [3] }], { learningRate: 1e-3 });
      await trainer.exportAdapter(adapterPath, {});
      const files = unzipSync(peftArchiveOf(adapterPath, { path, id: "small" }));
      const tensors = tensorsIn(files["adapter_model.safetensors"] ?? assert.fail());
      using own = new GgufFile(openGgml(), adapterPath);
      for (const [theirs, ours] of [["q_proj", "attn_q"], ["k_proj", "attn_k"], ["o_proj", "attn_output"]]) {
        const info = own.tensors.get(`blk.1.${ours}.weight.lora_b`) ?? assert.fail(ours);
        const bytes = new Uint8Array(info.sizeBytes);
        own.readTensor(info, bytes);
        const name = `base_model.model.model.layers.1.self_attn.${theirs}.lora_B.weight`;
        assert.deepEqual(tensors.get(name)?.numbers, new Float32Array(bytes.buffer), name);
      }
    });
  });
}

exportTest("an adapter that is unknown, tainted or of another model is not exported", async (service) => {
  const { id } = await publishTinyAdapter(service);
  await assertError(await service.request("/models/adapters/unknown/export"), "404 not_found");
  await assertError(await service.request("/models/adapters/..%2Fx/export"), "400 validation_failed");
  await service.adapters.taint(id);
  await assertError(await service.request(`/models/adapters/${id}/export`), "409 conflict");
});

exportTest("a file that is no adapter is an error that says so", async (service) => {
  const base = await service.models.servedFile();
  assert.throws(() => peftArchiveOf(base.path, base), /which is not known/);
  const broken = join(service.dir, "broken.gguf");
  await Deno.writeTextFile(broken, "GGUF");
  assert.throws(() => peftArchiveOf(broken, base), /cut short/);
});
