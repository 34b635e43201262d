/** Stores training jobs: at most one live job a device; one that completes with a result adds its adapter. */
import {
  and,
  asc,
  count,
  desc,
  eq,
  getTableColumns,
  gt,
  inArray,
  notExists,
  type SQL,
  sql,
} from "drizzle-orm";
import type { TrainingMethod, TrainingSettings, TrainingStatus } from "../../../contract/training.ts";
import { addAdapter, lockAdapters } from "./adapter_promotion.ts";
import { bindTo, type Database, newId, type Queries } from "../database.ts";
import { type Page, type PageRequest, readNewest } from "../paging.ts";
import { type TrainingJob, trainingJobs, trainingSamples } from "../schema.ts";

export interface NewTrainingJob {
  readonly accountId: string;
  readonly deviceId: string;
  readonly baseModel: string;
  readonly epochs: number;
  readonly learningRate: number;
  readonly method?: TrainingMethod;
  readonly settings?: TrainingSettings;
  readonly sampleIds: readonly string[];
}

/** `busy`: the device has a live job already, given in `job`. */
export type TrainingJobCreation = { readonly outcome: "created" | "busy"; readonly job: TrainingJob };

/** What changes in a job's row; what is absent stays, and so do an error and its fix where the change has none. */
export type TrainingJobChange = Partial<
  Pick<TrainingJob, "status" | "progress" | "error" | "fix" | "metrics">
>;

export interface TrainingJobStore {
  create(job: NewTrainingJob): Promise<TrainingJobCreation>;
  find(accountId: string, jobId: string): Promise<TrainingJob | undefined>;
  /** Jobs of the account, newest first. */
  list(accountId: string, page: PageRequest): Promise<Page<TrainingJob>>;
  /**
   * Changes a live job and notes when it started or finished; undefined when it has ended already. A job that completes
   * with a result makes its adapter in the same transaction, so exactly once.
   */
  update(accountId: string, change: TrainingJobChange & { jobId: string }): Promise<TrainingJob | undefined>;
  /** The samples a job was started with; empty when the account has no such job. */
  sampleIds(accountId: string, jobId: string): Promise<readonly string[]>;
  /** The queued or training job of a device, if any. */
  liveJob(accountId: string, deviceId: string): Promise<TrainingJob | undefined>;
  /** The queued and training jobs of all accounts, oldest first. */
  listLive(): Promise<readonly TrainingJob[]>;
  /**
   * The last completed job of each account that has since got at least `newSamples` samples to learn from, and that
   * has started no job after `idleSince`.
   */
  listOutdated(request: { newSamples: number; idleSince: Date }): Promise<readonly TrainingJob[]>;
}

/** The states in which a job is live; the index `training_jobs_live` has the same. */
const LIVE = ["queued", "training"] as const satisfies TrainingStatus[];
const { sampleIds: _heavy, ...JOB_COLUMNS } = getTableColumns(trainingJobs);

function isJob(accountId: string, jobId: string): SQL | undefined {
  return and(eq(trainingJobs.accountId, accountId), eq(trainingJobs.id, jobId));
}

async function create(database: Database, job: NewTrainingJob): Promise<TrainingJobCreation> {
  const [created] = await database.db.insert(trainingJobs)
    .values({ id: newId(), status: "queued", sampleCount: job.sampleIds.length, ...job })
    .onConflictDoNothing({ target: trainingJobs.deviceId, where: sql`status in ('queued', 'training')` })
    .returning(JOB_COLUMNS);
  if (created) return { outcome: "created", job: created };
  const live = await liveJob(database, job.accountId, job.deviceId);
  // None: the job that was in the way has ended since, so there is room now.
  return live ? { outcome: "busy", job: live } : await create(database, job);
}

async function find({ db }: Database, accountId: string, jobId: string): Promise<TrainingJob | undefined> {
  const [job] = await db.select(JOB_COLUMNS).from(trainingJobs).where(isJob(accountId, jobId));
  return job;
}

