/** The record of one job in a Deno KV ledger: its shape, its keys, and the check of what is read back. */
import type { JobFailure, JobState, JobWaiting } from "./job_queue.ts";

/** Where a payload or result is: nowhere (`undefined`), under its own key, or in a file of the job's folder. */
export type BodyRef = { kind: "absent" } | { kind: "inline" } | { kind: "file"; name: string };

/** What the two bodies of a job are called in keys and file names. */
export type BodyName = "payload" | "result";

/** All that is known of a job but its payload and result. Times are epoch milliseconds. */
export interface JobRecord {
  version: 1;
  id: string;
  task: string;
  state: JobState;
  /** Orders jobs that are due in the same millisecond. */
  order: number;
  enqueuedAt: number;
  dueAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  attempts: number;
  maxAttempts: number;
  /** Who runs the job: the token is new with each claim. */
  lease: { token: string; until: number } | null;
  waiting: JobWaiting | null;
  error: JobFailure | null;
  progress: unknown;
  payload: BodyRef;
  result: BodyRef;
}

/** A record that someone runs. */
export type ClaimedRecord = JobRecord & { lease: NonNullable<JobRecord["lease"]> };

/** What an index entry tells without reading its record. */
export interface IndexValue {
  task: string;
  state: JobState;
}

export const JOB_STATES: readonly JobState[] = ["queued", "running", "completed", "failed", "cancelled"];

/** Whether a job in this state stays as it is for ever. */
export function isFinal(state: JobState): boolean {
  return state === "completed" || state === "failed" || state === "cancelled";
}

const NAME_PATTERN = /^[A-Za-z0-9_-]{1,100}$/;

/** Returns a queue's name or a job's id, both of which end up in keys and paths. @throws {TypeError} it is malformed */
export function checkedName(name: string): string {
  if (NAME_PATTERN.test(name)) return name;
  throw new TypeError("Job ids and queue names take 1 to 100 of A-Z a-z 0-9 _ -: this one does not fit");
}

/** The keys of one queue. Each job is in one of three indexes, which its record determines. */
export class JobKeys {
  readonly queued: Deno.KvKey;
  readonly running: Deno.KvKey;
  readonly finished: Deno.KvKey;
  readonly staged: Deno.KvKey;
  readonly #root: Deno.KvKey;

  constructor(queue: string) {
    this.#root = ["jobs", queue];
    this.queued = [...this.#root, "queued"];
    this.running = [...this.#root, "running"];
    this.finished = [...this.#root, "finished"];
    this.staged = [...this.#root, "staged"];
  }

  record(id: string): Deno.KvKey {
    return [...this.#root, "record", id];
  }

  body(id: string, name: BodyName): Deno.KvKey {
    return [...this.#root, name, id];
  }

  /** Queued jobs by due time, running ones by id, finished ones by age; the id is the last part. */
  index(record: JobRecord): Deno.KvKey {
    if (record.state === "queued") return [...this.queued, record.dueAt, record.order, record.id];
    if (record.state === "running") return [...this.running, record.id];
    return [...this.finished, record.finishedAt ?? record.enqueuedAt, record.id];
  }
}

/** The job id at the end of an index key. */
export function idOfKey(key: Deno.KvKey): string {
  return String(key.at(-1));
}

function isBodyRef(value: unknown): value is BodyRef {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === "file") return "name" in value && typeof value.name === "string";
  return value.kind === "absent" || value.kind === "inline";
}

/** Whether a value read from the store is a record of this job that this version can work with. */
export function isJobRecord(value: unknown, id: string): value is JobRecord {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Partial<Record<keyof JobRecord, unknown>>;
  const numbers = [record.order, record.enqueuedAt, record.dueAt, record.attempts, record.maxAttempts];
  return record.version === 1 && record.id === id && typeof record.task === "string" &&
    JOB_STATES.some((state) => state === record.state) && numbers.every(Number.isFinite) &&
    (record.state !== "running" || hasLease(record.lease)) &&
    isBodyRef(record.payload) && isBodyRef(record.result);
}

function hasLease(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return "token" in value && typeof value.token === "string" && "until" in value &&
    Number.isFinite(value.until);
}
