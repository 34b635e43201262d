/** Tests the trainer on a small model: learning, repeating, resuming, cancelling, refusing, and llama.cpp's view of it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { buildLlamaGguf, type LlamaGgufOptions } from "../../tests/support/ml/llama_gguf.ts";
import { seededRandom } from "../engine/sampling.ts";
import { GgufFile } from "./ggml/gguf_file.ts";
import { openGgml } from "./ggml/library.ts";
import { createTrainer } from "./lora_trainer.ts";
import { llamaTable, openOracle } from "../../tests/suites/training/model_oracle_suite.ts";
import {
  LORA_TARGETS,
  type LoraOptions,
  type TokenSample,
  type Trainer,
  type TrainerOptions,
} from "./trainer.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { messageOf } from "../../lib/errors.ts";
import { TrainingError, type TrainingErrorCode } from "./training_error.ts";

const random = seededRandom(11);
const tokens = (length: number) => Array.from({ length }, () => Math.floor(random() * 340));
const SAMPLES: TokenSample[] = [12, 5, 30, 18, 9, 22, 40, 7].map((length, index) => ({
  prompt: tokens(length),
  reply: tokens(2 + index % 5),
  weight: index % 3 === 0 ? 0.5 : 1,
}));
const HELD_OUT: TokenSample[] = [15, 33].map((length) => ({ prompt: tokens(length), reply: tokens(6) }));

function settings(modelPath: string, changes: Partial<TrainerOptions> = {}): TrainerOptions {
  return {
    modelPath,
    lora: { rank: 4 },
    seed: 1,
    threads: 1,
    weights: "f32",
    microBatchTokens: 96,
    ...changes,
  };
}

async function steps(trainer: Trainer, count: number, learningRate = 5e-3): Promise<number[]> {
  const losses = [];
  for (let step = 0; step < count; step++) losses.push((await trainer.step(SAMPLES, { learningRate })).loss);
  return losses;
}

function isError(code: TrainingErrorCode, words?: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof TrainingError && error.code === code && (words?.test(messageOf(error)) ?? true);
}

async function exported(trainer: Trainer, dir: string): Promise<Uint8Array> {
  const path = join(dir, `${crypto.randomUUID()}.gguf`);
  await trainer.exportAdapter(path, { base_model: "small", samples: 8, is_test: true });
  return await Deno.readFile(path);
}

Deno.test("steps lower the loss, and a fresh adapter changes nothing", async () => {
  await inTempDir(async (dir) => {
    using trainer = await createTrainer(settings(await buildLlamaGguf({ dir })));
    const fresh = await trainer.evaluate(HELD_OUT);
    assert.deepEqual(fresh, await trainer.evaluate(HELD_OUT, { adapterScale: 0 }));
    const result = await trainer.step(SAMPLES, { learningRate: 5e-3 });
    assert.equal(result.replyTokens, SAMPLES.reduce((sum, { reply }) => sum + reply.length, 0));
    assert.ok(result.gradientNorm > 0);
    const losses = await steps(trainer, 15);
    assert.ok((losses.at(-1) ?? NaN) < result.loss / 2, `${result.loss} to ${losses.at(-1)}`);
    assert.equal(trainer.steps, 16);
    assert.deepEqual(await trainer.evaluate(HELD_OUT, { adapterScale: 0 }), fresh);
  });
});

Deno.test("micro-batches of any size give the same step up to rounding", async () => {
  await inTempDir(async (dir) => {
    const path = await buildLlamaGguf({ dir });
    const results: number[][] = [];
    for (const microBatchTokens of [1, 64, 10_000]) {
      using trainer = await createTrainer(settings(path, { microBatchTokens }));
      const { loss, gradientNorm } = await trainer.step(SAMPLES, { learningRate: 5e-3 });
      results.push([loss, gradientNorm, (await steps(trainer, 3)).at(-1) ?? NaN]);
    }
    for (const result of results) {
      result.forEach((value, index) => {
        const expected = results[0]?.[index] ?? NaN;
        assert.ok(Math.abs(value - expected) < 1e-4 * expected, `${value} against ${expected}`);
      });
    }
  });
});

const every = { rank: 8, targets: LORA_TARGETS };
const heads = { layers: 3, width: 64, heads: 4, keyValueHeads: 2, feedForward: 160, headWidth: 32 };

/** `most`: the difference in a reply's log-probability; gemma3's GELU is rounded to 16 bits in llama.cpp. */
const ADAPTERS: { name: string; lora: LoraOptions; most?: number; file?: Omit<LlamaGgufOptions, "dir"> }[] = [
  { name: "attention", lora: { rank: 4 } },
  { name: "every matrix of the upper layer", lora: { rank: 8, alpha: 3, layers: 1, targets: LORA_TARGETS } },
  { name: "qwen2", lora: every, file: { architecture: "qwen2" } },
  { name: "qwen3", lora: every, file: { architecture: "qwen3", shape: heads } },
  {
    name: "gemma3",
    lora: every,
    most: 0.02,
    file: {
      architecture: "gemma3",
      tied: true,
      shape: { ...heads, layers: 7 },
      numbers: { "attention.sliding_window": 16, "rope.freq_base": 1e6 },
    },
  },
];

