/** Kills the model's process again and again under load, and checks what the service says and does meanwhile. */
import assert from "node:assert/strict";
import { generateStatusResponseSchema, healthResponseSchema, ML_JOB_STATUSES } from "../../../contract/ml.ts";
import { ML_PATHS } from "../../../contract/paths.ts";
import { delay } from "../../../lib/backoff.ts";
import { type MlService, withMlService } from "./ml_service.ts";
import { isAlive, type TinyProcessEngine, withTinyProcessEngine } from "./tiny_process_engine.ts";

const JOBS_PER_KILL = 2;
const POLL_MS = 20;
const TERMINAL = ["completed", "failed", "cancelled"] satisfies (typeof ML_JOB_STATUSES[number])[];

export interface KillCounts {
  kills: number;
  /** Background jobs, each of which ended exactly once. */
  completedJobs: number;
  /** Requests whose clients waited. */
  answered: number;
  refused: number;
  /** Answers of `/health` while the process was away. */
  healthWhileAway: number;
}

interface Run extends KillCounts {
  service: MlService;
  tiny: TinyProcessEngine;
  isOver: boolean;
}

function bodyOf(seed: number, maxTokens: number) {
  return { prompt: "Them: are you coming tonight?\nMe:", seed, max_tokens: maxTokens };
}

/** Keeps one waiting client busy; whatever happens to the process, it gets a reply or the time to ask again. */
async function askUntilOver(run: Run, firstSeed: number): Promise<void> {
  for (let seed = firstSeed; !run.isOver; seed++) {
    const response = await run.service.post(ML_PATHS.generate, bodyOf(seed, 8));
    await response.body?.cancel();
    if (response.status === 200) run.answered++;
    else {
      assert.equal(response.status, 503);
      assert.ok(
        Number(response.headers.get("retry-after")) >= 1,
        "a refused client learns when to come back",
      );
      run.refused++;
      await delay(POLL_MS);
    }
  }
}

async function health(run: Run) {
  return healthResponseSchema.parse(await (await run.service.request(ML_PATHS.health)).json());
}

/** Kills the process while it works, and compares `/health` and `/metrics` with what is known of the process. */
async function killOnce(run: Run): Promise<void> {
  const { engine, processes } = run.tiny;
  const before = run.answered;
  while (run.answered === before || engine.occupancy.running === 0) await delay(POLL_MS);
  const { pid } = processes;
  assert.deepEqual([(await health(run)).status, isAlive(pid)], ["healthy", true]);
  await processes.kill();
  run.kills++;
  const said = await health(run);
  // The next process may answer by now.
  if (processes.pid === pid) {
    run.healthWhileAway++;
    assert.deepEqual([said.status, said.model_loaded, said.model_version], ["loading", false, "tiny"]);
    assert.match(said.reason ?? "", /ended by SIGKILL/);
    assert.match(
      await (await run.service.request(ML_PATHS.metrics)).text(),
      /^assistant_ml_model_loaded 0$/m,
    );
  }
  assert.ok(!isAlive(pid));
  await processes.until(() => engine.absence === null);
  assert.equal((await health(run)).model_loaded, true);
}

async function enqueueJobs(run: Run, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const response = await run.service.post(ML_PATHS.generateAsync, bodyOf(1e6 + index, 60));
    assert.equal(response.status, 202);
    ids.push((await response.json()).job_id);
  }
  return ids;
}

/** Waits for every job's end. Each is computed to its end once, or the engine has more replies than there are results. */
async function checkJobs(run: Run, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    for (;;) {
      const response = await run.service.request(ML_PATHS.generateStatus.replace(":job_id", id));
      const job = generateStatusResponseSchema.parse(await response.json());
      if (TERMINAL.includes(job.status as typeof TERMINAL[number])) {
        assert.equal(job.status, "completed", job.error ?? "");
        break;
      }
      await delay(POLL_MS);
    }
    run.completedJobs++;
  }
}

async function checkReplies(run: Run): Promise<void> {
  const metrics = await (await run.service.request(ML_PATHS.metrics)).text();
  const replies = Number(/^assistant_ml_replies_total\{source="engine"\} (\d+)$/m.exec(metrics)?.[1]);
  assert.equal(replies, run.completedJobs + run.answered, "no job was computed to its end twice");
}

/**
 * Runs the service on the tiny model with two waiting clients and background jobs, and kills the model's process so many
 * times while it works.
 *
 * @throws AssertionError when a job does not end once, a client is left without an answer, `/health` or `/metrics` say what
 * is not so, or a process is left over
 */
export async function runEngineKills(kills: number): Promise<KillCounts> {
  const counts = { kills: 0, completedJobs: 0, answered: 0, refused: 0, healthWhileAway: 0 };
  const started: number[] = [];
  await withTinyProcessEngine({}, async (tiny) => {
    await withMlService({ engine: tiny.engine, dir: tiny.dir, queueLimit: 1_000 }, async (service) => {
      await service.models.start();
      const run: Run = Object.assign(counts, { service, tiny, isOver: false });
      const ids = await enqueueJobs(run, kills * JOBS_PER_KILL);
      const clients = [askUntilOver(run, 1), askUntilOver(run, 1e5)];
      for (let kill = 0; kill < kills; kill++) await killOnce(run);
      await checkJobs(run, ids);
      run.isOver = true;
      await Promise.all(clients);
      await checkReplies(run);
      started.push(...tiny.processes.pids);
    });
  });
  assert.deepEqual(started.filter(isAlive), [], "no process is left over");
  const { completedJobs, answered, refused, healthWhileAway } = counts;
  return { kills, completedJobs, answered, refused, healthWhileAway };
}
