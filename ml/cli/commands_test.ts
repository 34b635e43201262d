/** Tests the command line and `training show`: a finished, a running, a failed and a missing job, and the plot. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../lib/errors.ts";
import { makeTrainingFolder, type TrainingFolder } from "../../tests/support/training/training_folder.ts";
import { STATUS_FILE } from "../training/job/job_folders.ts";
import { METRICS_FILE } from "../training/job/metrics_file.ts";
import { scaleOf } from "../training/plot/training_curves.ts";
import { runTraining } from "../training/run/run_training.ts";
import { VERSION } from "../../lib/version.ts";
import { showTraining } from "./commands.ts";
import { bars, chart } from "./training_report.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** A data folder in which a job has run, up to a step if one is named. */
async function trained(
  training: TrainingFolder,
  options: { jobId: string; untilStep?: number },
): Promise<string> {
  const folder = await training.job();
  const cancellation = new AbortController();
  const emit = (event: { type: string; step?: number }) => {
    if (event.type === "step" && event.step === options.untilStep) cancellation.abort();
  };
  await runTraining(folder, { emit, signal: cancellation.signal }).catch((error) => {
    if (!cancellation.signal.aborted) throw error;
  });
  const target = join(training.dir, "training", options.jobId);
  await Deno.mkdir(join(training.dir, "training"), { recursive: true });
  await Deno.rename(folder, target);
  return target;
}

/** Runs ml's main file with arguments. */
async function runMl(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", MAIN, ...args],
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [text, complaint] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, text: text ?? "", complaint: complaint ?? "" };
}

Deno.test("the command line has help and a version; what it does not know exits with 2 and a suggestion", async () => {
  const help = await runMl(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.text, /Usage: deno task ml .*\n[^]*training/);
  assert.equal((await runMl(["--version"])).text.trim(), VERSION);
  const misspelt = await runMl(["trainnig", "show", "first"]);
  assert.equal(misspelt.code, 2);
  assert.match(misspelt.complaint, /Did you mean training\?/);
  assert.equal((await runMl(["training", "show"])).code, 2);
});

Deno.test("a finished job is shown with its epochs, its curves, its comparison and its plot", async () => {
  await using training = await makeTrainingFolder();
  const folder = await trained(training, { jobId: "first" });
  const { code, text, complaint } = await runMl(["training", "show", "first"], { DATA_DIR: training.dir });
  assert.equal(code, 0, complaint);
  const result = JSON.parse(await Deno.readTextFile(join(folder, "result.json")));
  assert.match(text, /^Training job first on small \(sft\): completed, step 18 of 18\n/);
  assert.match(text, /^ {2}base +0 +\d+\.\d{3} +\d+$/m);
  assert.match(
    text,
    new RegExp(`^  2 +18 +\\d\\.\\d{3} +${result.heldOut.adapterLoss.toFixed(3)} +\\d`, "m"),
  );
  assert.match(text, new RegExp(`^  base with examples +${result.heldOut.examplesLoss.toFixed(3)}$`, "m"));
  assert.match(text, new RegExp(`${result.train} samples to learn from, ${result.heldOut.samples} held out`));
  assert.match(text, /The adapter is not offered: Too few to tell: \d+ repl/);
  assert.ok(text.includes("◆") && text.includes("•") && /^ {2}rate {3}[▁-█]{18}$/m.test(text));
  assert.ok(text.trimEnd().endsWith(`Plot: ${join(folder, "plot.svg")}`));
});

Deno.test("the plot has a curve for each loss and the rate, and only finite numbers", async () => {
  await using training = await makeTrainingFolder();
  const folder = await trained(training, { jobId: "first" });
  const svg = await Deno.readTextFile(join(folder, "plot.svg"));
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^]*<\/svg>\n$/);
  assert.equal(svg.match(/<polyline /g)?.length, 4, "batches, evened out, held out, rate");
  assert.equal(svg.match(/<circle /g)?.length, 3, "the base and two epochs");
  assert.equal(svg.match(/stroke-dasharray/g)?.length, 2, "the base's level and the examples'");
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});