for (const { name, lora, most = 1e-3, file } of ADAPTERS) {
  Deno.test(`llama.cpp with the adapter finds replies as probable as the trainer does: ${name}`, async () => {
    await inTempDir(async (dir) => {
      const path = await buildLlamaGguf({ dir, ...file });
      using trainer = await createTrainer(settings(path, { lora }));
      const losses = await steps(trainer, 8);
      assert.ok((losses.at(-1) ?? NaN) < 0.95 * (losses[0] ?? NaN), losses.join(", "));
      const filePath = join(dir, "adapter.gguf");
      await trainer.exportAdapter(filePath, {});
      await using llama = await openOracle();
      const [base, adapted] = [
        await trainer.evaluate(HELD_OUT, { adapterScale: 0 }),
        await trainer.evaluate(HELD_OUT),
      ];
      for (const [scale, likelihoods] of [[0, base], [1, adapted]] as const) {
        for (const [index, { prompt, reply }] of HELD_OUT.entries()) {
          const table = await llamaTable(llama, path, {
            tokens: [...prompt, ...reply.slice(0, -1)],
            count: reply.length,
            adapter: { filePath, scale },
          });
          const expected = reply.reduce((sum, token, row) => sum + (table[row]?.[token] ?? NaN), 0);
          const actual = likelihoods[index]?.logLikelihood ?? NaN;
          assert.ok(Math.abs(actual - expected) < most, `scale ${scale}: ${actual} against ${expected}`);
        }
      }
      const gain = HELD_OUT.map((_, index) =>
        (adapted[index]?.logLikelihood ?? 0) - (base[index]?.logLikelihood ?? 0)
      );
      assert.ok(gain.every((gain) => Math.abs(gain) > 0.1), `the adapter matters: ${gain}`);
    });
  });
}

Deno.test("an adapter's file contains its provenance", async () => {
  await inTempDir(async (dir) => {
    using trainer = await createTrainer(settings(await buildLlamaGguf({ dir })));
    const path = join(dir, "adapter.gguf");
    await Deno.writeFile(path, await exported(trainer, dir));
    using file = new GgufFile(openGgml(), path);
    assert.equal(file.text("general.type"), "adapter");
    assert.equal(file.text("general.architecture"), "llama");
    assert.equal(file.text("adapter.type"), "lora");
    assert.equal(file.number("adapter.lora.alpha"), 8);
    assert.equal(file.text("conversation_assistant.base_model"), "small");
    assert.equal(file.number("conversation_assistant.samples"), 8);
    assert.deepEqual(file.tensors.get("blk.1.attn_k.weight.lora_b")?.shape, [4, 32, 1, 1]);
    assert.equal([...Deno.readDirSync(dir)].filter(({ name }) => name.includes(".part-")).length, 0);
  });
});

Deno.test("equal seeds give equal adapters, bit for bit; different seeds do not", async () => {
  await inTempDir(async (dir) => {
    const path = await buildLlamaGguf({ dir });
    const train = async (seed: number) => {
      using trainer = await createTrainer(settings(path, { seed, lora: { rank: 4, dropout: 0.2 } }));
      await steps(trainer, 4);
      return await exported(trainer, dir);
    };
    const [first, again, other] = [await train(5), await train(5), await train(6)];
    assert.deepEqual(again, first);
    assert.notDeepEqual(other, first);
  });
});

Deno.test("a resumed training continues exactly like an uninterrupted one", async () => {
  await inTempDir(async (dir) => {
    const options = settings(await buildLlamaGguf({ dir }), {
      lora: { rank: 4, dropout: 0.1 },
      optimizer: { weightDecay: 0.01, maxGradientNorm: Infinity },
    });
    const statePath = join(dir, "state");
    using undisturbed = await createTrainer(options);
    await steps(undisturbed, 3);
    await undisturbed.saveState(statePath);
    const losses = await steps(undisturbed, 4);
    using resumed = await createTrainer(options);
    await resumed.loadState(statePath);
    assert.equal(resumed.steps, 3);
    assert.deepEqual(await steps(resumed, 4), losses);
    assert.deepEqual(await exported(resumed, dir), await exported(undisturbed, dir));
  });
});

