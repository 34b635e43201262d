/** Tests the engine on llama.cpp with a tiny model: prompts, settings, stopping, sharing, swapping, failing. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ApiError } from "../../../lib/errors.ts";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import {
  generationRequest as request,
  PROMPT,
  type TinyEngine,
  withTinyEngine,
} from "../../../tests/support/ml/tiny_gguf_engine.ts";
import type { Generation } from "../engine.ts";
import { createLlamaEngine } from "./llama.ts";
import { silentLogger } from "../../../lib/log.ts";

/** A test on an engine of its own. */
function engineTest(name: string, use: (tiny: TinyEngine) => Promise<void>): void {
  Deno.test(name, () => withTinyEngine({}, use));
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ApiError && error.code === code;
}

engineTest(
  "a seed gives the same reply again: alone, after others, and beside others",
  async ({ engine }) => {
    const first = await engine.generate(request());
    assert.ok(first.text.length > 0 && first.tokensUsed > 0);
    assert.equal(first.modelId, "tiny");
    const other = await engine.generate(request({ seed: 2, prompt: "Them: what time is it?\nMe:" }));
    assert.notEqual(other.text, first.text);
    const [again, beside] = await Promise.all([
      engine.generate(request()),
      engine.generate(request({ seed: 2, prompt: "Them: what time is it?\nMe:" })),
    ]);
    assert.deepEqual([again.text, beside.text], [first.text, other.text]);
  },
);

engineTest("without a seed replies differ, and at temperature 0 they do not", async ({ engine }) => {
  const free = await Promise.all([1, 2, 3].map(() => engine.generate(request({ seed: undefined }))));
  assert.ok(new Set(free.map(({ text }) => text)).size > 1);
  const greedy = { temperature: 0, seed: undefined };
  const [one, two] = await Promise.all([engine.generate(request(greedy)), engine.generate(request(greedy))]);
  assert.equal(one.text, two.text);
});

engineTest("a repeat penalty lowers repetition", async ({ engine }) => {
  const distinct = async (repeatPenalty: number) => {
    const { text } = await engine.generate(request({ temperature: 0, maxTokens: 100, repeatPenalty }));
    return new Set(text).size;
  };
  assert.ok(await distinct(1.5) > await distinct(1), "more different characters with the penalty");
});

engineTest("confidence is a probability, and 0 for an empty reply", async ({ engine }) => {
  const { confidence } = await engine.generate(request());
  assert.ok(confidence > 0 && confidence <= 1);
  const { text } = await engine.generate(request());
  const nothing = await engine.generate(request({ stop: [text.slice(0, 1)] }));
  assert.deepEqual([nothing.text, nothing.confidence, nothing.finishReason], ["", 0, "stop"]);
});

engineTest("the pieces of a reply, joined, are the reply", async ({ engine }) => {
  const pieces: string[] = [];
  const { text } = await engine.generate(request({ maxTokens: 60 }), {
    onToken: (piece) => pieces.push(piece),
  });
  assert.ok(pieces.length > 1);
  assert.equal(pieces.join(""), text);
  assert.ok(text.isWellFormed());
});

engineTest("a stop sequence that spans tokens ends the reply before it", async ({ engine }) => {
  const pieces: string[] = [];
  const whole = await engine.generate(request({ maxTokens: 40 }), { onToken: (piece) => pieces.push(piece) });
  const at = whole.text.length >> 1;
  const stop = whole.text.slice(at, at + 6);
  assert.ok(pieces.every((piece) => !piece.includes(stop)), "no single token holds the stop string");
  const cut = await engine.generate(request({ maxTokens: 40, stop: [stop] }));
  assert.equal(cut.finishReason, "stop");
  assert.equal(cut.text, whole.text.slice(0, whole.text.indexOf(stop)).trimEnd());
  assert.ok(cut.tokensUsed < whole.tokensUsed);
});

