/** The contract of a job table: where a job queue has its records, and how it finds the next one to start. */
import { Notifier, unlessAborted } from "../async.ts";
import { type JobState, PermanentJobError } from "./job.ts";
import { type BodyName, isFinal, type JobRecord, refOf } from "./record.ts";

/** What a record becomes; itself, or null where the change does not apply, leaves it as it is. */
export type JobChange = (record: JobRecord) => JobRecord | null;

/** The jobs of one queue, in whatever store. A change is stored before anyone sees it; bodies are JSON. */
export interface JobTable {
  /** The id of this process, with which the runs of its jobs begin. */
  readonly process: string;
  /** Whether a process that may have jobs here is still there. */
  isAlive(process: string): Promise<boolean>;
  /** How often jobs whose process has ended are looked for. */
  readonly checkMs: number;
  /** Calls `hear` after each change with the job's id, with null where it is not known, until the returned function is called. */
  onChange(hear: (id: string | null) => void): () => void;
  /** Adds a job with its payload; false when the id is taken. */
  insert(record: JobRecord, payload: string | null): Promise<boolean>;
  get(id: string): Promise<JobRecord | null>;
  /** Changes a job, together with its result if given. Resolves to what `change` returned, null where there is no job. */
  update(id: string, change: JobChange, result?: string | null): Promise<JobRecord | null>;
  /** A body that the record says is there; null where it is gone. */
  body(record: JobRecord, name: BodyName): Promise<string | null>;
  /** Deletes all that is stored of an ended job, readable or not; false when there was none. */
  erase(id: string): Promise<boolean>;
  /** Deletes the jobs that finished before a time, and those that were added before it and cannot be read. */
  expire(time: number): Promise<void>;
  /** Running jobs, then queued ones in the order they become due, then finished ones latest first. */
  list(options: { state?: JobState; limit?: number }): Promise<JobRecord[]>;
  stats(): Promise<Record<JobState, number>>;
  /**
   * Of the due jobs the first one of the group whose last start is the longest ago; where none is due, the one that is due
   * next. Leaves out what has one of the given {@linkcode pauseKeyOf}.
   */
  next(options: { now: number; paused: readonly string[] }): Promise<JobRecord | null>;
}

/** What pauses together while its dependency is down: the jobs of a group, or all of a task that have none. */
export function pauseKeyOf({ task, group }: JobRecord): string {
  return `${task}:${group ?? ""}`;
}

/** The JSON of a value; null for `undefined`. @throws {TypeError} it is no JSON value */
export function encodeBody(value: unknown): string | null {
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined && value !== undefined) {
    throw new TypeError(`Jobs carry JSON values: this one is a ${typeof value}`);
  }
  return json ?? null;
}

/** The value of a job's payload or result. @throws {PermanentJobError} it is gone or damaged */
export async function readBody(
  table: JobTable,
  { record, name }: { record: JobRecord; name: BodyName },
): Promise<unknown> {
  if (record[name].kind === "absent") return undefined;
  const json = await table.body(record, name);
  if (json === null) {
    throw new PermanentJobError(`The ${name} of a job is gone from the store`, { code: "body_missing" });
  }
  try {
    return JSON.parse(json);
  } catch {
    // The parser's own message quotes what it could not read.
    throw new PermanentJobError(`The ${name} of a job is damaged in the store`, { code: "body_corrupt" });
  }
}

/** Yields the record now and after each change; ends when it is final or gone, or when the signal aborts. */
export async function* watchJob(
  table: JobTable,
  { id, signal }: { id: string; signal?: AbortSignal },
): AsyncGenerator<JobRecord> {
  const changes = new Notifier();
  const stopHearing = table.onChange((changed) => {
    if (changed === id || changed === null) changes.notify();
  });
  try {
    while (!signal?.aborted) {
      const changed = changes.next;
      const record = await table.get(id);
      if (record === null) return;
      yield record;
      if (isFinal(record.state)) return;
      await unlessAborted(changed, signal);
    }
  } finally {
    stopHearing();
  }
}

/** Moves the jobs that have not ended to another table, where they keep their places. Returns how many. */
export async function moveJobs(from: JobTable, to: JobTable): Promise<number> {
  const live = (await from.list({})).filter(({ state }) => !isFinal(state));
  for (const record of live) {
    const payload = encodeBody(await readBody(from, { record, name: "payload" }));
    await to.insert({ ...record, state: "queued", run: null, payload: refOf(payload) }, payload);
    await from.erase(record.id);
  }
  return live.length;
}
