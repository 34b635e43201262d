/** Starts, follows and kills the processes of `job_queue_child.ts`. */
import assert from "node:assert/strict";
import { withDeadline } from "../../../lib/async.ts";
import type { PostgresAddress } from "../../../server/store/database.ts";
import type { JobAbortedError } from "../../../lib/jobs/job.ts";

/** The tasks of the queues under test. */
export interface SuiteTasks {
  work: { payload: WorkItem; result: WorkItem; progress: { step: number } };
  /** Does nothing: once it ran, everything that was due before it has started. */
  ping: { payload: null; result: null };
}

export interface WorkItem {
  n?: number;
  text?: string;
}

/** Where the jobs of a child's queue are. */
export type JobPlace = { kvPath: string; directory: string } | { address: PostgresAddress };

/** What a child is asked to do, and with which queue. */
export type ChildOrder = ChildWork & { place: JobPlace; queue: string };

/** Hold jobs until asked to end, finish them at once, or add `count` of them. */
export type ChildWork = { mode: "hold" } | { mode: "finish" } | {
  mode: "enqueue";
  count: number;
  prefix: string;
};

/** A test that waits longer than this has failed; it is a guard, not a measure. */
export const PATIENCE_MS = 30_000;

/** What a child reports, a line each. */
export type ChildEvent =
  | { event: "listening" }
  | { event: "refused"; message: string; fix: string | null }
  | { event: "enqueued" }
  | { event: "started"; id: string; attempt: number }
  | { event: "finished"; id: string; attempt: number }
  | { event: "aborted"; id: string; why: JobAbortedError["why"] };

const CHILD_SCRIPT = new URL("./job_queue_child.ts", import.meta.url).href;

export class JobQueueProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #events: AsyncGenerator<ChildEvent>;
  #ended = false;

  constructor(order: ChildOrder) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", CHILD_SCRIPT, JSON.stringify(order)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#events = eventsOf(this.#process.stdout);
  }

  /** The child's next report. */
  async next(): Promise<ChildEvent> {
    const report = this.#events.next();
    assert.ok(await withDeadline(report, PATIENCE_MS), "the child process reported nothing");
    const { value, done } = await report;
    assert.equal(done, false, "the child process ended without the awaited report");
    return value;
  }

  /** Kills the child so that it can clean nothing up. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#end();
  }

  /** Lets the child stop its queue and end; resolves to what it reported meanwhile. */
  async finish(): Promise<ChildEvent[]> {
    await this.#process.stdin.close();
    const events = await Array.fromAsync(this.#events);
    await this.#end();
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.kill();
  }

  async #end(): Promise<void> {
    this.#ended = true;
    await this.#process.status;
    await this.#events.return(undefined);
    await this.#process.stdin.close().catch(() => undefined);
  }
}

async function* eventsOf(output: ReadableStream<Uint8Array>): AsyncGenerator<ChildEvent> {
  let pending = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    const lines = (pending + text).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}
