/** Tests training jobs in their own process: a complete run, kills, cancellations, crashes, and what they leave behind. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  inventedSamples,
  makeTrainingFolder,
  type TrainingFolder,
} from "../../../tests/support/training/training_folder.ts";
import { GgufFile } from "../ggml/gguf_file.ts";
import { openGgml } from "../ggml/library.ts";
import { readMetrics } from "../job/metrics_file.ts";
import type { RunResult, TrainingEnd, TrainingEvent } from "../job/training_event.ts";
import { startTrainingProcess, type TrainingProcess } from "./training_process.ts";
import type { TrainingRequestInput } from "../job/training_request.ts";

async function withFolder(use: (folder: TrainingFolder) => Promise<void>): Promise<void> {
  await using folder = await makeTrainingFolder();
  await use(folder);
}

interface Reported {
  events: TrainingEvent[];
  end: TrainingEnd;
}

/** Follows a process to its end; `at` is shown each event. */
async function follow(
  process: TrainingProcess,
  at: (event: TrainingEvent) => void = () => {},
): Promise<Reported> {
  const events: TrainingEvent[] = [];
  for await (const event of process.events) {
    events.push(event);
    at(event);
  }
  return { events, end: await process.end };
}

function completed(end: TrainingEnd): RunResult {
  assert.equal(end.status, "completed", JSON.stringify(end));
  return end.result;
}

/** What must be the same for two runs of one job, however often they were interrupted. */
async function traceOf(folder: string): Promise<{ metrics: unknown[]; adapter: Uint8Array }> {
  const metrics = (await Array.fromAsync(readMetrics(folder))).map((metric) =>
    metric.type === "step" ? { ...metric, tokensPerSecond: 0, etaMs: 0 } : metric
  );
  return { metrics, adapter: await Deno.readFile(join(folder, "adapter.gguf")) };
}

function stepOf(event: TrainingEvent): number | undefined {
  return event.type === "step" ? event.step : undefined;
}

Deno.test("a job reports its steps, measures base, examples and adapter, and leaves an adapter with its provenance", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ provenance: { account: "a-1" } });
    const { events, end } = await follow(startTrainingProcess(folder));
    const result = completed(end);
    const prepared = events.find((event) => event.type === "prepared");
    assert.ok(prepared && prepared.train + prepared.heldOut === 40 && prepared.memoryBytes > 0);
    assert.deepEqual(
      events.flatMap((event) => stepOf(event) ?? []),
      Array.from({ length: prepared.steps }, (_, index) => index + 1),
    );
    assert.deepEqual(
      events.flatMap((event) => event.type === "epoch" ? [event.epoch] : []),
      [0, 1, 2],
    );
    const { heldOut } = result;
    assert.ok(heldOut.adapterLoss < heldOut.baseLoss && !result.offered);
    assert.match(result.offerReason ?? "", /^Too few to tell/);
    assert.ok(
      heldOut.examplesLoss > 0 && heldOut.samples === prepared.heldOut && heldOut.tokens > heldOut.samples,
    );
    const metrics = await Array.fromAsync(readMetrics(folder));
    assert.equal(metrics.filter(({ type }) => type === "step").length, prepared.steps);
    assert.deepEqual(result.curve.epochs.map(({ epoch }) => epoch), [0, 1, 2]);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(join(folder, "result.json"))), result);
    using file = new GgufFile(openGgml(), result.adapterPath);
    assert.equal(file.text("conversation_assistant.base_model_sha256"), result.modelHash);
    assert.equal(file.text("conversation_assistant.account"), "a-1");
    assert.equal(file.number("conversation_assistant.adapter_loss"), heldOut.adapterLoss);
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assert.deepEqual(left, ["adapter.gguf", "metrics.jsonl", "plot.svg", "request.json", "result.json"]);
  });
});

