/** Tests the engine in its own process, with llama.cpp on the tiny model: answers, crashes, reloads, unloading, leaving. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ApiError, messageOf } from "../../../lib/errors.ts";
import { writeMutatedModels } from "../../../tests/support/ml/mutated_model.ts";
import { trainTinyAdapter } from "../../../tests/support/ml/tiny_adapter.ts";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import {
  generationRequest as request,
  PROMPT,
  withTinyEngine,
} from "../../../tests/support/ml/tiny_gguf_engine.ts";
import {
  isAlive,
  type TinyProcessEngine,
  withTinyProcessEngine,
} from "../../../tests/support/ml/tiny_process_engine.ts";
import { ModelError, sha256OfFile } from "../../models/model_file.ts";
import type { Engine, Generation } from "../engine.ts";
import type { ProcessEngineOptions } from "./process_engine.ts";

const SAMPLES = [{ input: PROMPT, output: "yes, at eight" }];

/** Fills the context: a generation that is still running when the test acts on it. */
const LONG = request({ prompt: "hi", raw: true, temperature: 0, maxTokens: 400 });

function engineTest(
  name: string,
  use: (tiny: TinyProcessEngine) => Promise<void>,
  options: Partial<ProcessEngineOptions> = {},
): void {
  Deno.test(name, () => withTinyProcessEngine(options, use));
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ApiError && error.code === code && (error.retryAfterSeconds ?? 0) >= 1;
}

/** What crosses to another process: no field that is undefined. */
function withoutTimings({ timings: _, ...generation }: Generation): unknown {
  return JSON.parse(JSON.stringify(generation));
}

/** Starts a generation and waits for its first piece. */
async function begun(engine: Engine, wanted = LONG): Promise<{ reply: Promise<Generation> }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const reply = engine.generate(wanted, { onToken: () => resolve() });
  reply.catch(() => {});
  await Promise.race([promise, reply]);
  return { reply };
}

const CPU = { device: "cpu", gpuLayers: 0 };

Deno.test("the engine in its own process answers as the one in this process", async () => {
  await withTinyEngine({}, async ({ engine: local, path, dir }) => {
    const file = { id: "mine", path: join(dir, "adapter.gguf"), baseModelId: "tiny", probe: null };
    await trainTinyAdapter({ modelPath: path, path: file.path }, () => {});
    const adapter = { ...file, sha256: await sha256OfFile(file.path) };
    await withTinyProcessEngine({}, async ({ engine }) => {
      assert.deepEqual([engine.device, local.device], [CPU, CPU]);
      for (
        const wanted of [
          request(),
          request({ temperature: 0, prompt: "naïve 😀 \ud800" }),
          request({ adapter }),
        ]
      ) {
        const pieces: string[] = [];
        const [expected, actual] = [
          await local.generate(wanted),
          await engine.generate(wanted, { onToken: (piece) => pieces.push(piece) }),
        ];
        assert.deepEqual(withoutTimings(actual), withoutTimings(expected));
        assert.equal(pieces.join(""), expected.text);
        assert.equal(actual.timings.prompt_tokens, expected.timings.prompt_tokens);
      }
      const evaluation = { samples: SAMPLES, adapter };
      assert.deepEqual(await engine.evaluate(evaluation), await local.evaluate(evaluation));
      assert.deepEqual(await engine.probeAdapter(adapter), await local.probeAdapter(adapter));
      await engine.retireAdapter(adapter.id);
      const damaged = { ...adapter, sha256: "0".repeat(64) };
      await assert.rejects(engine.probeAdapter(damaged), (error) => error instanceof ModelError);
      await assert.rejects(
        engine.generate(request({ adapter: damaged })),
        (error) => error instanceof ApiError && error.code === "adapter_damaged",
      );
    });
  });
});

