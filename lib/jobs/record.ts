/** The record of one job: its shape, and how each step of its life changes it. */
import { z } from "zod";

/** What the two bodies of a job are called in keys and columns. */
export type BodyName = "payload" | "result";

/** Whether a job has a payload or result, beside its record; earlier versions stored large ones in a file of this name. */
const bodyRefSchema = z.object({ kind: z.enum(["absent", "inline", "file"]), name: z.string().optional() })
  .default({ kind: "absent" });

/** All that callers see of a job but its result. Times are epoch milliseconds; a new job has the defaults. */
const jobSchema = z.object({
  id: z.string(),
  task: z.string(),
  /** Whose job it is, null for nobody's: groups take turns. */
  group: z.string().nullable().default(null),
  /** `queued` also covers a job that waits for its next attempt; the last three are final. */
  state: z.enum(["queued", "running", "completed", "failed", "cancelled"]).default("queued"),
  enqueuedAt: z.number(),
  /** When it may start at the earliest: as its caller asked, or the end of a backoff. */
  dueAt: z.number(),
  /** Start of the latest attempt. */
  startedAt: z.number().nullable().default(null),
  finishedAt: z.number().nullable().default(null),
  /** Attempts spent, the running one included. */
  attempts: z.number().default(0),
  maxAttempts: z.number(),
  /**
   * Present while the job waits for a dependency, which spends no attempt, and during the try that follows: when it first
   * found that down, the reason the handler gave, such as `ml_unavailable`, and how often it tried since.
   */
  waiting: z.object({ since: z.number(), reason: z.string(), tries: z.number() }).nullable().default(null),
  /** The last error: its `code` where it has one, else its class name; and what to do about it, where that was said. */
  error: z.object({ code: z.string(), message: z.string(), fix: z.string().optional(), at: z.number() })
    .nullable().default(null),
  /** The latest value the handler reported. */
  progress: z.unknown().default(null),
});

const recordSchema = jobSchema.extend({
  version: z.literal(1),
  /** Orders jobs that are due in the same millisecond. */
  order: z.number(),
  /** The token of the run that works on the job: its process, and a new id with each start. */
  run: z.string().nullable().default(null),
  payload: bodyRefSchema,
  result: bodyRefSchema,
});

export type JobFields = z.infer<typeof jobSchema>;
export type JobRecord = z.infer<typeof recordSchema>;
type JobFailure = NonNullable<JobRecord["error"]>;

const NAME_PATTERN = /^[A-Za-z0-9_-]{1,100}$/;
/** Longest error message stored with a job, in characters. */
const MESSAGE_LIMIT = 500;

/** Returns a queue's name or a job's id, both of which end up in keys and paths. @throws {TypeError} it is malformed */
export function checkedName(name: string): string {
  if (NAME_PATTERN.test(name)) return name;
  throw new TypeError("Job ids and queue names take 1 to 100 of A-Z a-z 0-9 _ -: this one does not fit");
}

/** The record of a job that is added. */
export function newRecord(job: Omit<z.input<typeof recordSchema>, "version">): JobRecord {
  return recordSchema.parse({ version: 1, ...job });
}

/** A stored value as the record of this job; null when this version cannot work with it. */
export function parseRecord(value: unknown, id: string): JobRecord | null {
  const parsed = recordSchema.safeParse(value);
  return parsed.success && parsed.data.id === id ? parsed.data : null;
}

/** What a record says of a body that is stored beside it; null for none. */
export function refOf(body: string | null): JobRecord["payload"] {
  return { kind: body === null ? "absent" : "inline" };
}

/** What callers see of a record. */
export function jobFieldsOf(record: JobRecord): JobFields {
  return jobSchema.parse(record);
}

/** Whether a job in this state never changes again. */
export function isFinal(state: JobRecord["state"]): boolean {
  return state !== "queued" && state !== "running";
}

/** In which of two queued jobs starts first, as a sort function has it. */
export function byStart(a: JobRecord, b: JobRecord): number {
  return a.dueAt - b.dueAt || a.order - b.order || (a.id < b.id ? -1 : 1);
}

/** Starts the next attempt; null when the job is not queued or not due. */
export function started(record: JobRecord, { run, now }: { run: string; now: number }): JobRecord | null {
  if (record.state !== "queued" || record.dueAt > now) return null;
  return { ...record, state: "running", attempts: record.attempts + 1, startedAt: now, run };
}

/** Ends the job for good; its payload is not needed any more. */
export function ended(
  record: JobRecord,
  end: Pick<JobRecord, "state" | "finishedAt"> & Partial<JobRecord>,
): JobRecord {
  return { ...record, run: null, waiting: null, payload: { kind: "absent" }, ...end };
}

export function failed(record: JobRecord, error: JobFailure): JobRecord {
  return ended(record, { state: "failed", finishedAt: error.at, error });
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
  const { name, message, code, fix }: Error & { code?: unknown; fix?: unknown } = error;
  return {
    code: typeof code === "string" ? code : name,
    message: message.slice(0, MESSAGE_LIMIT),
    ...(typeof fix === "string" ? { fix: fix.slice(0, MESSAGE_LIMIT) } : {}),
    at: now,
  };
}
