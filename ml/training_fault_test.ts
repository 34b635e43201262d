/** Tests what goes wrong on the way to an adapter: a clear end, and what is served stays as it is. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateResultSchema } from "../contract/ml.ts";
import { assertError, type MlService, withMlService } from "../tests/support/ml/ml_service.ts";
import { trainTinyAdapter } from "../tests/support/ml/tiny_adapter.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import { withTinyEngine } from "../tests/support/ml/tiny_gguf_engine.ts";
import { trainingPids } from "../tests/support/training/training_run.ts";
import {
  adaptersOf,
  assertCleanEnd,
  assertFiguresOnly,
  completed,
  failed,
  follow,
  followUntil,
  start,
  statusIn,
  trainingTest,
} from "../tests/support/training/training_client.ts";
import type { AdapterProof } from "./engine/adapter_probe.ts";
import type { Engine } from "./engine/engine.ts";
import { ModelError, sha256OfFile } from "./models/model_file.ts";
import { queueIdOf } from "./services/training_status.ts";

const isStepping = ({ step }: { step?: number | null }) => (step ?? 0) > 0;

async function replyOf({ post }: MlService, adapterId: string): Promise<string> {
  const body = { prompt: "Them: hello\nMe:", max_tokens: 12, temperature: 0, adapter_id: adapterId };
  const response = await post("/generate", body);
  assert.equal(response.status, 200, await response.clone().text());
  return generateResultSchema.parse(await response.json()).response;
}

/** Publishes an adapter as a job before would have. */
async function publishOne(
  { adapters, models, dir }: MlService,
  jobId = "before",
  seed = 5,
): Promise<string> {
  const served = await models.servedFile();
  const path = join(dir, `${jobId}.gguf`);
  await trainTinyAdapter({ modelPath: served.path, path, seed }, () => {});
  const draft = {
    jobId,
    baseModel: served.id,
    baseSha256: served.sha256,
    sha256: await sha256OfFile(path),
    baseLoss: 4,
    adapterLoss: 3,
    offered: true,
    offerReason: null,
    probe: null,
  };
  const { id } = await adapters.publish(draft, { sourcePath: path });
  await Deno.remove(path);
  return id;
}

trainingTest(
  "a training process that is killed fails its job with the reason, and nothing else",
  async (service) => {
    const before = await publishOne(service);
    const reply = await replyOf(service, before);
    await start(service, { epochs: 50 });
    await followUntil(service, "job-1", { at: isStepping });
    const pids = await trainingPids(join(service.dir, "training", "job-1"));
    assert.ok(pids.length > 0);
    for (const pid of pids) Deno.kill(pid, "SIGABRT");
    assert.match(await failed(service, "job-1"), /^The training process ended by SIGABRT/);
    await assertFiguresOnly(service, "job-1");
    assert.deepEqual((await adaptersOf(service)).map(({ id }) => id), [before]);
    assert.equal(await replyOf(service, before), reply);
    await start(service, { job_id: "job-2" });
    await completed(service, "job-2");
  },
);

trainingTest(
  "a job on a model file that was replaced since it was loaded fails at its start",
  async (service) => {
    const other = await buildTinyGguf({ path: join(service.dir, "other.part"), seed: 99 });
    await service.models.servedFile();
    await Deno.rename(other, join(service.dir, "tiny.gguf"));
    await start(service);
    const last = (await follow(service, "job-1")).at(-1)?.status;
    assert.deepEqual([last?.status, last?.error, last?.fix, last?.steps], [
      "failed",
      "The base model's file was replaced since it was loaded",
      "Load the model again, then start the training again",
      null,
    ]);
    await assertCleanEnd(service, "job-1");
    assert.equal((await service.post("/model/reload?model_id=tiny", {})).status, 200);
    await start(service, { job_id: "job-2", epochs: 1 });
    await completed(service, "job-2");
  },
);