engineTest("a crash ends what runs with a 503, and the process comes back by itself", async (tiny) => {
  const { engine, processes, metrics } = tiny;
  const before = await engine.generate(request());
  const { reply } = await begun(engine);
  await processes.kill();
  await assert.rejects(reply, hasCode("ml_unavailable"));
  assert.deepEqual([engine.modelId, engine.absence?.kind], ["tiny", "restarting"]);
  assert.match(engine.absence?.reason ?? "", /^The model's process ended by SIGKILL; it is started again$/);
  await assert.rejects(engine.generate(request()), hasCode("model_not_loaded"));
  await processes.until(() => engine.absence === null);
  assert.equal((await engine.generate(request())).text, before.text);
  assert.deepEqual([processes.pids.length, engine.occupancy.running], [2, 0]);
  assert.match(await metrics.render(), /^assistant_ml_engine_crashes_total 1$/m);
});

engineTest("a crash without an answer in between is waited out, and then the model is back", async (tiny) => {
  const { engine, processes } = tiny;
  await processes.kill();
  await processes.until(() => engine.absence === null);
  await processes.kill();
  assert.equal(engine.absence?.kind, "failing");
  await processes.until(() => engine.absence === null);
  assert.ok((await engine.generate(request())).tokensUsed > 0);
});

engineTest(
  "a model file that is gone when the process crashes is loaded again once it is back",
  async (tiny) => {
    const { engine, processes, path } = tiny;
    await Deno.rename(path, `${path}.away`);
    await processes.kill();
    await processes.until(() => processes.crashes === 2);
    assert.equal(engine.absence?.kind, "failing");
    assert.match(engine.absence?.reason ?? "", /There is no model file at/);
    await Deno.rename(`${path}.away`, path);
    await processes.until(() => engine.absence === null);
    assert.ok((await engine.generate(request())).tokensUsed > 0);
  },
);

engineTest(
  "mutated model files never touch the model that serves, also when llama.cpp aborts",
  async (tiny) => {
    const { engine, processes } = tiny;
    const { pid } = processes;
    const before = await engine.generate(request());
    const reasons: string[] = [];
    for (const path of await writeMutatedModels(tiny, { count: 5 })) {
      const loading = engine.load({ id: "bad", path });
      assert.equal((await engine.generate(request())).text, before.text);
      await loading.catch((error) => reasons.push(messageOf(error)));
      assert.deepEqual([engine.modelId, engine.absence, processes.pid], ["tiny", null, pid]);
    }
    assert.equal(reasons.length, 5);
    assert.ok(
      reasons.some((reason) => /cannot be loaded: its process ended by SIGABRT: .*GGML_ASSERT/.test(reason)),
    );
    assert.ok(isAlive(pid) && (await engine.generate(request())).text === before.text);
  },
);

engineTest("a reload swaps when the new one answers; what runs ends on the old one", async (tiny) => {
  const { engine, processes, dir } = tiny;
  const old = processes.pid;
  const other = await buildTinyGguf({ path: join(dir, "other.gguf"), seed: 99 });
  const { reply } = await begun(engine);
  await engine.load({ id: "other", path: other });
  assert.equal((await reply).modelId, "tiny");
  assert.deepEqual([(await engine.generate(request())).modelId, engine.modelId], ["other", "other"]);
  assert.ok(!isAlive(old) && isAlive(processes.pid));
});

engineTest(
  "an unused model's memory is given back, and the next request loads it again",
  async ({ engine, processes }) => {
    const before = await engine.generate(request());
    const { pid } = processes;
    await processes.until(() => engine.absence !== null);
    assert.deepEqual([engine.modelId, engine.absence?.kind], ["tiny", "idle"]);
    const [first, second] = await Promise.all([engine.generate(request()), engine.generate(request())]);
    assert.deepEqual([first?.text, second?.text], [before.text, before.text]);
    assert.ok(!isAlive(pid) && processes.pids.length === 2, "one new process for both");
  },
  { keepAliveSeconds: 1 },
);

engineTest(
  "of 500 requests 400 leave: the others are answered, and nothing is left running",
  async ({ engine }) => {
    const leaving = new AbortController();
    const wanted = request({ maxTokens: 4 });
    const ask = (signal?: AbortSignal) =>
      engine.generate(wanted, { signal }).then(() => "answered", () => "left");
    const outcomes = Array.from(
      { length: 500 },
      (_, index) => ask(index % 5 === 0 ? undefined : leaving.signal),
    );
    await Promise.race(outcomes);
    leaving.abort(new DOMException("The client has gone", "AbortError"));
    const counts = Map.groupBy(await Promise.all(outcomes), (outcome) => outcome);
    assert.ok((counts.get("answered")?.length ?? 0) >= 100);
    assert.deepEqual(engine.occupancy, { running: 0, waiting: 0, capacity: 2 });
  },
  { queueLimit: 500 },
);

engineTest("a request that is ended frees its place at the next token", async ({ engine }) => {
  const leaving = new AbortController();
  let pieces = 0;
  const reply = engine.generate(LONG, {
    signal: leaving.signal,
    onToken: () => ++pieces === 3 && leaving.abort(new DOMException("The client has gone", "AbortError")),
  });
  await assert.rejects(reply, { name: "AbortError" });
  assert.ok(pieces < 100, `${pieces} pieces came`);
  assert.equal(engine.occupancy.running, 0);
});

Deno.test("disposing the engine ends its process, what runs on it and what waits", async () => {
  let running: Promise<Generation>[] = [];
  let pid = NaN;
  await withTinyProcessEngine({ sequences: 1 }, async ({ engine, processes }) => {
    running = [(await begun(engine)).reply, engine.generate(LONG)];
    for (const reply of running) reply.catch(() => {});
    pid = processes.pid;
  });
  for (const reply of running) await assert.rejects(reply, hasCode("model_not_loaded"));
  assert.ok(!isAlive(pid));
});
