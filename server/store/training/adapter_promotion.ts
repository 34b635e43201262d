/** Changes an account's adapters, one change at a time: adds, promotes, rolls back, prunes. */
import { and, desc, eq, sql } from "drizzle-orm";
import type { TrainingOutcome } from "../../../contract/training_figures.ts";
import { type Database, lockUntilCommit, type Queries } from "../database.ts";
import { type Adapter, adapters, type TrainingJob } from "../schema.ts";

/** Adapters kept in each state but `promoted`; older ones are deleted here and in ml, so the disk does not fill. */
const MAX_OF_A_STATE = 3;

/** `not_offered`: the gate decided so, for the reason; null where it noted none. */
export type Promotion =
  | { readonly outcome: "promoted"; readonly adapter: Adapter }
  | { readonly outcome: "not_offered"; readonly reason: string | null }
  | { readonly outcome: "not_found" | "tainted" };

/** `adapter`: what is in use now; undefined is the base model. */
export type Rollback =
  | { readonly outcome: "rolled_back"; readonly adapter: Adapter | undefined }
  | { readonly outcome: "nothing" };

/** The trigger `taint_adapters` takes this lock too, so that no adapter comes into use while its samples go. */
export function adaptersLockOf(accountId: string): string {
  return `adapters:${accountId}`;
}

/** Changes of an account's adapters take turns. */
export function lockAdapters(tx: Queries, accountId: string): Promise<void> {
  return lockUntilCommit(tx, adaptersLockOf(accountId));
}

/** Deletes what is beyond the bound: never the promoted adapter, nor the one that a rollback goes to. */
async function prune(tx: Queries, accountId: string): Promise<void> {
  await tx.execute(sql`
    with ranked as (
      select id, row_number() over (
        partition by state order by case state when 'retired' then promoted_at else created_at end desc, id desc
      ) as place
      from adapters where account_id = ${accountId} and state <> 'promoted'
    ), gone as (
      delete from adapters a using ranked where ranked.id = a.id and place > ${MAX_OF_A_STATE} returning a.id
    )
    insert into ml_outbox (kind, target) select 'delete_adapter', id from gone`);
}

/** False when a sample that the job learned from is not there any more. */
async function hasAllSamples(tx: Queries, jobId: string): Promise<boolean> {
  const rows = await tx.execute(sql`
    select 1 from training_jobs j, jsonb_array_elements_text(j.sample_ids) learned
    where j.id = ${jobId} and not exists (
      select from training_samples s where s.account_id = j.account_id and s.id::text = learned.value)
    limit 1`);
  return rows.rowCount === 0;
}

/** Adds the adapter that a job made; needs {@linkcode lockAdapters}. One that learned from deleted samples is tainted. */
export async function addAdapter(
  tx: Queries,
  { job, result }: { job: TrainingJob; result: TrainingOutcome },
): Promise<void> {
  const { adapterId: id, ...facts } = result;
  const { id: jobId, accountId, baseModel } = job;
  const state = await hasAllSamples(tx, jobId) ? "staged" : "tainted";
  await tx.insert(adapters).values({ id, accountId, jobId, baseModel, state, ...facts });
  if (state === "tainted") {
    await tx.execute(sql`insert into ml_outbox (kind, target) values ('taint_adapter', ${id})`);
  }
  await prune(tx, accountId);
}

async function retirePromoted(tx: Queries, accountId: string): Promise<void> {
  await tx.update(adapters).set({ state: "retired" })
    .where(and(eq(adapters.accountId, accountId), eq(adapters.state, "promoted")));
}

/** See `promote` of the adapter store. */
export function promote({ transaction }: Database, accountId: string, adapterId: string): Promise<Promotion> {
  return transaction(async ({ db: tx }) => {
    await lockAdapters(tx, accountId);
    const mine = and(eq(adapters.accountId, accountId), eq(adapters.id, adapterId));
    const [adapter] = await tx.select().from(adapters).where(mine);
    if (adapter === undefined) return { outcome: "not_found" };
    if (adapter.state === "tainted") return { outcome: "tainted" };
    if (!adapter.offered) return { outcome: "not_offered", reason: adapter.offerReason };
    if (adapter.state === "promoted") return { outcome: "promoted", adapter };
    await retirePromoted(tx, accountId);
    // The clock, not the transaction's start: that may lie before the promotion this one waited for.
    const change = { state: "promoted" as const, promotedAt: sql`clock_timestamp()`, fault: null };
    const [promoted] = await tx.update(adapters).set(change).where(mine).returning();
    if (promoted === undefined) throw new Error("The promoted adapter was not returned");
    await prune(tx, accountId);
    return { outcome: "promoted", adapter: promoted };
  });
}

/**
 * See `rollBack` of the adapter store.
 *
 * Retired adapters are a stack by the time they came into use. What is rolled back is staged again, so that going on
 * leads to the base model and not to and fro.
 */
export function rollBack({ transaction }: Database, accountId: string): Promise<Rollback> {
  return transaction(async ({ db: tx }) => {
    await lockAdapters(tx, accountId);
    const inState = (state: Adapter["state"]) =>
      and(eq(adapters.accountId, accountId), eq(adapters.state, state));
    const [before] = await tx.select().from(adapters).where(inState("retired"))
      .orderBy(desc(adapters.promotedAt)).limit(1);
    const undone = await tx.update(adapters).set({ state: "staged", promotedAt: null })
      .where(inState("promoted")).returning({ id: adapters.id });
    if (before === undefined && undone.length === 0) return { outcome: "nothing" };
    const [adapter] = before === undefined
      ? []
      : await tx.update(adapters).set({ state: "promoted" }).where(eq(adapters.id, before.id)).returning();
    await prune(tx, accountId);
    return { outcome: "rolled_back", adapter };
  });
}