Deno.test("a job that has completed completes again at once with the same result", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ epochs: 1 });
    const first = completed((await follow(startTrainingProcess(folder))).end);
    const { events, end } = await follow(startTrainingProcess(folder));
    assert.deepEqual(completed(end), first);
    assert.deepEqual(events.map(({ type }) => type), ["completed"]);
  });
});

Deno.test("a job started twice at the same time runs once, and both starts learn its result", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ epochs: 1 });
    const ends = await Promise.all([1, 2].map(() => follow(startTrainingProcess(folder))));
    const [first, second] = ends.map(({ end }) => completed(end));
    assert.deepEqual(first, second);
    const stepping = ends.filter(({ events }) => events.some((event) => stepOf(event) !== undefined));
    assert.equal(stepping.length, 1);
  });
});

Deno.test("a job killed at any step and started again gives the same curve and the same adapter, bit for bit", async () => {
  await withFolder(async (training) => {
    const changes: Partial<TrainingRequestInput> = {
      jobId: "same",
      lora: { rank: 4, dropout: 0.1 },
      weightDecay: 0.01,
    };
    const undisturbed = await training.job(changes);
    completed((await follow(startTrainingProcess(undisturbed))).end);
    const killed = await training.job(changes);
    // Before the first checkpoint, between two, at an epoch's end, in the last epoch.
    for (const killAt of [1, 5, 9, 17]) {
      const process = startTrainingProcess(killed);
      const { end } = await follow(process, (event) => {
        if (stepOf(event) === killAt) Deno.kill(process.pid, "SIGKILL");
      });
      assert.equal(end.status, "crashed");
    }
    const { events, end } = await follow(startTrainingProcess(killed));
    completed(end);
    assert.ok(events.some((event) => event.type === "note" && event.code === "resumed"));
    assert.deepEqual(await traceOf(killed), await traceOf(undisturbed));
  });
});

const PHASES: { name: string; at: (event: TrainingEvent) => boolean }[] = [
  { name: "evaluating the base", at: (event) => event.type === "evaluating" && event.what === "base" },
  { name: "evaluating examples", at: (event) => event.type === "evaluating" && event.what === "examples" },
  { name: "stepping", at: (event) => stepOf(event) === 7 },
  { name: "measuring an epoch", at: (event) => event.type === "evaluating" && event.what === "heldOut" },
];

for (const { name, at } of PHASES) {
  Deno.test(`a job cancelled while ${name} ends as cancelled, and resumes later to the same adapter`, async () => {
    await withFolder(async (training) => {
      const uninterrupted = await training.job({ jobId: "same" });
      completed((await follow(startTrainingProcess(uninterrupted))).end);
      const folder = await training.job({ jobId: "same" });
      const process = startTrainingProcess(folder);
      const { events, end } = await follow(process, (event) => at(event) && process.cancel());
      assert.deepEqual(end, { status: "cancelled" });
      const steps = events.flatMap((event) => stepOf(event) ?? []);
      assert.ok(steps.length < 18, `steps continued: ${steps}`);
      completed((await follow(startTrainingProcess(folder))).end);
      assert.deepEqual(await traceOf(folder), await traceOf(uninterrupted));
    });
  });
}

Deno.test("a job cancelled before its first event ends as cancelled", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ samples: inventedSamples(5_000) });
    const process = startTrainingProcess(folder);
    process.cancel();
    process.cancel();
    assert.deepEqual((await follow(process)).end, { status: "cancelled" });
    process.cancel();
  });
});

Deno.test("a job cancelled while it exports ends completed or cancelled, never with half an adapter", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ epochs: 1 });
    const process = startTrainingProcess(folder);
    const { end } = await follow(process, (event) => event.type === "exporting" && process.cancel());
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
    assert.ok(!names.some((name) => name.includes(".part-")), names.join());
    if (end.status === "completed") {
      assert.ok(names.includes("adapter.gguf") && names.includes("result.json"));
    } else assert.deepEqual(end, { status: "cancelled" });
  });
});

