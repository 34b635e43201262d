/** Tests samples as token ids: the same as the engine uses, ending with the end-of-turn token, shortened to fit. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Llama, type LlamaModel, type Token } from "node-llama-cpp";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import { withTinyEngine } from "../../../tests/support/ml/tiny_gguf_engine.ts";
import { endOfTurnTokens } from "../chat_prompt.ts";
import { closeLlama, openLlama } from "./llama_library.ts";
import { templateOf } from "./llama_model.ts";
import { openSampleTokenizer } from "./sample_tokenizer.ts";
import { silentLogger } from "../../../lib/log.ts";

const SAMPLES = [
  {
    input: "System: You are Sam.\nThem: are you coming tonight?\nMe: maybe\nThem: well?\nMe:",
    output: "yes",
  },
  { input: "what time is it?", output: "no idea 😀\nsorry" },
];

for (const chatTemplate of [undefined, null]) {
  const kind = chatTemplate === null ? "a base model" : "a chat model";
  Deno.test(`a training sample is what ${kind} is asked and answers, and an end-of-turn token`, async () => {
    await withTinyEngine({ gguf: { chatTemplate } }, async ({ engine, path }) => {
      await using tokenizer = await openSampleTokenizer(path, { log: silentLogger() });
      await using llama = await openLlama({ gpu: "off", log: silentLogger() });
      await using model = await llama.loadModel({ modelPath: path });
      for (const sample of SAMPLES) {
        const asked = engine.tokenize(sample);
        const trained = tokenizer.tokenize(sample, { maxTokens: 512 });
        assert.deepEqual(trained?.prompt, asked.prompt);
        assert.deepEqual(trained?.reply.slice(0, asked.reply.length), asked.reply);
        const mark = trained?.reply.slice(asked.reply.length) as Token[];
        assert.equal(model.detokenize(mark, true), chatTemplate === null ? "\nThem:" : "<|im_end|>");
      }
    });
  });
}

async function withTokenizer(
  use: (tokenizer: Awaited<ReturnType<typeof openSampleTokenizer>>) => void,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    await using tokenizer = await openSampleTokenizer(path, { log: silentLogger() });
    use(tokenizer);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a long conversation loses its oldest turns, never its newest nor the reply", async () => {
  await withTokenizer((tokenizer) => {
    const turns = Array.from(
      { length: 40 },
      (_, index) => `Them: message ${index} of many\nMe: fine ${index}`,
    );
    const long = { input: [...turns, "Them: and now?\nMe:"].join("\n"), output: "see you then" };
    const short = { input: "Them: and now?\nMe:", output: "see you then" };
    const [cut, whole] = [
      tokenizer.tokenize(long, { maxTokens: 120 }),
      tokenizer.tokenize(short, { maxTokens: 120 }),
    ];
    assert.ok(cut && whole);
    assert.ok(cut.prompt.length + cut.reply.length <= 120);
    assert.deepEqual(cut.reply, whole.reply);
    assert.deepEqual(cut.prompt.slice(-whole.prompt.length + 1), whole.prompt.slice(1));
  });
});

Deno.test("a reply that leaves no room for its prompt is not a sample", async () => {
  await withTokenizer((tokenizer) => {
    const output = "are you coming tonight? ".repeat(2_000);
    assert.equal(tokenizer.tokenize({ input: "hi", output }, { maxTokens: 512 }), null);
  });
});

async function endOfTurnOf(chatTemplate: string | null): Promise<string> {
  const dir = await Deno.makeTempDir();
  let llama: Llama | undefined;
  let model: LlamaModel | undefined;
  try {
    const path = await buildTinyGguf({ path: join(dir, "tiny.gguf"), chatTemplate });
    llama = await openLlama({ gpu: "off", log: silentLogger() });
    model = await llama.loadModel({ modelPath: path, vocabOnly: true });
    const mark = endOfTurnTokens({ model, template: templateOf(model, silentLogger()) });
    return model.detokenize(mark, true);
  } finally {
    await model?.dispose();
    if (llama) await closeLlama(llama);
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("the end-of-turn token is the one that the model's own template puts after a reply", async () => {
  const withMark = (mark: string) =>
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}" +
    `{% if m['role'] == 'assistant' %}${mark}{% endif %}\n{% endfor %}` +
    "{% if add_generation_prompt %}assistant: {% endif %}";
  assert.equal(await endOfTurnOf(withMark("<|endoftext|>")), "<|endoftext|>");
  assert.equal(await endOfTurnOf(withMark("<|im_end|>")), "<|im_end|>");
  assert.equal(await endOfTurnOf(withMark("")), "<|im_end|>", "the file's own where the template has none");
});