Deno.test("a state that is damaged, truncated or from another training is refused and changes nothing", async () => {
  await inTempDir(async (dir) => {
    const path = await buildLlamaGguf({ dir });
    const statePath = join(dir, "state");
    using trainer = await createTrainer(settings(path));
    await steps(trainer, 2);
    await trainer.saveState(statePath);
    const original = await Deno.readFile(statePath);
    using other = await createTrainer(settings(path));
    const before = await exported(other, dir);
    const broken = join(dir, "broken");
    for (const length of [0, 10, 60, original.length >> 1, original.length - 1]) {
      await Deno.writeFile(broken, original.subarray(0, length));
      await assert.rejects(other.loadState(broken), isError("bad_state"));
    }
    const flipped = original.slice();
    flipped[original.length >> 1] = (flipped[original.length >> 1] ?? 0) ^ 1;
    await Deno.writeFile(broken, flipped);
    await assert.rejects(other.loadState(broken), isError("bad_state", /damaged/));
    await assert.rejects(other.loadState(join(dir, "missing")), isError("bad_state"));
    assert.deepEqual(await exported(other, dir), before);
    assert.equal(other.steps, 0);
    using larger = await createTrainer(settings(path, { lora: { rank: 5 } }));
    await assert.rejects(larger.loadState(statePath), isError("bad_state", /parameters|rank/));
  });
});

Deno.test("a cancelled step changes nothing", async () => {
  await inTempDir(async (dir) => {
    using trainer = await createTrainer(settings(await buildLlamaGguf({ dir }), { microBatchTokens: 1 }));
    await steps(trainer, 1);
    const before = await exported(trainer, dir);
    const controller = new AbortController();
    const step = trainer.step(SAMPLES, { learningRate: 1e-2, signal: controller.signal });
    controller.abort(new Error("cancelled by the owner"));
    await assert.rejects(step, /cancelled by the owner/);
    assert.deepEqual(await exported(trainer, dir), before);
    assert.equal(trainer.steps, 1);
    await steps(trainer, 1);
  });
});

Deno.test("a call or a disposal during another call is refused, and a call after disposal", async () => {
  await inTempDir(async (dir) => {
    const trainer = await createTrainer(settings(await buildLlamaGguf({ dir })));
    const first = trainer.evaluate(HELD_OUT);
    await assert.rejects(trainer.evaluate(HELD_OUT), /busy/);
    assert.throws(() => trainer[Symbol.dispose](), /busy/);
    assert.equal((await first).length, 2);
    trainer[Symbol.dispose]();
    trainer[Symbol.dispose]();
    await assert.rejects(trainer.evaluate(HELD_OUT), /disposed/);
  });
});

Deno.test("weight decay shrinks, clipping bounds, and a diverging rate is reported", async () => {
  await inTempDir(async (dir) => {
    const path = await buildLlamaGguf({ dir });
    const trained = async (optimizer: TrainerOptions["optimizer"], learningRate: number) => {
      using trainer = await createTrainer(settings(path, { optimizer }));
      await steps(trainer, 3, learningRate);
      return await exported(trainer, dir);
    };
    assert.notDeepEqual(await trained({ weightDecay: 0.5 }, 1e-2), await trained({ weightDecay: 0 }, 1e-2));
    assert.notDeepEqual(
      await trained({ maxGradientNorm: 1e-3, epsilon: 1e-3 }, 1e-2),
      await trained({ maxGradientNorm: Infinity, epsilon: 1e-3 }, 1e-2),
    );
    using wild = await createTrainer(settings(path));
    await assert.rejects(steps(wild, 12, 1e30), isError("diverged", /learning rate/));
  });
});

Deno.test("invalid settings and samples are refused with a sentence", async () => {
  await inTempDir(async (dir) => {
    const path = await buildLlamaGguf({ dir });
    const bad: [Partial<TrainerOptions>, RegExp][] = [
      [{ lora: { rank: 0 } }, /rank/],
      [{ lora: { rank: 1.5 } }, /rank/],
      [{ lora: { rank: 1_000 } }, /rank/],
      [{ lora: { rank: 4, alpha: -1 } }, /alpha/],
      [{ lora: { rank: 4, dropout: 1 } }, /dropout/],
      [{ lora: { rank: 4, layers: 3 } }, /layers/],
      [{ lora: { rank: 4, targets: [] } }, /targets/],
      [{ threads: 0 }, /threads/],
      [{ seed: NaN }, /seed/],
      [{ optimizer: { weightDecay: NaN } }, /weightDecay/],
    ];
    for (const [change, words] of bad) {
      await assert.rejects(createTrainer(settings(path, change)), isError("bad_settings", words));
    }
    using trainer = await createTrainer(settings(path));
    const samples: [TokenSample[], RegExp][] = [
      [[], /no samples/],
      [[{ prompt: [], reply: [1] }], /no prompt/],
      [[{ prompt: [1], reply: [] }], /no reply/],
      [[{ prompt: [1], reply: [99_999] }], /token/],
      [[{ prompt: [1, -1], reply: [1] }], /token/],
      [[{ prompt: [1], reply: [1], weight: 0 }], /weight/],
      [[{ prompt: [1], reply: [1], weight: NaN }], /weight/],
      [[{ prompt: new Array(1_024).fill(1), reply: [1, 2] }], /Sample 1 has 1026 tokens.*1024/],
    ];
    for (const [batch, words] of samples) {
      await assert.rejects(trainer.step(batch, { learningRate: 1e-3 }), isError("bad_sample", words));
      await assert.rejects(trainer.evaluate(batch), isError("bad_sample", words));
    }
    for (const learningRate of [NaN, -1, Infinity]) {
      await assert.rejects(
        trainer.step(SAMPLES, { learningRate }),
        isError("bad_settings", /learning rate/i),
      );
    }
    assert.equal(trainer.steps, 0);
  });
});