trainingTest(
  "of several cancels at the same time one ends the job, and the others find it ended",
  async (service) => {
    await start(service);
    const cancels = Array.from({ length: 5 }, () => service.post("/training/cancel/job-1", {}));
    const answers = await Promise.all(cancels);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409]);
    for (const answer of answers.filter(({ status }) => status === 409)) {
      await assertError(
        answer,
        "409 conflict",
      );
    }
    await follow(service, "job-1");
  },
);

trainingTest(
  "the base model's file is replaced during training: the job reports it, the old adapter serves",
  async (service) => {
    const before = await publishOne(service);
    const reply = await replyOf(service, before);
    await start(service);
    await followUntil(service, "job-1", { at: isStepping });
    const path = join(service.dir, "tiny.gguf");
    const other = await buildTinyGguf({ path: join(service.dir, "other.part"), seed: 99 });
    await Deno.rename(other, path);
    assert.match(await failed(service, "job-1"), /base model.* replaced/i);
    assert.equal(await replyOf(service, before), reply, "what is loaded is what was loaded");
    assert.deepEqual((await adaptersOf(service)).map(({ id }) => id), [before]);

    assert.equal((await service.post("/model/reload?model_id=tiny", {})).status, 200);
    const body = { prompt: "Them: hello\nMe:", adapter_id: before };
    assert.match(
      await assertError(await service.post("/generate", body), "409 conflict"),
      /another file of tiny/,
    );
  },
);

trainingTest(
  "another model is served when a job ends: the job reports it, and the adapter is refused there",
  async (service) => {
    const before = await publishOne(service);
    const reply = await replyOf(service, before);
    await buildTinyGguf({ path: join(service.dir, "other.gguf"), seed: 99 });
    await start(service);
    await followUntil(service, "job-1", { at: isStepping });
    assert.equal((await service.post("/model/reload?model_id=other", {})).status, 200);
    assert.match(await failed(service, "job-1"), /is for the model tiny, and other is served/);
    const body = { prompt: "Them: hello\nMe:", adapter_id: before };
    assert.match(
      await assertError(await service.post("/generate", body), "409 conflict"),
      /and other is served/,
    );
    assert.equal((await service.post("/generate", { ...body, adapter_id: undefined })).status, 200);
    assert.equal((await service.post("/model/reload?model_id=tiny", {})).status, 200);
    assert.equal(await replyOf(service, before), reply);
  },
);

trainingTest("a job whose adapter was published before a crash makes no second one", async (service) => {
  const before = await publishOne(service, "job-1");
  await start(service);
  assert.equal((await completed(service, "job-1")).result?.adapter_id, before);
  assert.equal((await adaptersOf(service)).length, 1);
});

/** An engine whose probe of an adapter is in a test's hands. */
function probing(engine: Engine, probe: Engine["probeAdapter"]): Engine {
  return new Proxy(engine, {
    get(target, key) {
      if (key === "probeAdapter") return probe;
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function probeTest(
  name: string,
  options: { probe: Engine["probeAdapter"]; use: (service: MlService) => Promise<void> },
): void {
  Deno.test(
    name,
    () =>
      withTinyEngine(
        {},
        ({ engine, dir }) =>
          withMlService({ engine: probing(engine, options.probe), dir }, async (service) => {
            await service.models.start();
            await options.use(service);
          }),
      ),
  );
}

const reached = Promise.withResolvers<void>();
const held = Promise.withResolvers<AdapterProof>();

probeTest("a job that is cancelled while its adapter is being checked leaves none", {
  probe: () => (reached.resolve(), held.promise),
  use: async (service) => {
    await start(service);
    await reached.promise;
    assert.equal((await statusIn(await service.post("/training/cancel/job-1", {}))).status, "cancelled");
    held.resolve({ probe: "measured", shift: 0.5, expectedShift: null });
    assert.equal((await follow(service, "job-1")).at(-1)?.status.status, "cancelled");
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(service.dir, "adapters"))), []);
    await assertCleanEnd(service, "job-1");
  },
});

probeTest("an adapter that cannot be served fails its job, and its file is removed", {
  probe: () => Promise.reject(new ModelError("The adapter cannot be loaded on this model: no reason")),
  use: async (service) => {
    await start(service);
    assert.match(await failed(service, "job-1"), /cannot be loaded on this model: no reason/);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(service.dir, "adapters"))), []);
    await assertCleanEnd(service, "job-1");
  },
});

