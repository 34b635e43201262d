/** Tests the loop on a tiny model: who waits for whom, what a failure leaves, and that texts do not depend on company. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { silentLogger } from "../../../lib/log.ts";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import { closeLlama, openLlama } from "../llama/llama_library.ts";
import { DecodeLoop } from "./decode_loop.ts";
import type { Evaluation, Sequence } from "./evaluation.ts";
import { openLibLlama } from "./library.ts";
import { sampleLogits } from "./logits.ts";
import { NativeContext } from "./native_context.ts";
import { NativeModel } from "./native_model.ts";

const CONTEXT_SIZE = 1_024;
const GREEDY = {
  temperature: 0,
  topP: 1,
  topK: 40,
  minP: 0,
  repeatPenalty: 1.2,
  presencePenalty: 0,
  frequencyPenalty: 0,
  random: () => 0,
};

interface Tiny {
  loop: DecodeLoop;
  /** An evaluation that writes some tokens after a prompt, into `written`. */
  reply: (prompt: readonly number[], options?: ReplyOptions) => Evaluation & { written: number[] };
}

interface ReplyOptions {
  sequence?: Sequence;
  tokens?: number;
  onToken?: () => void;
  signal?: AbortSignal;
}

function loopTest(name: string, use: (tiny: Tiny) => Promise<void>): void {
  Deno.test(name, () =>
    inTempDir(async (dir) => {
      await using stack = new AsyncDisposableStack();
      const path = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
      const llama = stack.adopt(await openLlama({ gpu: "off", log: silentLogger() }), closeLlama);
      const model = stack.use(await NativeModel.load(openLibLlama(llama), { path, gpuLayers: 0 }));
      const sizes = { contextSize: CONTEXT_SIZE, sequences: 4, threads: 1, outputs: 4 };
      const context = stack.use(await NativeContext.create(model, sizes));
      let sequences = 0;
      const reply = (
        prompt: readonly number[],
        { tokens = 12, onToken, signal, sequence }: ReplyOptions = {},
      ) => {
        const written: number[] = [];
        const next = (logits: Float32Array) => {
          const { token } = sampleLogits(logits, { ...GREEDY, generated: written });
          written.push(token);
          onToken?.();
          return written.length < tokens ? token : undefined;
        };
        const own = sequence ?? { id: sequences++ % 4, tokens: [], adapter: null };
        return { sequence: own, adapter: null, tokens: prompt, outputs: 1, next, signal, written };
      };
      await use({ loop: new DecodeLoop(context), reply });
    }));
}

/** A prompt of so many tokens. */
function promptOf(length: number, first = 5): number[] {
  return Array.from({ length }, (_, index) => first + (index * 7) % 60);
}

loopTest("a reply is the same alone and beside others", async ({ loop, reply }) => {
  const prompts = [promptOf(9), promptOf(300, 6), promptOf(20, 7), promptOf(2, 8)];
  const alone: number[][] = [];
  for (const prompt of prompts) {
    const run = reply(prompt);
    await loop.run(run);
    alone.push(run.written);
  }
  const together = prompts.map((prompt) => reply(prompt));
  await Promise.all(together.map((run) => loop.run(run)));
  assert.deepEqual(together.map(({ written }) => written), alone);
  assert.ok(alone.every(({ length }) => length === 12));
});

loopTest("a long prompt holds a reply up for some of its tokens, not for all", async ({ loop, reply }) => {
  const order: string[] = [];
  const long = reply(promptOf(900), { tokens: 1, onToken: () => order.push("long") });
  const arrival = Promise.withResolvers<void>();
  const short = reply(promptOf(5), {
    tokens: 40,
    onToken: () => {
      order.push("short");
      arrival.resolve();
    },
  });
  const first = loop.run(short);
  await arrival.promise;
  order.length = 0;
  await Promise.all([first, loop.run(long)]);
  const before = order.indexOf("long");
  assert.ok(before >= 3, `${before} tokens were written while 900 tokens of a prompt were evaluated`);
});

