/** Tests over HTTP of several candidates to one prompt: what they cost, how they are sampled, and how they end. */
import assert from "node:assert/strict";
import {
  generateAsyncResponseSchema,
  type GenerateResult,
  generateResultSchema,
  generateStatusResponseSchema,
} from "../contract/ml.ts";
import { delay } from "../lib/backoff.ts";
import { createFakeEngine } from "../tests/support/ml/fake_engine.ts";
import { assertError, type MlService, withMlService } from "../tests/support/ml/ml_service.ts";
import { withTinyEngine } from "../tests/support/ml/tiny_gguf_engine.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";

const LINES = Array.from({ length: 12 }, (_, index) => `Them: question number ${index} for you`);
const PROMPT = `${LINES.join("\n")}\nMe:`;
const ASK = { prompt: PROMPT, max_tokens: 10, temperature: 1, seed: 0xffff_fffe };
/** Seeds count on from the request's, and begin again at 0. */
const SEEDS = [0xffff_fffe, 0xffff_ffff, 0, 1, 2];

interface Asked {
  service: MlService;
  ask: (body: object) => Promise<GenerateResult>;
}

function candidatesTest(name: string, use: (asked: Asked) => Promise<void>, sequences = 3): void {
  Deno.test(
    name,
    () =>
      withTinyEngine(
        { engine: { sequences, queueLimit: 2 } },
        ({ engine, dir }) =>
          withMlService({ engine, dir }, async (service) => {
            const ask = async (body: object) =>
              generateResultSchema.parse(await (await service.post("/generate", body)).json());
            await use({ service, ask });
          }),
      ),
  );
}

/** Tokens of the prompt that were evaluated for a reply. */
function evaluatedOf({ timings }: Pick<GenerateResult, "timings">): number {
  return (timings?.prompt_tokens ?? NaN) - (timings?.cached_tokens ?? NaN);
}

for (const sequences of [1, 3, 5]) {
  candidatesTest(
    `candidates cost one evaluation of the prompt and are what their seeds give alone: ${sequences} sequences`,
    async ({ ask }) => {
      const { candidates = [], ...best } = await ask({ ...ASK, n: 5, conversation_id: "c" });
      assert.equal(candidates.length, 5);
      const evaluated = candidates.map(evaluatedOf);
      const promptTokens = best.timings?.prompt_tokens ?? 0;
      assert.ok(promptTokens > 100);
      // After a copy of the prompt only its last token is evaluated, for the logits that follow it.
      assert.deepEqual(evaluated.toSorted((a, b) => a - b), [1, 1, 1, 1, promptTokens]);
      assert.deepEqual(candidates.map(({ seed }) => seed).toSorted(), SEEDS.toSorted());
      assert.ok(new Set(candidates.map(({ response }) => response)).size > 1);

      for (const { seed, response, confidence, tokens_used: tokens } of candidates) {
        // Another key: otherwise it would be answered from the cache.
        const alone = await ask({ ...ASK, seed, cache_key: `alone-${seed}` });
        assert.deepEqual([response, tokens], [alone.response, alone.tokens_used]);
        assert.ok(Math.abs(confidence - alone.confidence) < 1e-4 * alone.confidence);
      }
    },
    sequences,
  );
}

candidatesTest(
  "the most confident candidate is the reply; the same seed gives the same set",
  async ({ ask }) => {
    const { candidates = [], ...best } = await ask({ ...ASK, n: 4 });
    const confidences = candidates.map(({ confidence }) => confidence);
    assert.deepEqual(confidences, confidences.toSorted((a, b) => b - a));
    const { seed: _, ...first } = candidates[0] ?? assert.fail();
    assert.deepEqual(best, { ...first, model_version: "tiny" });

    const again = await ask({ ...ASK, n: 4 });
    assert.equal(again.cached, true);
    assert.deepEqual(
      again.candidates?.map(({ response, seed }) => [response, seed]),
      candidates.map(({ response, seed }) => [response, seed]),
    );
    const more = await ask({ ...ASK, n: 5 });
    assert.equal(more.candidates?.filter(({ cached }) => cached).length, 4, "the fifth alone is generated");
  },
);

