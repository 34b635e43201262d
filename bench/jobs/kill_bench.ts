/**
 * Kills a process with kill -9 in the middle of jobs, and measures how soon the next one has them running again.
 *
 * `deno run -A bench/jobs/kill_bench.ts [kills]`, 100 by default, on one store for all of them.
 */
import assert from "node:assert/strict";
import { textLinesOf } from "../../lib/async.ts";
import { writeLine } from "../../lib/log.ts";
import type { KillEvent } from "./kill_child.ts";

const DEFAULT_KILLS = 100;
/** Kills fall this long after all interrupted jobs run again, so that they hit jobs at any point. */
const KILL_AFTER_MS = { least: 50, most: 300 };
const CHILD = new URL("./kill_child.ts", import.meta.url).href;

interface Child {
  process: Deno.ChildProcess;
  events: AsyncGenerator<KillEvent>;
}

function start(folder: string, mode: "load" | "drain"): Child {
  const args = ["run", "--no-check", "-A", CHILD, folder, mode];
  const process = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  return { process, events: eventsOf(process) };
}

async function* eventsOf(process: Deno.ChildProcess): AsyncGenerator<KillEvent> {
  for await (const line of textLinesOf(process.stdout)) {
    // The kill may have cut the last line.
    if (line.endsWith("}")) yield JSON.parse(line);
  }
}

function milliseconds(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, max ${sorted.at(-1)} ms`;
}

/** What all children reported. */
class Tally {
  readonly added = new Set<string>();
  readonly finished = new Map<string, number>();
  readonly resumeMs: number[] = [];
  readonly startMs: number[] = [];
  readonly running = new Set<string>();
  /** Jobs that ran when the last process was killed and have not started again. */
  interrupted = new Set<string>();
  #spawnedAt = 0;
  #listeningAt = 0;

  spawned(): void {
    this.#spawnedAt = Date.now();
    this.interrupted = new Set(this.running);
    this.running.clear();
  }

  take(event: Exclude<KillEvent, { event: "drained" }>): void {
    const { id, at } = event;
    if (event.event === "listening") {
      this.#listeningAt = at;
    } else if (event.event === "added") {
      this.added.add(id);
    } else if (event.event === "finished") {
      this.finished.set(id, 1 + (this.finished.get(id) ?? 0));
      this.running.delete(id);
    } else {
      this.running.add(id);
      if (!this.interrupted.delete(id)) return;
      this.resumeMs.push(at - this.#listeningAt);
      this.startMs.push(at - this.#spawnedAt);
    }
  }
}

/** Runs one process, and kills it in the middle of jobs once it has resumed those of the one before. */
async function killOnce(folder: string, tally: Tally): Promise<void> {
  tally.spawned();
  const { process, events } = start(folder, "load");
  const { least, most } = KILL_AFTER_MS;
  let killAt = Infinity;
  let isKilled = false;
  for await (const event of events) {
    assert.ok(event.event !== "drained");
    tally.take(event);
    if (isKilled || tally.interrupted.size > 0 || tally.running.size === 0) continue;
    if (killAt === Infinity) killAt = Date.now() + least + Math.random() * (most - least);
    if (Date.now() < killAt) continue;
    process.kill("SIGKILL");
    // What it reported before still comes.
    isKilled = true;
  }
  await process.status;
}

const kills = Number(Deno.args[0] ?? DEFAULT_KILLS);
const folder = await Deno.makeTempDir({ prefix: "kill-bench-" });
try {
  const tally = new Tally();
  for (let n = 0; n < kills; n++) await killOnce(folder, tally);
  tally.spawned();
  const { process, events } = start(folder, "drain");
  for await (const event of events) {
    if (event.event !== "drained") tally.take(event);
    else writeLine(`states at the end: ${JSON.stringify(event.states)}`);
  }
  assert.ok((await process.status).success);
  const lost = [...tally.added].filter((id) => !tally.finished.has(id));
  const twice = [...tally.finished.values()].filter((times) => times > 1);
  writeLine(
    `${kills} kills, ${tally.added.size} jobs added, ${lost.length} lost, ${twice.length} finished twice or more`,
  );
  writeLine(`${tally.resumeMs.length} interrupted jobs ran again after: ${milliseconds(tally.resumeMs)}`);
  writeLine(`the same from the start of the process: ${milliseconds(tally.startMs)}`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
