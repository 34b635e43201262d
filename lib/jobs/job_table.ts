/** The contract of a job table: where a job queue has its records, and how it finds the next one to start. */
import { unlessAborted } from "../async.ts";
import { encodeBody } from "./bodies.ts";
import type { JobState } from "./job.ts";
import { type BodyName, isFinal, type JobRecord } from "./record.ts";

/** Which jobs may start. */
export interface StartRequest {
  now: number;
  /** Keys of {@linkcode pauseKeyOf} whose jobs have to wait. */
  paused: readonly string[];
}

/** The jobs of one queue, in whatever store. A change is stored before anyone sees it. */
export interface JobTable {
  /** Adds a job; false when the id is taken. */
  insert(record: JobRecord, payload: Uint8Array | null): Promise<boolean>;
  get(id: string): Promise<JobRecord | null>;
  /** Changes a job, together with its result if given, unless `change` returns null. Resolves to the new record. */
  update(
    id: string,
    change: (record: JobRecord) => JobRecord | null,
    result?: Uint8Array | null,
  ): Promise<JobRecord | null>;
  /** Shows the progress of a run to those who watch; a store that many processes share shows it once it is stored. */
  report(id: string, progress: Pick<JobRecord, "run" | "progress">): void;
  /** The value of a job's payload or result. @throws {PermanentJobError} it is gone or damaged */
  body(record: JobRecord, name: BodyName): Promise<unknown>;
  /** Deletes all that is stored of an ended job, readable or not; false when there was none. */
  erase(id: string): Promise<boolean>;
  /** Running jobs, then queued ones in the order they become due, then finished ones latest first. */
  list(options: { state?: JobState; limit: number }): Promise<JobRecord[]>;
  stats(): Promise<Record<JobState, number>>;
  /** Number of queued jobs that became due before a given one. */
  countAhead(record: JobRecord): Promise<number>;
  /**
   * Starts the first due job of the group whose last start is the longest ago, under a run of this process; null when
   * none may start.
   */
  startNext(request: StartRequest): Promise<JobRecord | null>;
  /** When the next job after a time becomes due; Infinity when none waits. */
  nextDueAfter(time: number): Promise<number>;
  /** Running jobs whose process has ended. */
  listInterrupted(): Promise<JobRecord[]>;
  /** Ids of the jobs that finished before a time, and of those that were added before it and cannot be read. */
  listExpired(time: number): Promise<string[]>;
  /** Resolves at the next change of a job, of any where no id is given. Take it before reading what may change. */
  nextChange(id?: string): Promise<void>;
  /** How often jobs whose process has ended are looked for. */
  readonly checkMs: number;
}

/** What pauses together while its dependency is down: the jobs of a group, or all of a task that have none. */
export function pauseKeyOf({ task, group }: Pick<JobRecord, "task" | "group">): string {
  return `${task}:${group ?? ""}`;
}

/** Yields the record now and after each visible change; ends when it is final or gone, or when the signal aborts. */
export async function* watchJob(
  table: JobTable,
  { id, signal }: { id: string; signal?: AbortSignal },
): AsyncGenerator<JobRecord> {
  let seen = "";
  while (!signal?.aborted) {
    const changed = table.nextChange(id);
    const record = await table.get(id);
    if (record === null) return;
    const { state, attempts, dueAt, waiting, progress, run } = record;
    const visible = JSON.stringify([state, attempts, dueAt, waiting, progress, run]);
    if (visible !== seen) yield record;
    seen = visible;
    if (isFinal(state)) return;
    await unlessAborted(changed, signal);
  }
}

/** Moves the jobs that have not ended to another table, where they keep their places. Returns how many. */
export async function moveJobs(from: JobTable, to: JobTable): Promise<number> {
  const live = (await from.list({ limit: Infinity })).filter(({ state }) => !isFinal(state));
  for (const record of live) {
    const payload = encodeBody(await from.body(record, "payload"));
    await to.insert({ ...record, state: "queued", run: null }, payload);
    await from.erase(record.id);
  }
  return live.length;
}
