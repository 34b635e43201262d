/** Says of drafts that wait where they are in the queue, and since when ml is away. */
import type { GeneratedResponse } from "../../../contract/responses.ts";
import type { DraftResponse } from "../../store/schema.ts";
import type { ServerJobs } from "./draft_jobs.ts";

/** As many as a list of jobs may have; a draft behind them has no position. */
const LOOKED_AT = 1_000;

interface Queue {
  /** In the order in which they start. */
  readonly ids: readonly string[];
  /** Since when jobs have found ml away; null when none has. */
  readonly mlAwaySince: Date | null;
}

/** The queue of drafts as it is now. */
export async function readQueue(jobs: Pick<ServerJobs, "list">): Promise<Queue> {
  // In one list, so that none is missed between two states: the running ones first, those that have ended last.
  const found = await jobs.list({ limit: LOOKED_AT });
  const live = found.filter(({ state }) => state === "queued" || state === "running");
  // ml is the same for all: one job that found it away, even if it is being tried again, speaks for the others.
  const times = live
    .flatMap(({ waiting }) => waiting?.reason === "ml_unavailable" ? [waiting.since] : []);
  return {
    ids: live.filter(({ state }) => state === "queued").map(({ id }) => id),
    mlAwaySince: times.length === 0 ? null : new Date(Math.min(...times)),
  };
}

/** The queued ones among drafts, by id. */
export async function findWaiting(
  jobs: Pick<ServerJobs, "list">,
  drafts: readonly DraftResponse[],
): Promise<ReadonlyMap<string, Pick<GeneratedResponse, "position" | "mlOfflineSince">>> {
  const waiting = drafts.filter(({ status }) => status === "queued");
  if (waiting.length === 0) return new Map();
  const { ids, mlAwaySince } = await readQueue(jobs);
  const mlOfflineSince = mlAwaySince?.toISOString() ?? null;
  const places = new Map(ids.map((id, index) => [id, index + 1]));
  return new Map(waiting.map(({ id }) => [id, { position: places.get(id) ?? null, mlOfflineSince }]));
}