Deno.test("a process that does not end when it is cancelled is killed, and that is a cancellation", async () => {
  await withFolder(async (training) => {
    const process = startTrainingProcess(await training.job(), { cancelGraceMs: 1 });
    const { end } = await follow(process, (event) => {
      if (event.type !== "evaluating") return;
      Deno.kill(process.pid, "SIGSTOP");
      process.cancel();
    });
    assert.deepEqual(end, { status: "cancelled" });
  });
});

for (const signal of ["SIGSEGV", "SIGABRT"] as const) {
  Deno.test(`a job whose process dies of ${signal} has crashed with that reason and resumes when it is started again`, async () => {
    await withFolder(async (training) => {
      const folder = await training.job();
      const process = startTrainingProcess(folder);
      const { end } = await follow(process, (event) => {
        // V8 handles the first SIGSEGV itself and continues when it finds nothing wrong.
        if ((stepOf(event) ?? 0) >= 5) Deno.kill(process.pid, signal);
      });
      assert.equal(end.status, "crashed");
      assert.match(end.reason, new RegExp(`^The training process ended by ${signal}`));
      const { events, end: later } = await follow(startTrainingProcess(folder));
      completed(later);
      assert.ok(
        events.every((event) => (stepOf(event) ?? Infinity) > 3),
        "it resumes from the checkpoint of step 3",
      );
    });
  });
}

Deno.test("the last line of a native library is a crash's reason, and other output is not", async () => {
  await withFolder(async (training) => {
    const script =
      "echo private words >&2; echo 'ggml.c:12: GGML_ASSERT(ne == 1) failed' >&2; exec kill -9 $$";
    const process = startTrainingProcess(await training.job(), { through: ["sh", "-c", script] });
    const { end } = await follow(process);
    assert.deepEqual(end, {
      status: "crashed",
      reason: "The training process ended by SIGKILL: ggml.c:12: GGML_ASSERT(ne == 1) failed",
    });
  });
});

/** Limits files to some kibibytes: a write beyond that fails as on a full disk. The shell counts half kibibytes. */
function withFileLimit(kibibytes: number): string[] {
  return ["sh", "-c", `ulimit -f ${kibibytes * 2}; exec "$@"`, "sh"];
}

Deno.test("a disk that is full at a checkpoint fails the job with a sentence and preserves the last good one", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ lora: { rank: 64, targets: ["ffn_gate", "ffn_up", "ffn_down"] } });
    const first = startTrainingProcess(folder);
    await follow(first, (event) => stepOf(event) === 5 && Deno.kill(first.pid, "SIGKILL"));
    const before = Array.from(Deno.readDirSync(join(folder, "checkpoint")), ({ name }) => name).sort();
    assert.deepEqual(before, ["step-00000003.json", "step-00000003.state"]);
    const { end } = await follow(startTrainingProcess(folder, { through: withFileLimit(512) }));
    assert.deepEqual(end, {
      status: "failed",
      code: "disk_full",
      message: "The disk is full",
      fix: "Free some space, then start the training again",
    });
    const after = Array.from(Deno.readDirSync(join(folder, "checkpoint")), ({ name }) => name).sort();
    assert.deepEqual(after, before);
    const { events, end: later } = await follow(startTrainingProcess(folder));
    completed(later);
    assert.ok(events.some((event) => event.type === "note" && event.code === "resumed"));
  });
});

async function overwrite(path: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  await Deno.writeFile(path, change(await Deno.readFile(path)));
}

const flipped = (bytes: Uint8Array) =>
  bytes.map((byte, index) => index === bytes.length >> 1 ? byte ^ 1 : byte);

const cut = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1);

