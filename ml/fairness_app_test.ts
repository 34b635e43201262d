/** Tests over HTTP that one account cannot keep another one from the model, at once or in the background. */
import assert from "node:assert/strict";
import {
  generateAsyncResponseSchema,
  generateResultSchema,
  generateStatusResponseSchema,
} from "../contract/ml.ts";
import { createFakeEngine } from "../tests/support/ml/fake_engine.ts";
import { assertError, type MlService, withMlService } from "../tests/support/ml/ml_service.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { delay } from "../lib/backoff.ts";

const CAPACITY = 2;
const FLOOD = 200;

interface Shared extends MlService {
  /** Lets the engine go on. */
  resume: () => void;
  /** Prompts in the order in which the engine finished them. */
  done: string[];
  /** Sends a prompt of an account. */
  ask: (prompt: string, account: string, path?: string) => Promise<Response>;
}

/** A test on an engine that holds what runs until the test resumes it. */
function sharedTest(name: string, use: (shared: Shared) => Promise<void>, queueLimit = FLOOD): void {
  Deno.test(name, () =>
    inTempDir(async (dir) => {
      const { promise: held, resolve: resume } = Promise.withResolvers<void>();
      const options = { forTests: true, capacity: CAPACITY, queueLimit, beforeWord: () => held };
      const fake = createFakeEngine(options);
      await fake.load({ id: "fake", path: "" });
      const done: string[] = [];
      const engine = Object.create(fake, {
        generate: {
          value: async (...[request, options]: Parameters<typeof fake.generate>) => {
            const generation = await fake.generate(request, options);
            done.push(request.prompt);
            return generation;
          },
        },
      });
      await withMlService({ engine, dir, queueLimit }, async (service) => {
        const ask: Shared["ask"] = (prompt, account, path = "/generate") =>
          service.post(path, { prompt, account_id: account, max_tokens: 1 });
        await use({ ...service, resume, done, ask }).finally(resume);
      });
    }));
}

async function until(holds: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!holds()) await delay(5, { signal });
}

sharedTest(
  "an account's single request waits for at most what runs while another account sends 200",
  async ({ ask, engine, resume, done }) => {
    const flood = Array.from({ length: FLOOD }, (_, index) => ask(`a${index}`, "a"));
    await until(() => engine.occupancy.waiting === FLOOD - CAPACITY);
    const single = ask("b", "b");
    await until(() => engine.occupancy.waiting === FLOOD - CAPACITY + 1);
    resume();
    for (const response of await Promise.all([...flood, single])) {
      generateResultSchema.parse(await response.json());
    }
    assert.ok(done.indexOf("b") <= CAPACITY, `it was number ${done.indexOf("b")}`);
    assert.equal(done.length, FLOOD + 1);
  },
);

sharedTest(
  "a queue that one account has filled still takes another one's request",
  async ({ ask, engine, resume, done }) => {
    const flood = Array.from({ length: CAPACITY + 8 }, (_, index) => ask(`a${index}`, "a"));
    await until(() => engine.occupancy.waiting === 8);
    const single = ask("b", "b");
    const refused = await Promise.race(flood);
    await assertError(refused, "503 queue_full");
    resume();
    assert.equal((await single).status, 200);
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, CAPACITY + 7);
    assert.ok(done.indexOf("b") <= CAPACITY);
  },
  8,
);

sharedTest(
  "an account's single job starts next while another account has queued many, and has a position",
  async ({ ask, jobs, request, resume, done }) => {
    const queued = await Promise.all(
      Array.from({ length: FLOOD }, (_, index) => ask(`a${index}`, "a", "/generate/async")),
    );
    const accepted = queued.filter(({ status }) => status === 202);
    assert.ok(accepted.length >= FLOOD / 2 && accepted.length <= FLOOD / 2 + CAPACITY, `${accepted.length}`);
    const refused = queued.find(({ status }) => status !== 202) ?? assert.fail("it filled the queue");
    assert.match(await assertError(refused, "503 queue_full"), /of this account/);

    const answer = await ask("b", "b", "/generate/async");
    const { job_id: id, position } = generateAsyncResponseSchema.parse(await answer.json());
    assert.ok(position !== null && position !== undefined && position > 0);
    const status = await (await request(`/generate/status/${id}`)).json();
    assert.equal(generateStatusResponseSchema.parse(status).position, position);
    resume();
    await jobs.waitFor(id);
    assert.ok(done.indexOf("b") <= CAPACITY + 1, `it was number ${done.indexOf("b")}`);
  },
);

sharedTest("someone who waits goes before the jobs of the background", async (shared) => {
  const { ask, engine, resume, done } = shared;
  const running = [ask("first", "a"), ask("second", "a")];
  await until(() => engine.occupancy.running === CAPACITY);
  for (const prompt of ["job 1", "job 2"]) await ask(prompt, "a", "/generate/async");
  await until(() => engine.occupancy.waiting === 2);
  const interactive = ask("interactive", "a");
  await until(() => engine.occupancy.waiting === 3);
  resume();
  await Promise.all([...running, interactive]);
  await until(() => done.length === 5);
  assert.ok(done.indexOf("interactive") <= 2, done.join());
});