engineTest("a reply ends at the token limit and at the end of the context", async ({ engine }) => {
  const short = await engine.generate(request({ maxTokens: 3 }));
  assert.deepEqual([short.tokensUsed, short.finishReason], [3, "length"]);
  const prompt = "are you coming tonight? ".repeat(30);
  const long = await engine.generate(request({ prompt, raw: true, maxTokens: 4_000 }));
  assert.equal(long.finishReason, "length");
  assert.equal(long.timings.prompt_tokens + long.tokensUsed, 512);
});

engineTest(
  "a reply ends at the model's own end-of-turn token, which is not part of it",
  async ({ engine }) => {
    const wild = { temperature: 2, topP: 1, topK: 0, minP: 0, repeatPenalty: 1, maxTokens: 400 };
    const replies: Generation[] = [];
    for (let seed = 0; seed < 6; seed++) replies.push(await engine.generate(request({ ...wild, seed })));
    const ended = replies.filter(({ finishReason }) => finishReason === "stop");
    assert.ok(ended.length > 0, "no seed produced an end-of-turn token");
    assert.ok(ended.every(({ tokensUsed, text }) => tokensUsed < 400 && !text.includes("<|")));
  },
);

engineTest("the next prompt of a conversation reuses what was evaluated", async ({ engine }) => {
  const first = await engine.generate(request({ conversationId: "c1" }));
  assert.equal(first.timings.cached_tokens, 0);
  await engine.generate(request({ conversationId: "c2", prompt: "Them: good night\nMe:" }));
  const longer = `Them: are you coming tonight?\nMe: ${
    first.text.replaceAll("\n", "\n  ")
  }\nThem: great!\nMe:`;
  const next = await engine.generate(request({ conversationId: "c1", prompt: longer }));
  assert.ok(
    next.timings.cached_tokens >= first.timings.prompt_tokens,
    `${next.timings.cached_tokens} reused`,
  );
  assert.ok(next.timings.cached_tokens < next.timings.prompt_tokens);
});

engineTest("an abort ends a generation at the next token and frees its slot", async ({ engine }) => {
  const leaving = new AbortController();
  const reason = new Error("the client went away");
  let pieces = 0;
  const generation = engine.generate(request({ maxTokens: 400, temperature: 0 }), {
    signal: leaving.signal,
    onToken: () => {
      if (++pieces === 3) leaving.abort(reason);
    },
  });
  await assert.rejects(generation, reason);
  assert.ok(pieces <= 4, `${pieces} pieces`);
  assert.equal(engine.occupancy.running, 0);
  const after = await Promise.all([1, 2].map((seed) => engine.generate(request({ seed }))));
  assert.equal(after.length, 2);
});

engineTest("requests beyond the capacity wait, and beyond the queue are refused", async ({ engine }) => {
  const running: Promise<Generation>[] = [];
  for (let seed = 0; seed < 6; seed++) running.push(engine.generate(request({ seed })));
  assert.deepEqual(engine.occupancy, { running: 2, waiting: 4, capacity: 2 });
  await assert.rejects(engine.generate(request()), hasCode("queue_full"));
  const done = await Promise.all(running);
  assert.ok(done.every(({ tokensUsed }) => tokensUsed > 0));
  assert.ok((done.at(-1)?.timings.queue_ms ?? 0) > 0);
});

engineTest(
  "a chat longer than the context loses its oldest turns and keeps system line and newest",
  async ({ engine }) => {
    const turns = Array.from(
      { length: 300 },
      (_, index) => `Them: message number ${index}\nMe: yes ${index}`,
    );
    const prompt = ["System: You are Sam.", ...turns, "Them: are you coming tonight?", "Me:"].join("\n");
    const { prompt: tokens } = engine.tokenize({ input: prompt, output: "ok" });
    assert.ok(tokens.length <= 512 && tokens.length > 300, `${tokens.length} tokens`);
    const { prompt: tail } = engine.tokenize({ input: PROMPT, output: "ok" });
    const { prompt: head } = engine.tokenize({ input: "System: You are Sam.\nMe:", output: "ok" });
    assert.deepEqual(tokens.slice(-20), tail.slice(-20));
    assert.deepEqual(tokens.slice(0, 8), head.slice(0, 8));
    assert.ok((await engine.generate(request({ prompt }))).tokensUsed > 0);
  },
);