candidatesTest("one candidate is a plain reply, and so is any number at temperature 0", async ({ ask }) => {
  assert.equal((await ask({ ...ASK, n: 1 })).candidates, undefined);
  const greedy = await ask({ ...ASK, temperature: 0, n: 5 });
  assert.deepEqual(greedy.candidates?.map(({ response }) => response), [greedy.response]);
  const keyed = await ask({ ...ASK, seed: undefined, cache_key: "mine", n: 3 });
  assert.equal(new Set(keyed.candidates?.map(({ response }) => response)).size > 1, true);
  assert.ok(keyed.candidates?.every(({ seed }) => seed === undefined));
});

candidatesTest("stop sequences and the limit of tokens hold for each candidate", async ({ ask }) => {
  const free = await ask({ ...ASK, n: 5 });
  const stop = [...free.response.trim()].at(-1) ?? assert.fail();
  const cut = await ask({ ...ASK, n: 5, stop: [stop] });
  assert.ok(cut.candidates?.every(({ response }) => !response.includes(stop)));
  assert.ok(free.candidates?.every(({ tokens_used: tokens }) => tokens <= ASK.max_tokens));
});

candidatesTest("what cannot have candidates is a 400 that names the field", async ({ service }) => {
  const refused = [
    service.post("/generate", { ...ASK, n: 6 }),
    service.post("/generate", { ...ASK, n: 0 }),
    service.post("/generate", { ...ASK, n: 2 }, { headers: { accept: "text/event-stream" } }),
  ];
  for (const response of await Promise.all(refused)) {
    const { details } = await response.clone().json();
    assert.deepEqual(details.map(({ path }: { path: string }) => path), ["n"]);
    await assertError(response, "400 validation_failed");
  }
  const stream = await service.post("/generate", { ...ASK, n: 1 }, {
    headers: { accept: "text/event-stream" },
  });
  assert.match(await stream.text(), /event: done/);
});

candidatesTest("a background job has candidates too", async ({ service, ask }) => {
  const queued = await service.post("/generate/async", { ...ASK, n: 3 });
  const { job_id: id } = generateAsyncResponseSchema.parse(await queued.json());
  await service.jobs.waitFor(id);
  const status = generateStatusResponseSchema.parse(
    await (await service.request(`/generate/status/${id}`)).json(),
  );
  const expected = await ask({ ...ASK, n: 3 });
  assert.deepEqual(
    status.result?.candidates?.map(({ response }) => response),
    expected.candidates?.map(({ response }) => response),
  );
});

Deno.test("candidates take turns with other requests, and all end when their caller leaves", () =>
  inTempDir(async (dir) => {
    const held = Promise.withResolvers<void>();
    const engine = createFakeEngine({
      forTests: true,
      capacity: 2,
      queueLimit: 4,
      beforeWord: () => held.promise,
    });
    await engine.load({ id: "fake", path: "" });
    const until = async (holds: () => boolean) => {
      while (!holds()) await delay(5, { signal: AbortSignal.timeout(20_000) });
    };
    await withMlService({ engine, dir }, async ({ post }) => {
      const leaving = new AbortController();
      const left = post("/generate", { ...ASK, n: 5, account_id: "a" }, { signal: leaving.signal });
      await until(() => engine.occupancy.running === 2);
      // No more are in the queue than can run: they never fill it by themselves.
      assert.equal(engine.occupancy.waiting, 0);
      const others = ["b", "c"].map((account) => post("/generate", { ...ASK, account_id: account }));
      await until(() => engine.occupancy.waiting === 2);
      leaving.abort();
      held.resolve();
      for (const response of await Promise.all(others)) {
        assert.equal(generateResultSchema.parse(await response.json()).cached, false);
      }
      await left.catch(() => {});
      await until(() => engine.occupancy.running === 0);
      assert.equal(engine.occupancy.waiting, 0);
    });
  }));