Deno.test("a running job is shown up to its latest step", async () => {
  await using training = await makeTrainingFolder();
  await trained(training, { jobId: "running", untilStep: 12 });
  const lines = await showTraining("running", { dataDir: training.dir });
  assert.equal(lines[0], "Training job running: not reported yet, step 12 of 18");
  assert.ok(lines.some((line) => /^ {2}1 +9 /.test(line)));
  assert.ok(!lines.some((line) => /offered/.test(line)));
});

Deno.test("a job that failed is shown with its reason, though it took no step", async () => {
  await using training = await makeTrainingFolder();
  const folder = join(training.dir, "training", "failed");
  await Deno.mkdir(folder, { recursive: true });
  const statuses = [{ status: "training", error: null }, { status: "failed", error: "The disk is full" }];
  await Deno.writeTextFile(
    join(folder, STATUS_FILE),
    statuses.map((line) => `${JSON.stringify(line)}\n`).join(""),
  );
  const lines = await showTraining("failed", { dataDir: training.dir });
  assert.deepEqual(lines, ["Training job failed: failed — The disk is full"]);
  const fixed = { status: "failed", error: "The disk is full", fix: "Free some space" };
  await Deno.writeTextFile(join(folder, STATUS_FILE), `${JSON.stringify(fixed)}\n`, { append: true });
  assert.deepEqual(await showTraining("failed", { dataDir: training.dir }), [
    "Training job failed: failed — The disk is full. Free some space",
  ]);
});

Deno.test("a job of very many steps and statuses is shown as any other", async () => {
  await using training = await makeTrainingFolder();
  const folder = join(training.dir, "training", "long");
  await Deno.mkdir(folder, { recursive: true });
  const steps = 50_000;
  const lines = Array.from({ length: steps }, (_, index) => {
    const loss = 4 - 2 * index / steps;
    return JSON.stringify({ type: "step", step: index + 1, steps, epoch: 1, loss, learningRate: 1e-3 });
  });
  lines.push(
    JSON.stringify({ type: "epoch", epoch: 1, step: steps, heldOutLoss: 2.5, heldOutPerplexity: 12 }),
  );
  await Deno.writeTextFile(join(folder, METRICS_FILE), `${lines.join("\n")}\n{"half a li`);
  const status = { status: "training", error: null, step: 1 };
  await Deno.writeTextFile(join(folder, STATUS_FILE), `${JSON.stringify(status)}\n`.repeat(10_000));
  const shown = await showTraining("long", { dataDir: training.dir });
  assert.equal(shown[0], "Training job long: training, step 50000 of 50000");
  assert.ok(shown.some((line) => /^ {2}1 +50000 +3\.000 +2\.500 +12\.00$/.test(line)), shown.join("\n"));
  assert.ok(shown.some((line) => /^ {2}rate {3}█{64}$/.test(line)));
  assert.ok(shown.length < 40);
});

Deno.test("a missing job is answered with the existing ones; a path is not a name", async () => {
  await using training = await makeTrainingFolder();
  await trained(training, { jobId: "first", untilStep: 1 });
  await assert.rejects(
    showTraining("second", { dataDir: training.dir }),
    (error: unknown) =>
      error instanceof UserError && /no training job second .*there are: first$/.test(error.message),
  );
  await assert.rejects(showTraining("../training/first", { dataDir: training.dir }), UserError);
});

Deno.test("axes have round values within their range, also where all values are the same", () => {
  const { at, ticks } = scaleOf([0.13, 0.87], { from: 0, to: 100, ticks: 5 });
  assert.deepEqual(ticks, [0.2, 0.4, 0.6, 0.8]);
  assert.equal(at(0.13), 0);
  assert.equal(at(0.87), 100);
  const flat = scaleOf([3, 3], { from: 0, to: 100, ticks: 5 });
  assert.ok(flat.ticks.length > 0 && Number.isFinite(flat.at(3)));
});

Deno.test("a chart puts the highest value on top and the last step at the right", () => {
  const points = [{ step: 0, value: 2 }, { step: 10, value: 1 }];
  const lines = chart([{ points, mark: "x" }], { width: 11, height: 3, steps: 10, range: [1, 2] });
  assert.deepEqual(lines, [
    "  2.000 │x",
    "        │",
    "  1.000 │          x",
    "        └───────────",
    "         0        10",
  ]);
  assert.equal(bars([1, 2, 4].map((value, step) => ({ step, value })), { width: 10 }), "▃▅█");
  assert.equal(bars([], { width: 10 }), "");
});
