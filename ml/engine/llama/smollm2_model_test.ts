/** Tests the engine on the real small model: its template, its end-of-turn token, its numbers. */
import assert from "node:assert/strict";
import { fetchSmallModel } from "../../../tests/support/ml/small_model.ts";
import type { Engine, GenerationRequest } from "../engine.ts";
import { readTextingAdapter } from "../../models/texting_adapter.ts";
import { createLlamaEngine } from "./llama.ts";
import { silentLogger } from "../../../lib/log.ts";

const PROMPT = "System: You are Sam, texting a friend. Answer in one short message.\n" +
  "Them: Which city is the capital of France?\nMe:";

function request(options: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    prompt: PROMPT,
    maxTokens: 48,
    temperature: 0,
    topP: 0.9,
    repeatPenalty: 1.1,
    stop: ["\nThem:", "\nMe:"],
    ...options,
  };
}

async function withSmallModel(use: (engine: Engine) => Promise<void>): Promise<void> {
  const model = await fetchSmallModel();
  await using engine = await createLlamaEngine({
    gpu: "off",
    sequences: 2,
    contextSize: 2_048,
    queueLimit: 8,
    log: silentLogger(),
  });
  await engine.load(model);
  await use(engine);
}

Deno.test("asked through its own template the small model answers, and stops by itself", async () => {
  await withSmallModel(async (engine) => {
    const answer = await engine.generate(request());
    assert.match(answer.text, /Paris/);
    assert.equal(answer.finishReason, "stop");
    assert.doesNotMatch(answer.text, /<\|im_|Them:|Me:/);
    assert.ok(answer.confidence > 0.2 && answer.confidence <= 1, `confidence ${answer.confidence}`);
    assert.ok(answer.timings.tokens_per_second > 0);
  });
});

Deno.test("confidence agrees with the evaluation of the same reply", async () => {
  await withSmallModel(async (engine) => {
    for (const settings of [{ temperature: 0 }, { temperature: 0.9, seed: 11 }]) {
      const reply = await engine.generate(request(settings));
      const [likelihood] = await engine.evaluate({ samples: [{ input: PROMPT, output: reply.text }] });
      assert.ok(likelihood && reply.finishReason === "stop");
      // The evaluation tokenises the text again; the figures compare only if it gets the same tokens.
      assert.equal(likelihood.tokens, reply.tokensUsed);
      const evaluated = Math.exp(likelihood.logLikelihood / likelihood.tokens);
      const difference = Math.abs(reply.confidence - evaluated) / evaluated;
      assert.ok(difference < 0.01, `${reply.confidence} against ${evaluated}`);
    }
  });
});

Deno.test("a seed repeats a reply, and the conversation's next prompt reuses the first", async () => {
  await withSmallModel(async (engine) => {
    const first = await engine.generate(request({ temperature: 0.8, seed: 7 }));
    const again = await engine.generate(request({ temperature: 0.8, seed: 7 }));
    assert.equal(again.text, first.text);
    const next = await engine.generate(
      request({ prompt: PROMPT.replace(/Me:$/, "Them: and of Spain?\nMe:") }),
    );
    assert.ok(next.timings.cached_tokens > first.timings.prompt_tokens / 2);
    assert.match(next.text, /Madrid/);
  });
});

Deno.test("a likely reply is more probable than an unlikely one", async () => {
  await withSmallModel(async (engine) => {
    const [paris, llama] = await engine.evaluate({
      samples: [
        { input: PROMPT, output: "The capital of France is Paris." },
        { input: PROMPT, output: "The capital of France is llama." },
      ],
    });
    assert.ok(paris && llama && paris.logLikelihood > llama.logLikelihood + 2);
  });
});

Deno.test("the shipped texting adapter changes the small model as it did in training, and its replies", async () => {
  const texting = await readTextingAdapter();
  assert.ok(texting);
  const { manifest: { id, sha256, baseModel: baseModelId, probe }, path } = texting;
  const adapter = { id, path, sha256, baseModelId, probe };
  await withSmallModel(async (engine) => {
    assert.equal((await engine.probeAdapter(adapter)).probe, "agrees");
    const [alone, adapted] = [await engine.generate(request()), await engine.generate(request({ adapter }))];
    assert.equal(adapted.adapterProof?.probe, "agrees");
    assert.notEqual(adapted.text, alone.text);
  });
});