/** What a disk, or whoever can write to it, may do to an adapter's file. */
const DAMAGES: Record<string, (path: string, options: { other: string }) => Promise<void>> = {
  "has flipped bits": (path) => change(path, (bytes) => flip(bytes, bytes.length - 100)),
  "has a flipped bit in its head": (path) => change(path, (bytes) => flip(bytes, 40)),
  "holds NaN": (path) => change(path, (bytes) => bytes.fill(0xff, bytes.length - 400)),
  "is truncated": (path) => Deno.truncate(path, 1_000),
  "is empty": (path) => Deno.truncate(path, 0),
  "is another account's": (path, { other }) => Deno.copyFile(other, path),
  "is no file": async (path) => {
    await Deno.remove(path);
    await Deno.mkdir(path);
  },
  "is gone": (path) => Deno.remove(path),
};

function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
}

async function change(path: string, edit: (bytes: Uint8Array) => void): Promise<void> {
  const bytes = await Deno.readFile(path);
  edit(bytes);
  await Deno.writeFile(path, bytes);
}

trainingTest("a damaged adapter is refused as such, and every other reply is made", async (service) => {
  const [damaged, other] = [await publishOne(service), await publishOne(service, "other", 6)];
  const path = service.registry.pathOf(damaged);
  const intact = await Deno.readFile(path);
  const expected = await replyOf(service, other);
  const body = { prompt: "Them: hello\nMe:", max_tokens: 12, temperature: 0 };
  const samples = [{ input: "hi", output: "ho" }];
  for (const [what, damage] of Object.entries(DAMAGES)) {
    await service.engine.retireAdapter(damaged);
    await damage(path, { other: service.registry.pathOf(other) });
    for (const [route, request] of [["/generate", body], ["/evaluate", { samples }]] as const) {
      const response = await service.post(route, { ...request, adapter_id: damaged });
      const message = await assertError(response, "409 adapter_damaged");
      assert.match(message, new RegExp(`^The adapter ${damaged} `), what);
    }
    assert.equal((await service.post("/generate", body)).status, 200, what);
    assert.equal(await replyOf(service, other), expected, what);
    await Deno.remove(path, { recursive: true }).catch(() => {});
    await Deno.writeFile(path, intact);
  }
  assert.notEqual(await replyOf(service, damaged), expected, "the file that was put back serves at once");
});

Deno.test("a job whose stored result is damaged takes no other job with it, and the service starts", async () => {
  await withTinyEngine({}, async ({ engine, dir }) => {
    using kv = await Deno.openKv(":memory:");
    const jobIds = ["damaged", "intact"];
    await withMlService({ engine, dir, kv }, async (service) => {
      await service.models.start();
      for (const jobId of jobIds) await start(service, { job_id: jobId, epochs: 1 });
      for (const jobId of jobIds) await completed(service, jobId);
    });
    for await (const { key } of kv.list({ prefix: [] })) {
      const isResult = key.includes("result") && key.includes(queueIdOf("damaged"));
      if (isResult) await kv.set(key, new Uint8Array([1, 2, 3]));
    }
    await Deno.writeTextFile(join(dir, "training", ".DS_Store"), "");
    await withMlService({ engine, dir, kv }, async (service) => {
      await service.models.start();
      assert.equal((await completed(service, "intact")).job_id, "intact");
      await assertError(await service.request("/training/status/damaged"), "500 internal");
      await start(service, { job_id: "next", epochs: 1 });
      await completed(service, "next");
    });
  });
});
