/** Drafts in the background: what a job of the queue carries, how it runs, and what happens to drafts after a crash. */
import type { ErrorCode } from "../../../contract/errors.ts";
import { ApiError } from "../../../lib/errors.ts";
import { type JobHandler, PermanentJobError, RetryLaterError } from "../../../lib/jobs/job.ts";
import type { JobQueue } from "../../../lib/jobs/job_queue.ts";
import { isDatabaseUnavailable } from "../../store/database_errors.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import type { DraftResponse } from "../../store/schema.ts";
import {
  type DraftSettings,
  failureTextOf,
  generateDraft,
  type GenerationDependencies,
} from "./draft_generation.ts";

/** A background draft; its job has the id of its row, which holds the prompt. */
export interface DraftPayload extends DraftSettings {
  accountId: string;
  responseId: string;
  /** The sender names of a group's prompt; absent in a job that an earlier version queued. */
  labels?: readonly string[];
}

/** The server's background work. */
export interface ServerTasks {
  draft: { payload: DraftPayload; result: null };
}

export type ServerJobs = JobQueue<ServerTasks>;

/** Temporary failures of ml: the job is tried again until they end, however long that takes. */
const TEMPORARY_CODES: ReadonlySet<ErrorCode> = new Set(["ml_unavailable", "model_not_loaded", "queue_full"]);

function waitFor(error: unknown): RetryLaterError | null {
  if (isDatabaseUnavailable(error)) return new RetryLaterError("database_unavailable", { cause: error });
  if (!(error instanceof ApiError) || !TEMPORARY_CODES.has(error.code)) return null;
  // A full queue knows when it will have room; nobody knows when a machine will be back, so the backoff decides.
  const afterSeconds = error.code === "ml_unavailable" ? 0 : error.retryAfterSeconds ?? 0;
  return new RetryLaterError(error.code, { afterMs: afterSeconds * 1_000, cause: error });
}

/** The draft to work on; undefined when it has ended. After a crashed attempt it is `generating` already. */
async function beginDraft(
  { responses }: GenerationDependencies,
  { accountId, responseId }: DraftPayload,
): Promise<DraftResponse | undefined> {
  const begun = await responses.begin(accountId, responseId);
  if (begun !== undefined) return begun;
  const draft = await responses.find(accountId, responseId);
  return draft?.status === "generating" ? draft : undefined;
}

/** Creates the handler of background drafts. */
export function createDraftHandler(dependencies: GenerationDependencies): JobHandler<ServerTasks["draft"]> {
  const { responses } = dependencies;
  return async (payload, { signal }) => {
    const { accountId, responseId, labels = [] } = payload;
    try {
      const draft = await beginDraft(dependencies, payload);
      if (draft !== undefined) {
        await generateDraft(dependencies, { draft, labels, settings: payload, background: true, signal });
      }
      return null;
    } catch (error) {
      const wait = waitFor(error);
      if (signal.aborted || wait !== null) {
        // This only affects the state that is shown, so a database that is gone does not matter here.
        await responses.requeue(accountId, responseId).catch(() => {});
        throw wait ?? error;
      }
      await responses.fail(accountId, { responseId, error: failureTextOf(error) });
      throw new PermanentJobError(failureTextOf(error), { cause: error });
    }
  };
}

export interface RecoveryOptions {
  responses: ResponseStore;
  jobs: Pick<ServerJobs, "get">;
  /** Whether a server of this id works on the same database; none does by default. */
  isAlive?: (serverId: string) => Promise<boolean>;
}

/** Fails the drafts that a server which ended left unfinished and that no job continues. */
export async function recoverDrafts({ responses, jobs, isAlive }: RecoveryOptions): Promise<void> {
  for (const { accountId, id, serverId } of await responses.listUnfinished()) {
    const job = await jobs.get(id);
    if (job?.state === "queued" || job?.state === "running") continue;
    // A draft without a job is made while its request waits, or is about to be queued.
    if (job === null && serverId !== null && await isAlive?.(serverId)) continue;
    await responses.fail(accountId, {
      responseId: id,
      error: "The server ended before the draft was finished",
    });
  }
}