Deno.test("models that cannot be trained are refused: another architecture, unknown tensors, missing tensors", async () => {
  await inTempDir(async (dir) => {
    const mixture = await buildLlamaGguf({ dir, numbers: { "expert_count": 8 } });
    await assert.rejects(createTrainer(settings(mixture)), isError("model_unsupported", /expert_count/));
    // llama.cpp gives these architectures a graph of their own.
    const named = await buildLlamaGguf({ dir, architecture: "qwen2moe" as "qwen2" });
    await assert.rejects(
      createTrainer(settings(named)),
      isError("model_unsupported", /qwen2moe, training knows llama, mistral3, qwen2, qwen3 and gemma3/),
    );
    const capped = await buildLlamaGguf({
      dir,
      architecture: "gemma3",
      numbers: { final_logit_softcapping: 30 },
    });
    await assert.rejects(createTrainer(settings(capped)), isError("model_unsupported", /softcapping/));
    const windowed = await buildLlamaGguf({ dir, numbers: { "attention.sliding_window": 512 } });
    await assert.rejects(createTrainer(settings(windowed)), isError("model_unsupported", /sliding_window/));
    const normed = await buildLlamaGguf({ dir, vectors: ["blk.0.attn_q_norm.weight"] });
    await assert.rejects(createTrainer(settings(normed)), isError("model_unsupported", /attn_q_norm/));
    const scaled = await buildLlamaGguf({ dir, texts: { "rope.scaling.type": "longrope" } });
    await assert.rejects(createTrainer(settings(scaled)), isError("model_unsupported", /longrope/));
    const adapter = join(dir, "adapter.gguf");
    using trainer = await createTrainer(settings(await buildLlamaGguf({ dir })));
    await trainer.exportAdapter(adapter, {});
    await assert.rejects(createTrainer(settings(adapter)), isError("model_unsupported"));
    await assert.rejects(createTrainer(settings(join(dir, "none.gguf"))), isError("model_unreadable"));
  });
});

Deno.test("an export that cannot be written reports it and leaves no partial file", async () => {
  await inTempDir(async (dir) => {
    using trainer = await createTrainer(settings(await buildLlamaGguf({ dir })));
    const path = join(dir, "no-such-folder", "adapter.gguf");
    await assert.rejects(trainer.exportAdapter(path, {}), isError("compute_failed"));
    await assert.rejects(trainer.saveState(join(dir, "no-such-folder", "state")), Deno.errors.NotFound);
    await trainer.evaluate(HELD_OUT);
  });
});

Deno.test("a training can start from an exported adapter, or from nothing again", async () => {
  await inTempDir(async (dir) => {
    const modelPath = await buildLlamaGguf({ dir });
    const path = join(dir, "start.gguf");
    using first = await createTrainer(settings(modelPath));
    await steps(first, 3);
    await first.exportAdapter(path, {});
    using second = await createTrainer(settings(modelPath, { seed: 2 }));
    await second.startFrom(path);
    assert.deepEqual(await second.evaluate(HELD_OUT), await first.evaluate(HELD_OUT));
    await second.startFrom(null);
    const base = await second.evaluate(HELD_OUT, { adapterScale: 0 });
    assert.deepEqual(await second.evaluate(HELD_OUT), base);
    using other = await createTrainer(settings(modelPath, { lora: { rank: 2 } }));
    await assert.rejects(other.startFrom(path), isError("bad_settings", /alpha is 8, this training has 4/));
    using narrower = await createTrainer(settings(modelPath, { lora: { rank: 4, targets: ["attn_q"] } }));
    await assert.rejects(narrower.startFrom(path), isError("bad_settings", /other matrices/));
    await assert.rejects(other.startFrom(modelPath), isError("bad_settings"));
  });
});
