/** Tests the tiny model itself: equal seeds give equal files, and llama.cpp spells any text with its tokenizer. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { getLlama } from "node-llama-cpp";
import { buildTinyGguf } from "./tiny_gguf.ts";
import { inTempDir } from "../process/temp_dir.ts";

Deno.test("equal seeds give equal bytes, other seeds others, and the file stays small", async () => {
  await inTempDir(async (dir) => {
    const bytesOf = async (name: string, seed: number) =>
      await Deno.readFile(await buildTinyGguf({ path: join(dir, name), seed }));
    const first = await bytesOf("a.gguf", 7);
    assert.deepEqual(await bytesOf("b.gguf", 7), first);
    assert.notDeepEqual(await bytesOf("c.gguf", 8), first);
    assert.ok(first.length < 5_000_000, `${first.length} bytes`);
  });
});

Deno.test("llama.cpp's tokenizer reproduces any text and knows the chat's special tokens", async () => {
  await inTempDir(async (dir) => {
    await using llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
    await using model = await llama.loadModel({
      modelPath: await buildTinyGguf({ path: join(dir, "m.gguf") }),
    });
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
    fc.assert(fc.property(text, (value) => {
      assert.equal(model.detokenize(model.tokenize(value)), value);
    }));
    const words = model.tokenize("are you coming tonight?");
    assert.ok(words.length < "are you coming tonight?".length / 2, "merges must shorten ordinary words");
    const mark = model.tokenize("<|im_end|>", true);
    assert.equal(mark.length, 1);
    assert.ok(model.isEogToken(mark[0]));
    assert.ok(model.tokenize("<|im_end|>").length > 1, "as plain text the mark is ordinary characters");
  });
});
