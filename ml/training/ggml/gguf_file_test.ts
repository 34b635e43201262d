/** Tests reading GGUF files: metadata, directory, bytes, and files that are broken. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { buildLlamaGguf } from "../../../tests/support/ml/llama_gguf.ts";
import { GgufFile } from "./gguf_file.ts";
import { openGgml } from "./library.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import { TrainingError } from "../training_error.ts";

async function withFile(use: (path: string, dir: string) => Promise<void> | void): Promise<void> {
  await inTempDir(async (dir) => {
    await use(await buildLlamaGguf({ dir, type: "q8_0" }), dir);
  });
}

function isUnreadable(error: unknown): boolean {
  return error instanceof TrainingError && error.code === "model_unreadable";
}

Deno.test("metadata and tensors are read as they were written", async () => {
  await withFile((path) => {
    using file = new GgufFile(openGgml(), path);
    assert.equal(file.text("general.architecture"), "llama");
    assert.equal(file.number("llama.block_count"), 2);
    assert.equal(file.number("llama.rope.freq_base"), 10_000);
    assert.equal(file.text("llama.block_count"), undefined);
    assert.equal(file.number("general.architecture"), undefined);
    assert.equal(file.has("no.such.key"), false);
    const info = file.tensors.get("blk.1.ffn_down.weight");
    assert.ok(info);
    assert.deepEqual([info.type, info.shape, info.sizeBytes], ["q8_0", [160, 64, 1, 1], 160 / 32 * 34 * 64]);
    const bytes = new Uint8Array(info.sizeBytes);
    file.readTensor(info, bytes);
    const original = Deno.readFileSync(path);
    assert.deepEqual(bytes, original.slice(info.offsetBytes, info.offsetBytes + info.sizeBytes));
  });
});

Deno.test("a file that is missing, not a GGUF or truncated anywhere is refused with a sentence", async () => {
  await withFile(async (path, dir) => {
    assert.throws(() => new GgufFile(openGgml(), join(dir, "missing.gguf")), isUnreadable);
    const original = await Deno.readFile(path);
    const broken = join(dir, "broken.gguf");
    for (const share of [0, 0.0001, 0.01, 0.05, 0.3, 0.9, 0.9999]) {
      await Deno.writeFile(broken, original.subarray(0, Math.floor(original.length * share)));
      assert.throws(() => new GgufFile(openGgml(), broken), isUnreadable, `cut to ${share}`);
    }
    await Deno.writeTextFile(broken, "a text that is no model ".repeat(100));
    assert.throws(() => new GgufFile(openGgml(), broken), isUnreadable);
  });
});
