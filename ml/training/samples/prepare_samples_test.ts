/** Tests the way from a job's samples to tokens: what is left out and counted, what is weighed, what is refused. */
import { join } from "node:path";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import { inventedSamples } from "../../../tests/support/training/training_folder.ts";
import { openSampleTokenizer } from "../../engine/llama/sample_tokenizer.ts";
import { eventLoopYielder, type SourceSample } from "./sample_selection.ts";
import { type PreparedSamples, type PrepareOptions, prepareSamples } from "./prepare_samples.ts";
import assert from "node:assert/strict";
import { silentLogger } from "../../../lib/log.ts";
import { TrainingError } from "../training_error.ts";

async function withPrepare(
  use: (
    prepare: (samples: SourceSample[], changes?: Partial<PrepareOptions>) => Promise<PreparedSamples>,
    options: PrepareOptions,
  ) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    await using tokenizer = await openSampleTokenizer(path, { log: silentLogger() });
    const options: PrepareOptions = {
      tokenizer,
      method: "sft",
      maxSampleTokens: 512,
      heldOutShare: 0.1,
      maxHeldOut: 400,
      yieldToEventLoop: eventLoopYielder(new AbortController().signal),
    };
    await use((samples, changes) => prepareSamples(samples, { ...options, ...changes }), options);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function sample(input: string, output: string, changes: Partial<SourceSample> = {}): SourceSample {
  return { input, output, quality: 1, ...changes };
}

const GOOD: SourceSample[] = inventedSamples(30).map(({ input, output, quality = 1 }) => ({
  input,
  output,
  quality,
}));

function isTooFew(words: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof TrainingError && error.code === "too_few_samples" && words.test(error.message);
}

Deno.test("held-out samples keep the names that their caller gave them", async () => {
  await withPrepare(async (prepare) => {
    const named = GOOD.map((entry, index) => ({ ...entry, id: `sample-${index}`, heldOut: index < 3 }));
    const { heldOut } = await prepare(named);
    assert.deepEqual(heldOut.map(({ id }) => id), ["sample-0", "sample-1", "sample-2"]);
  });
});

Deno.test("samples that cannot be learned from are excluded, and each reason is counted", async () => {
  await withPrepare(async (prepare) => {
    const bad: SourceSample[] = [
      sample("Them: hi\nMe:", "fine", { quality: 0 }),
      sample("Them: well?\nMe:", "  \n "),
      sample(" ", "hello there"),
      sample("Them: what's the gate code?\nMe:", "it's 4821"),
      sample("Them: number?\nMe:", "555-014-2233"),
      sample("Them: mail?\nMe:", "sam@example.com"),
      sample("Them: where?\nMe:", "221b Baker Street"),
      sample("Them: wifi?\nMe:", "password: kestrel"),
      sample("Them: tell me everything\nMe:", "and then we went home again ".repeat(1_800)),
    ];
    const { train, heldOut, excluded } = await prepare([...GOOD, ...bad, GOOD[3] ?? sample("", "")]);
    assert.deepEqual(excluded, {
      quality_zero: 1,
      empty_prompt: 1,
      empty_reply: 1,
      duplicate: 1,
      one_time_code: 1,
      credential: 1,
      long_number: 1,
      email_address: 1,
      postal_address: 1,
      reply_too_long: 1,
    });
    assert.equal(train.length + heldOut.length, GOOD.length);
  });
});

Deno.test("quality is a sample's weight, and of equal exchanges the best one remains", async () => {
  await withPrepare(async (prepare) => {
    const twice = [sample("Them: hm\nMe:", "yes of course I will", { quality: 0.25, heldOut: false })];
    const better = { ...twice[0], quality: 0.75 } as SourceSample;
    const alone = await prepare([...GOOD.map((entry) => ({ ...entry, heldOut: true })), ...twice, better]);
    assert.deepEqual(alone.train.map(({ weight }) => weight), [0.75]);
  });
});

Deno.test("held-out samples are evaluated alone and after similar exchanges of the training side", async () => {
  await withPrepare(async (prepare) => {
    const { heldOut, longestSample } = await prepare(GOOD);
    for (const { plain, withExamples } of heldOut) {
      assert.deepEqual(withExamples.reply, plain.reply);
      assert.ok(withExamples.prompt.length > plain.prompt.length);
      assert.ok(withExamples.prompt.length + plain.reply.length <= longestSample);
    }
  });
});

Deno.test("a pair has one prompt and two drafts; without a second draft there is no pair", async () => {
  await withPrepare(async (prepare) => {
    const pairs = GOOD.map((entry, index) => ({
      ...entry,
      rejected: `I am sorry, number ${index} is not possible`,
    }));
    const lone = sample("Them: and you?\nMe:", "all good here thanks");
    const same = sample("Them: and she?\nMe:", "doing great I think", { rejected: "doing great I think " });
    const { train, excluded } = await prepare([...pairs, lone, same], { method: "dpo" });
    assert.deepEqual(excluded, { no_rejected_draft: 2 });
    assert.ok(train.every(({ rejected, reply }) => rejected && rejected.join() !== reply.join()));
  });
});

Deno.test("too few samples are refused with the reasons: none, one, and one that repeats itself", async () => {
  await withPrepare(async (prepare) => {
    const [one = sample("", "")] = GOOD;
    await assert.rejects(prepare([]), isTooFew(/of 0 given 0 can be used$/));
    await assert.rejects(prepare([one]), isTooFew(/of 1 given 1 can be used$/));
    await assert.rejects(
      prepare([one, one, one]),
      isTooFew(/of 3 given 1 can be used; left out: 2 duplicate$/),
    );
    await assert.rejects(prepare([one, sample("x", "")]), isTooFew(/left out: 1 empty_reply$/));
    const { train, heldOut } = await prepare(GOOD.slice(0, 2));
    assert.deepEqual([train.length, heldOut.length], [1, 1]);
  });
});

Deno.test("a cancellation takes effect while samples are prepared", async () => {
  await withPrepare(async (prepare) => {
    const cancellation = new AbortController();
    const many = Array.from(
      { length: 5_000 },
      (_, index) => sample(`Them: ${index}?\nMe:`, `no idea ${index} really`),
    );
    let turns = 0;
    const yieldToEventLoop = eventLoopYielder(cancellation.signal);
    const prepared = prepare(many, {
      yieldToEventLoop: async () => {
        if (++turns === 6_000) cancellation.abort(new Error("cancelled by the owner"));
        await yieldToEventLoop();
      },
    });
    await assert.rejects(prepared, /cancelled by the owner/);
    assert.equal(turns, 6_000);
  });
});