/** What happens to the files of a job killed after step 14, with its last checkpoints at steps 9 and 12. */
const DAMAGES: { name: string; files: Record<string, (bytes: Uint8Array) => Uint8Array>; notes: string[] }[] =
  [
    {
      name: "the newest state has a flipped bit",
      files: { "step-00000012.state": flipped },
      notes: ["checkpoint_damaged", "resumed"],
    },
    {
      name: "the newest facts are cut short",
      files: { "step-00000012.json": cut },
      notes: ["checkpoint_damaged", "resumed"],
    },
    {
      name: "both states are empty",
      files: { "step-00000012.state": () => new Uint8Array(), "step-00000009.state": () => new Uint8Array() },
      notes: ["checkpoint_damaged", "checkpoint_damaged", "started_over"],
    },
    {
      name: "of the newest only the best epoch's state is intact",
      files: { "step-00000012.state": flipped, "step-00000009.json": cut },
      notes: ["checkpoint_damaged", "checkpoint_damaged", "started_over"],
    },
    {
      name: "the metrics were lost",
      files: { "../metrics.jsonl": () => new Uint8Array() },
      notes: ["checkpoint_damaged", "checkpoint_damaged", "started_over"],
    },
  ];

for (const { name, files, notes } of DAMAGES) {
  Deno.test(`a damaged checkpoint is reported and skipped, and the adapter is the same: ${name}`, async () => {
    await withFolder(async (training) => {
      const uninterrupted = await training.job({ jobId: "same" });
      completed((await follow(startTrainingProcess(uninterrupted))).end);
      const folder = await training.job({ jobId: "same" });
      const process = startTrainingProcess(folder);
      await follow(process, (event) => stepOf(event) === 14 && Deno.kill(process.pid, "SIGKILL"));
      for (const [file, change] of Object.entries(files)) {
        await overwrite(join(folder, "checkpoint", file), change);
      }
      const { events, end } = await follow(startTrainingProcess(folder));
      completed(end);
      assert.deepEqual(events.flatMap((event) => event.type === "note" ? [event.code] : []), notes);
      assert.deepEqual(await traceOf(folder), await traceOf(uninterrupted));
    });
  });
}

Deno.test("a base model that is replaced during training fails the job, and there is no adapter", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ epochs: 1 });
    const process = startTrainingProcess(folder);
    const { end } = await follow(process, (event) => {
      if (stepOf(event) === 4) Deno.writeFileSync(training.modelPath, new Uint8Array([0]), { append: true });
    });
    assert.ok(end.status === "failed" && end.code === "model_changed", JSON.stringify(end));
    assert.match(end.message, /replaced during training/);
    const again = await follow(startTrainingProcess(folder));
    assert.ok(again.end.status === "failed" && again.end.code === "model_changed", JSON.stringify(again.end));
    assert.ok(!Array.from(Deno.readDirSync(folder), ({ name }) => name).includes("adapter.gguf"));
  });
});

Deno.test("a training process ends with its parent, however that ends", async () => {
  await withFolder(async (training) => {
    const folder = await training.job({ epochs: 100, patienceEpochs: 100 });
    const watcher = Deno.watchFs(training.dir, { recursive: false });
    const script = fileURLToPath(
      new URL("../../../tests/support/training/training_parent.ts", import.meta.url),
    );
    const parent = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", script, folder, join(training.dir, "ended")],
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.getReader();
    assert.equal((await reader.read()).done, false, "the job takes steps");
    parent.kill("SIGKILL");
    await parent.status;
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.endsWith("/ended"))) break;
    }
    await reader.cancel();
  });
});

Deno.test("a training process has the lowest priority, in all of its threads", async () => {
  await withFolder(async (training) => {
    const process = startTrainingProcess(await training.job({ epochs: 1 }));
    const priorities = new Set<string>();
    const { end } = await follow(process, (event) => {
      if (stepOf(event) !== 3) return;
      for (const { name } of Deno.readDirSync(`/proc/${process.pid}/task`)) {
        // Field 19 is the nice value; the name in brackets before may hold spaces (proc(5)).
        const fields = Deno.readTextFileSync(`/proc/${process.pid}/task/${name}/stat`).split(") ")[1]?.split(
          " ",
        );
        priorities.add(fields?.[16] ?? "");
      }
    });
    completed(end);
    assert.deepEqual([...priorities], ["19"]);
  });
});