loopTest("what a sequence holds is not evaluated again", async ({ loop, reply }) => {
  const run = reply(promptOf(50));
  await loop.run(run);
  const cached: number[] = [];
  const again = {
    ...reply([...promptOf(50), ...run.written.slice(0, 4), 9], { sequence: run.sequence }),
    onStart: (tokens: number) => cached.push(tokens),
  };
  await loop.run(again);
  const fresh = reply([...again.tokens]);
  await loop.run(fresh);
  assert.deepEqual([cached, again.written], [[54], fresh.written]);
});

loopTest(
  "replies to one prompt that are begun together cost one evaluation of it",
  async ({ loop, reply }) => {
    const prompt = promptOf(600);
    const alone = reply(prompt);
    await loop.run(alone);
    const cached: number[] = [];
    const begin = () => ({ ...reply(promptOf(600, 9)), onStart: (tokens: number) => cached.push(tokens) });
    const [first, ...others] = [begin(), begin(), begin()];
    await Promise.all([first, ...others].map((run) => loop.run(run)));
    assert.deepEqual(cached, [0, 599, 599]);
    for (const { written } of others) assert.deepEqual(written, first.written);
    const again = reply(prompt, { sequence: first.sequence });
    await loop.run(again);
    assert.deepEqual(again.written, alone.written, "what was copied from is as it was");
  },
);

loopTest("what another sequence holds is copied where it is worth it", async ({ loop, reply }) => {
  const first = reply(promptOf(300));
  await loop.run(first);
  const cached: number[] = [];
  const next = (prompt: readonly number[]) => ({
    ...reply(prompt),
    onStart: (tokens: number) => cached.push(tokens),
  });
  const ending = [90, 91, 92];
  const long = next([...promptOf(200), ...ending]);
  await loop.run(long);
  const short = next([...promptOf(8), ...ending]);
  await loop.run(short);
  assert.deepEqual(cached, [200, 0]);
  const fresh = reply([...promptOf(200), ...ending], { sequence: { id: 3, tokens: [], adapter: null } });
  // Another adapter's keys and values say something else.
  first.sequence.tokens = long.sequence.tokens = [];
  await loop.run(fresh);
  assert.deepEqual(long.written, fresh.written);
});

loopTest("the logits after each of the last tokens come in order, however many", async ({ loop, reply }) => {
  const run = reply(promptOf(30), { tokens: 10 });
  await loop.run(run);
  const seen: number[] = [];
  const tokens = [...promptOf(30), ...run.written.slice(0, -1)];
  const next = (logits: Float32Array) => {
    const generated = run.written.slice(0, seen.length);
    seen.push(sampleLogits(logits, { ...GREEDY, generated }).token);
    return undefined;
  };
  await loop.run({ ...reply(tokens), next, outputs: 10 });
  assert.deepEqual(seen, run.written);
});

loopTest("an aborted evaluation ends with the signal's reason; the others go on", async ({ loop, reply }) => {
  const leaving = new AbortController();
  const reason = new Error("left");
  const left = reply(promptOf(5), {
    tokens: 500,
    onToken: () => left.written.length === 3 && leaving.abort(reason),
    signal: leaving.signal,
  });
  const staying = reply(promptOf(6), { tokens: 20 });
  const [outcome] = await Promise.allSettled([loop.run(left), loop.run(staying)]);
  assert.deepEqual(outcome, { status: "rejected", reason });
  assert.deepEqual([left.written.length, staying.written.length], [3, 20]);
  assert.ok(left.sequence.tokens.length >= 7, "what was evaluated stays usable");
});

loopTest(
  "what llama.cpp cannot hold fails alone, and its sequence can be used again",
  async ({ loop, reply }) => {
    const tooLong = reply(promptOf(CONTEXT_SIZE - 2), { tokens: 50 });
    await assert.rejects(loop.run(tooLong), /llama\.cpp failed to evaluate 1 tokens/);
    const error = new Error("the caller's own");
    const failing = { ...reply(promptOf(8)), next: () => assert.fail(error) };
    const beside = reply(promptOf(9));
    const [outcome] = await Promise.allSettled([loop.run(failing), loop.run(beside)]);
    assert.deepEqual(outcome, { status: "rejected", reason: error });
    const [again, expected] = [reply(promptOf(9), { sequence: tooLong.sequence }), beside.written];
    await loop.run(again);
    assert.deepEqual(again.written, expected);
  },
);
