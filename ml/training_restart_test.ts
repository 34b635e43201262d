/** Tests training across restarts of the service: killed or stopped, the job resumes where it was. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type MlTrainingStatus, mlTrainingStatusSchema } from "../contract/ml_training.ts";
import { eventsOf } from "../tests/support/ml/ml_service.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import { requestOf, SAMPLES } from "../tests/support/training/training_client.ts";
import { untilNoneTrains } from "../tests/support/training/training_run.ts";
import { choosePort, ServiceProcess } from "../tools/service_process.ts";
import { type AdapterManifest, readManifest } from "./models/adapter_manifest.ts";
import { FIGURES } from "./training/job/job_folders.ts";
import { readMetrics } from "./training/job/metrics_file.ts";

/** Single samples make many steps, so that there are checkpoints between which a kill can fall. */
const REQUEST = requestOf({ samples: SAMPLES, batch_size: 1, epochs: 4 });

/** A service's data and model, in a folder of its own. */
interface Home {
  dir: string;
  folder: string;
  serve: () => Promise<ServiceProcess>;
}

async function withHome(use: (home: Home) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "training-restart-" });
  try {
    const model = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const serve = () => {
      const port = choosePort();
      return ServiceProcess.start({
        name: "ml",
        env: {
          ML_HOST: "127.0.0.1",
          ML_PORT: String(port),
          ML_TOKEN: "",
          DATA_DIR: dir,
          MODEL: model,
          GPU: "off",
          THREADS: "1",
        },
        output: { file: join(dir, "ml.log") },
        url: `http://127.0.0.1:${port}`,
        isReady: (health) => health.model_loaded === true,
      });
    };
    await use({ dir, serve, folder: join(dir, "training", "job-1") });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function post({ url }: ServiceProcess, path: string, body: unknown = {}): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function start(ml: ServiceProcess): Promise<void> {
  const response = await post(ml, "/training/start", REQUEST);
  assert.equal(response.status, 202, await response.text());
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

/** Reads a job's events until one is as asked, or to the end. */
async function follow(
  { url }: ServiceProcess,
  options: { until?: (status: MlTrainingStatus) => boolean } = {},
): Promise<MlTrainingStatus[]> {
  const response = await fetch(`${url}/training/events/job-1`);
  const statuses: MlTrainingStatus[] = [];
  let pending = "";
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (pending + text).split("\n\n");
    pending = blocks.pop() ?? "";
    const reported = blocks.filter((block) => block.includes("data: ")).flatMap(eventsOf);
    statuses.push(...reported.map(({ data }) => mlTrainingStatusSchema.parse(data)));
    if (options.until && statuses.some(options.until)) return statuses;
  }
  return statuses;
}

async function adapterOf({ dir }: Home): Promise<AdapterManifest | null> {
  const names = await Array.fromAsync(Deno.readDir(join(dir, "adapters")), ({ name }) => name);
  assert.equal(names.length, 1, names.join(" "));
  return await readManifest(join(dir, "adapters", names[0] ?? ""));
}

/** What a training left that does not depend on how fast it was. */
async function traceOf(home: Home): Promise<unknown> {
  const metrics = (await Array.fromAsync(readMetrics(home.folder))).map((metric) =>
    metric.type === "step" ? { ...metric, tokensPerSecond: 0, etaMs: 0 } : metric
  );
  return { metrics, sha256: (await adapterOf(home))?.sha256 };
}

async function undisturbed(): Promise<unknown> {
  let trace: unknown;
  await withHome(async (home) => {
    await using ml = await home.serve();
    await start(ml);
    assert.equal((await follow(ml)).at(-1)?.status, "completed");
    trace = await traceOf(home);
  });
  return trace;
}

Deno.test("a service killed twice during training resumes the job and makes the same adapter", async () => {
  const expected = await undisturbed();
  await withHome(async (home) => {
    for (const killAfter of [30, 60]) {
      const ml = await home.serve();
      if (killAfter === 30) await start(ml);
      const statuses = await follow(ml, { until: ({ step }) => (step ?? 0) >= killAfter });
      assert.ok(statuses.some(({ step }) => (step ?? 0) >= killAfter), "it came so far");
      assert.notEqual(statuses.at(-1)?.status, "completed");
      ml.kill();
      await ml.ended;
      await untilNoneTrains(home.folder);
    }
    await using ml = await home.serve();
    const statuses = await follow(ml);
    assert.equal(statuses.at(-1)?.status, "completed", statuses.at(-1)?.error ?? "");
    const restarts = statuses.flatMap(({ phase, steps }, index) =>
      phase === "preparing" && steps === null ? [index] : []
    );
    assert.equal(restarts.length, 3, "it was begun three times");
    for (const index of restarts.slice(1)) {
      const next = statuses.slice(index).find(({ step }) => step !== null && step !== undefined);
      assert.ok((next?.step ?? 0) > 25, `it resumed from a checkpoint, not from step ${next?.step}`);
    }
    assert.deepEqual(await traceOf(home), expected);
    assert.deepEqual(await namesIn(home.folder), FIGURES);
  });
});

Deno.test("a service stopped during training exits 0, and its next start resumes", async () => {
  await withHome(async (home) => {
    const first = await home.serve();
    await start(first);
    await follow(first, { until: ({ step }) => (step ?? 0) >= 30 });
    const stream = await fetch(`${first.url}/training/events/job-1`);
    Deno.kill(first.pid, "SIGTERM");
    const reported = (await stream.text()).trim();
    assert.doesNotMatch(
      reported,
      /"status":"(?:completed|failed|cancelled)"/,
      "the stream ends, the job does not",
    );
    assert.equal((await first.ended).code, 0);
    await untilNoneTrains(home.folder);
    await using second = await home.serve();
    assert.equal((await follow(second)).at(-1)?.status, "completed");
    assert.equal((await adapterOf(home))?.jobId, "job-1");
  });
});

Deno.test("leftovers of a crash are cleared at the next start, and an ended job stays known", async () => {
  await withHome(async (home) => {
    {
      await using ml = await home.serve();
      await start(ml);
      assert.equal((await follow(ml)).at(-1)?.status, "completed");
    }
    // As if the service had been killed after a job's end, and between taking an id and queueing its job.
    const neverQueued = join(home.dir, "training", "never-queued");
    await Deno.mkdir(neverQueued);
    for (const folder of [home.folder, neverQueued]) {
      await Deno.writeTextFile(join(folder, "request.json"), "{}");
    }
    await Deno.mkdir(join(home.dir, "adapters", "staged-orphan"));
    await using ml = await home.serve();
    assert.equal((await follow(ml)).at(-1)?.status, "completed", "its events end once it is tidied");
    assert.deepEqual(await namesIn(home.folder), FIGURES);
    assert.deepEqual(await namesIn(join(home.dir, "training")), ["job-1"]);
    assert.equal((await adapterOf(home))?.jobId, "job-1");
    assert.equal((await post(ml, "/training/start", REQUEST)).status, 409);
    assert.equal((await post(ml, "/training/cancel/job-1")).status, 409);
  });
});