function list(database: Database, accountId: string, page: PageRequest): Promise<Page<TrainingJob>> {
  const where = eq(trainingJobs.accountId, accountId);
  return readNewest(database, page, { table: trainingJobs, columns: JOB_COLUMNS, where });
}

async function changeLive(
  db: Queries,
  job: SQL | undefined,
  { status, progress, error, fix, metrics }: TrainingJobChange,
): Promise<TrainingJob | undefined> {
  const ended = status !== undefined && !LIVE.some((live) => live === status);
  const [changed] = await db.update(trainingJobs).set({
    status,
    progress,
    // A job that was cancelled here has the reason; ml, which was only asked to cancel it, does not know it.
    error: error ?? undefined,
    fix: fix ?? undefined,
    metrics,
    startedAt: status === "training" ? sql`coalesce(${trainingJobs.startedAt}, now())` : undefined,
    finishedAt: ended ? sql`now()` : undefined,
  }).where(and(job, inArray(trainingJobs.status, LIVE))).returning(JOB_COLUMNS);
  return changed;
}

async function update(
  { db, transaction }: Database,
  accountId: string,
  { jobId, ...change }: TrainingJobChange & { jobId: string },
): Promise<TrainingJob | undefined> {
  const { status, metrics } = change;
  const result = status === "completed" ? metrics?.result : undefined;
  if (!result) return await changeLive(db, isJob(accountId, jobId), change);
  return await transaction(async ({ db: tx }) => {
    await lockAdapters(tx, accountId);
    const job = await changeLive(tx, isJob(accountId, jobId), change);
    if (job !== undefined) await addAdapter(tx, { job, result });
    return job;
  });
}

async function sampleIds({ db }: Database, accountId: string, jobId: string): Promise<readonly string[]> {
  const [job] = await db.select({ sampleIds: trainingJobs.sampleIds }).from(trainingJobs).where(
    isJob(accountId, jobId),
  );
  return job?.sampleIds ?? [];
}

async function liveJob(
  { db }: Database,
  accountId: string,
  deviceId: string,
): Promise<TrainingJob | undefined> {
  const [job] = await db.select(JOB_COLUMNS).from(trainingJobs).where(and(
    eq(trainingJobs.accountId, accountId),
    eq(trainingJobs.deviceId, deviceId),
    inArray(trainingJobs.status, LIVE),
  ));
  return job;
}

async function listLive({ db }: Database): Promise<readonly TrainingJob[]> {
  return await db.select(JOB_COLUMNS).from(trainingJobs).where(inArray(trainingJobs.status, LIVE))
    .orderBy(asc(trainingJobs.id));
}

async function listOutdated(
  { db }: Database,
  { newSamples, idleSince }: { newSamples: number; idleSince: Date },
): Promise<readonly TrainingJob[]> {
  const last = db.selectDistinctOn([trainingJobs.accountId], JOB_COLUMNS).from(trainingJobs)
    .where(eq(trainingJobs.status, "completed"))
    .orderBy(trainingJobs.accountId, desc(trainingJobs.createdAt)).as("last");
  const samplesSince = db.select({ count: count() }).from(trainingSamples).where(and(
    eq(trainingSamples.accountId, last.accountId),
    gt(trainingSamples.quality, 0),
    gt(trainingSamples.createdAt, last.createdAt),
  ));
  const recent = db.select({ id: trainingJobs.id }).from(trainingJobs).where(and(
    eq(trainingJobs.accountId, last.accountId),
    gt(trainingJobs.createdAt, idleSince),
  ));
  return await db.select().from(last)
    .where(and(sql`(${samplesSince}) >= ${newSamples}`, notExists(recent)))
    .orderBy(asc(last.id));
}

export function createTrainingJobStore(database: Database): TrainingJobStore {
  return bindTo(database, { create, find, list, update, sampleIds, liveJob, listLive, listOutdated });
}
