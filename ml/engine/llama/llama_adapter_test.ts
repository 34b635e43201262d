/** Tests adapters in the engine: what they change, which requests they serve, and that they can be unloaded. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ApiError } from "../../../lib/errors.ts";
import { sha256OfFile } from "../../models/model_file.ts";
import { trainTinyAdapter } from "../../../tests/support/ml/tiny_adapter.ts";
import { type TinyEngine, withTinyEngine } from "../../../tests/support/ml/tiny_gguf_engine.ts";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import type { AdapterFile, GenerationRequest, Sample } from "../engine.ts";

const SAMPLES: Sample[] = [
  { input: "Them: are you coming tonight?\nMe:", output: "yes, at eight" },
  { input: "Them: hi\nMe: hello\nThem: how are you?\nMe:", output: "good, and you?" },
];

interface Tiny extends TinyEngine {
  /** Trains an adapter of a seed on the tiny model. */
  train: (seed: number) => Promise<AdapterFile>;
}

function adapterTest(name: string, use: (tiny: Tiny) => Promise<void>): void {
  Deno.test(name, () =>
    withTinyEngine({}, async (tiny) => {
      const train = async (seed: number) => {
        const path = join(tiny.dir, `adapter-${seed}.gguf`);
        await trainTinyAdapter({ modelPath: tiny.path, path, seed }, () => {});
        return {
          id: `adapter-${seed}`,
          path,
          sha256: await sha256OfFile(path),
          baseModelId: "tiny",
          probe: null,
        };
      };
      await use({ ...tiny, train });
    }));
}

function request(adapter?: AdapterFile): GenerationRequest {
  const prompt = SAMPLES[0]?.input ?? "";
  return { prompt, maxTokens: 12, temperature: 0, topP: 1, repeatPenalty: 1, stop: [], adapter };
}

function hasCode(code: string, words: RegExp = /./): (error: unknown) => boolean {
  return (error) => error instanceof ApiError && error.code === code && words.test(error.message);
}

Deno.test("the engine with an adapter finds replies as probable as the trainer that made it", async () => {
  await withTinyEngine({}, async ({ engine, path, dir }) => {
    const file = { id: "mine", path: join(dir, "adapter.gguf"), baseModelId: "tiny", probe: null };
    const tokens = SAMPLES.map((sample) => engine.tokenize(sample));
    const [base, adapted] = await trainTinyAdapter(
      { modelPath: path, path: file.path },
      async (
        trainer,
      ) => [await trainer.evaluate(tokens, { adapterScale: 0 }), await trainer.evaluate(tokens)],
    );
    const mine = { ...file, sha256: await sha256OfFile(file.path) };
    for (const [expected, adapter] of [[base, undefined], [adapted, mine]] as const) {
      const actual = await engine.evaluate({ samples: SAMPLES, adapter });
      for (const [index, { tokens, logLikelihood }] of actual.entries()) {
        assert.equal(tokens, expected?.[index]?.tokens);
        const difference = Math.abs(logLikelihood - (expected?.[index]?.logLikelihood ?? NaN));
        assert.ok(difference < 0.02, `sample ${index} differs by ${difference}`);
      }
    }
    const change = Math.abs((adapted?.[0]?.logLikelihood ?? 0) - (base?.[0]?.logLikelihood ?? 0));
    assert.ok(change > 0.1, `the adapter matters: ${change}`);
  });
});

adapterTest("an adapter changes the answer, and the answer without it stays", async ({ engine, train }) => {
  const adapter = await train(1);
  const before = await engine.generate(request());
  const changed = await engine.generate(request(adapter));
  assert.notEqual(changed.text, before.text);
  assert.deepEqual([before.adapterId, changed.adapterId, changed.modelId], [undefined, adapter.id, "tiny"]);
  assert.equal((await engine.generate(request())).text, before.text);
  assert.equal((await engine.generate(request(adapter))).text, changed.text);
});

adapterTest(
  "more adapters than are kept ready are served at once, each by its own",
  async ({ engine, train }) => {
    const adapters = [await train(1), await train(2), await train(3), await train(4)];
    const alone = [];
    for (const adapter of adapters) alone.push((await engine.generate(request(adapter))).text);
    assert.equal(new Set(alone).size, 4, "each adapter answers differently");
    const together = await Promise.all(
      [...adapters, ...adapters].slice(0, 6).map((adapter) => engine.generate(request(adapter))),
    );
    assert.deepEqual(together.map(({ text }) => text), [...alone, ...alone].slice(0, 6));
  },
);

adapterTest(
  "a retired adapter finishes running requests, and its file is read again after that",
  async (tiny) => {
    const { engine, train } = tiny;
    const [first, second] = [await train(1), await train(2)];
    const replies = [await engine.generate(request(first)), await engine.generate(request(second))];
    const begun = Promise.withResolvers<void>();
    const running = engine.generate(request(first), { onToken: () => begun.resolve() });
    await begun.promise;
    await engine.retireAdapter(first.id);
    assert.equal((await running).text, replies[0]?.text);
    await Deno.copyFile(second.path, first.path);
    assert.equal(
      (await engine.generate(request({ ...first, sha256: second.sha256 }))).text,
      replies[1]?.text,
      "nothing of the old file is kept",
    );
  },
);

adapterTest("an adapter is refused on a model that it was not trained on", async ({ engine, dir, train }) => {
  const adapter = await train(1);
  const path = await buildTinyGguf({ path: join(dir, "other.gguf"), seed: 99 });
  const inFlight = engine.generate(request(adapter));
  await engine.load({ id: "other", path });
  assert.equal((await inFlight).modelId, "tiny");
  await assert.rejects(
    engine.generate(request(adapter)),
    hasCode("conflict", /is for tiny, and other is served/),
  );
  await assert.rejects(engine.evaluate({ samples: SAMPLES, adapter }), hasCode("conflict"));
  await assert.rejects(engine.probeAdapter(adapter), hasCode("conflict"));
});

adapterTest(
  "a file that is not an adapter is rejected, and the model keeps answering",
  async ({ engine, path, train }) => {
    const adapter = await train(1);
    await engine.probeAdapter(adapter);
    const whole = await Deno.readFile(adapter.path);
    const files = [
      whole.subarray(0, whole.length >> 1),
      new TextEncoder().encode("no adapter"),
      await Deno.readFile(path),
    ];
    for (const [index, bytes] of files.entries()) {
      const broken = { ...adapter, id: `broken-${index}`, path: `${adapter.path}.${index}` };
      await Deno.writeFile(broken.path, bytes);
      await assert.rejects(engine.probeAdapter(broken), /is not the one that was trained/);
      broken.sha256 = await sha256OfFile(broken.path);
      await assert.rejects(
        engine.probeAdapter(broken),
        /The adapter broken-\d cannot be loaded on this model/,
      );
      await assert.rejects(engine.generate(request(broken)), hasCode("conflict", /cannot be loaded/));
    }
    const gone = { ...adapter, id: "gone", path: `${adapter.path}.gone` };
    await assert.rejects(engine.generate(request(gone)), hasCode("adapter_damaged", /is gone/));
    assert.ok((await engine.generate(request(adapter))).tokensUsed > 0);
  },
);
