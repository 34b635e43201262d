/** The record of one job: its shape, and how each step of its life changes it. */
import { z } from "zod";

/** Where a payload or result is: nowhere (`undefined`), under its own key, or in a file of the job's folder. */
const bodyRefSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("absent") }),
  z.object({ kind: z.literal("inline") }),
  z.object({ kind: z.literal("file"), name: z.string() }),
]);

/** All that is known of a job but its payload and result. Times are epoch milliseconds. */
const recordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  task: z.string(),
  /** Whose job it is, null for nobody's: groups take turns. Earlier versions stored none. */
  group: z.string().nullable().default(null),
  state: z.enum(["queued", "running", "completed", "failed", "cancelled"]),
  /** Orders jobs that are due in the same millisecond. */
  order: z.number(),
  enqueuedAt: z.number(),
  /** When it may start at the earliest: as its caller asked, or the end of a backoff. */
  dueAt: z.number(),
  /** Start of the latest attempt. */
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Attempts spent, the running one included. */
  attempts: z.number(),
  maxAttempts: z.number(),
  /** The token of the run that works on the job: its process, and a new id with each start. */
  run: z.string().nullable().default(null),
  /**
   * Present while the job waits for a dependency, which spends no attempt, and during the try that follows: when it first
   * found that down, the reason the handler gave, such as `ml_unavailable`, and how often it tried since.
   */
  waiting: z.object({ since: z.number(), reason: z.string(), tries: z.number() }).nullable(),
  /** The last error: its `code` where it has one, else its class name; and what to do about it, where that was said. */
  error: z.object({ code: z.string(), message: z.string(), fix: z.string().optional(), at: z.number() })
    .nullable(),
  progress: z.unknown(),
  payload: bodyRefSchema,
  result: bodyRefSchema,
});

/** What callers of the queue do not see of a record. */
export const INTERNAL_FIELDS = ["version", "order", "run", "payload", "result"] as const;

export type BodyRef = z.infer<typeof bodyRefSchema>;
export type JobRecord = z.infer<typeof recordSchema>;
export type InternalField = typeof INTERNAL_FIELDS[number];
type JobFailure = NonNullable<JobRecord["error"]>;

/** What the two bodies of a job are called in keys and file names. */
export type BodyName = "payload" | "result";

const ABSENT: BodyRef = { kind: "absent" };
const NAME_PATTERN = /^[A-Za-z0-9_-]{1,100}$/;
/** Longest error message stored with a job, in characters. */
const MESSAGE_LIMIT = 500;

/** A stored value as the record of this job; null when this version cannot work with it. */
export function parseRecord(value: unknown, id: string): JobRecord | null {
  const parsed = recordSchema.safeParse(value);
  return parsed.success && parsed.data.id === id ? parsed.data : null;
}

/** Whether a job in this state never changes again. */
export function isFinal(state: JobRecord["state"]): boolean {
  return state !== "queued" && state !== "running";
}

/** Returns a queue's name or a job's id, both of which end up in keys and paths. @throws {TypeError} it is malformed */
export function checkedName(name: string): string {
  if (NAME_PATTERN.test(name)) return name;
  throw new TypeError("Job ids and queue names take 1 to 100 of A-Z a-z 0-9 _ -: this one does not fit");
}

/** In which of two queued jobs starts first, as a sort function has it. */
export function byStart(a: JobRecord, b: JobRecord): number {
  return a.dueAt - b.dueAt || a.order - b.order || (a.id < b.id ? -1 : 1);
}

export function newRecord(
  job: Pick<JobRecord, "id" | "task" | "group" | "order" | "enqueuedAt" | "dueAt" | "maxAttempts">,
): JobRecord {
  return {
    version: 1,
    ...job,
    state: "queued",
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    run: null,
    waiting: null,
    error: null,
    progress: null,
    payload: ABSENT,
    result: ABSENT,
  };
}

/** Starts the next attempt; null when the job is not queued. */
export function started(record: JobRecord, start: { run: string; now: number }): JobRecord | null {
  if (record.state !== "queued") return null;
  return { ...record, state: "running", attempts: record.attempts + 1, startedAt: start.now, run: start.run };
}

/** Ends the job for good; its payload is not needed any more. */
function ended(record: JobRecord, now: number): JobRecord {
  return { ...record, finishedAt: now, run: null, waiting: null, payload: ABSENT };
}

export function completed(record: JobRecord, now: number): JobRecord {
  return { ...ended(record, now), state: "completed", error: null };
}

export function failed(record: JobRecord, error: JobFailure): JobRecord {
  return { ...ended(record, error.at), state: "failed", error };
}

/** A final record stays what it is. */
export function cancelled(record: JobRecord, now: number): JobRecord {
  return isFinal(record.state) ? record : { ...ended(record, now), state: "cancelled" };
}

/** Queues another attempt, or fails the job when it has none left. */
export function retried(record: JobRecord, retry: { dueAt: number; error: JobFailure }): JobRecord {
  if (record.attempts >= record.maxAttempts) return failed(record, retry.error);
  return { ...record, state: "queued", run: null, waiting: null, ...retry };
}

/** Puts the job back into its old place; the attempt does not count. */
export function requeued(record: JobRecord): JobRecord {
  return { ...record, state: "queued", run: null, attempts: record.attempts - 1 };
}

/** Lets the job wait for its dependency; the attempt does not count. */
export function postponed(
  record: JobRecord,
  wait: { now: number; dueAt: number; reason: string },
): JobRecord {
  const { since, tries } = record.waiting ?? { since: wait.now, tries: 0 };
  const waiting = { since, tries: tries + 1, reason: wait.reason.slice(0, MESSAGE_LIMIT) };
  return { ...requeued(record), dueAt: wait.dueAt, waiting };
}

/** Queues a job at once whose process ended; the attempt counts, in case the job is what ends its processes. */
export function interrupted(record: JobRecord, now: number): JobRecord {
  // The code dates from when a lease showed that a process had ended; stored jobs and their readers have it.
  const error = { code: "lease_expired", message: "The process that ran this job ended", at: now };
  return retried(record, { dueAt: record.dueAt, error });
}

/** What is stored of an error. */
export function failureOf(error: unknown, now: number): JobFailure {
  if (!(error instanceof Error)) {
    return { code: "unknown", message: "The handler threw a value that is no error", at: now };
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  const fix = "fix" in error && typeof error.fix === "string"
    ? { fix: error.fix.slice(0, MESSAGE_LIMIT) }
    : {};
  return { code, message: error.message.slice(0, MESSAGE_LIMIT), ...fix, at: now };
}