engineTest(
  "a single message or system line longer than the context is cut, not refused",
  async ({ engine }) => {
    const long = "are you coming 😀 tonight? ".repeat(5_000);
    for (const prompt of [`Them: ${long}\nMe:`, `System: ${long}\nThem: hi\nMe:`, `Me: ${long}\nMe:`]) {
      const { timings, tokensUsed } = await engine.generate(request({ prompt, maxTokens: 4 }));
      assert.ok(tokensUsed > 0 && timings.prompt_tokens <= 512);
    }
  },
);

engineTest("a plain text longer than the context is refused with its path", async ({ engine }) => {
  for (const prompt of ["word ".repeat(600), "x".repeat(900_000)]) {
    await assert.rejects(engine.generate(request({ prompt, raw: true })), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.code, "validation_failed");
      assert.equal(error.details?.[0]?.path, "prompt");
      return true;
    });
  }
});

engineTest("another model is swapped in; requests in flight end on the old one", async ({ engine, dir }) => {
  const path = await buildTinyGguf({ path: join(dir, "other.gguf"), seed: 99 });
  const before = await engine.generate(request({ temperature: 0 }));
  const inFlight = engine.generate(request({ temperature: 0 }));
  await engine.load({ id: "other", path });
  assert.deepEqual([(await inFlight).modelId, (await inFlight).text], ["tiny", before.text]);
  const after = await engine.generate(request({ temperature: 0 }));
  assert.equal(after.modelId, "other");
  assert.notEqual(after.text, before.text);
});

engineTest(
  "a file that cannot be loaded leaves the old model in place and says what is wrong",
  async ({ engine, path, dir }) => {
    const whole = await Deno.readFile(path);
    const cut = join(dir, "cut.gguf");
    await Deno.writeFile(cut, whole.subarray(0, whole.length >> 1));
    const noise = join(dir, "noise.gguf");
    await Deno.writeTextFile(noise, "this is no model");
    await assert.rejects(engine.load({ id: "cut", path: cut }), /cut.gguf cannot be loaded/);
    await assert.rejects(engine.load({ id: "noise", path: noise }), /noise.gguf cannot be loaded/);
    await assert.rejects(engine.load({ id: "none", path: join(dir, "none.gguf") }), /There is no model file/);
    assert.equal(engine.modelId, "tiny");
    assert.ok((await engine.generate(request())).tokensUsed > 0);
  },
);

Deno.test("without a model every call says so", async () => {
  await using engine = await createLlamaEngine({
    gpu: "off",
    threads: 1,
    sequences: 1,
    contextSize: 512,
    queueLimit: 1,
    log: silentLogger(),
  });
  assert.equal(engine.modelId, null);
  const samples = [{ input: "hi", output: "hello" }];
  await assert.rejects(engine.generate(request()), hasCode("model_not_loaded"));
  await assert.rejects(engine.evaluate({ samples }), hasCode("model_not_loaded"));
  assert.equal(engine.occupancy.running, 0);
});

Deno.test("disposing the engine ends what runs and what waits", async () => {
  let running: Promise<Generation>[] = [];
  await withTinyEngine({ engine: { sequences: 1 } }, async ({ engine }) => {
    const begun = Promise.withResolvers<void>();
    const long = request({ maxTokens: 400, temperature: 0 });
    running = [engine.generate(long, { onToken: () => begun.resolve() }), engine.generate(long)];
    for (const generation of running) generation.catch(() => {});
    await begun.promise;
  });
  for (const generation of running) await assert.rejects(generation, hasCode("model_not_loaded"));
});
