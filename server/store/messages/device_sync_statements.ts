/** Owns the SQL of what is noted of each device: what it has sent, when it was heard of, how much waits there. */
import type { Sql, TransactionSql } from "postgres";
import type { BatchOrigin } from "./ingest_statements.ts";

/** What a batch changed. */
export interface BatchCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly deleted: number;
}

/** Notes in the device's ledger what its batch did; an absent `lagRows` leaves the one that was told before. */
export function countBatch(
  tx: TransactionSql,
  { origin, counts, lagRows }: { origin: BatchOrigin; counts: BatchCounts; lagRows?: number },
): Promise<unknown> {
  const { inserted, updated, unchanged, deleted } = counts;
  return tx`
    insert into device_syncs as d (
      device_id, account_id, last_batch_at, batches, inserted, updated, unchanged, deleted, lag_rows)
    values (${origin.deviceId}, ${origin.accountId}, now(), 1, ${inserted}, ${updated}, ${unchanged}, ${deleted},
      ${lagRows ?? null})
    on conflict (device_id) do update set
      last_batch_at = excluded.last_batch_at,
      batches = d.batches + 1,
      inserted = d.inserted + excluded.inserted,
      updated = d.updated + excluded.updated,
      unchanged = d.unchanged + excluded.unchanged,
      deleted = d.deleted + excluded.deleted,
      lag_rows = coalesce(excluded.lag_rows, d.lag_rows)`.execute();
}

/** Notes that a device is there, and how many rows wait on it. */
export async function noteHeartbeat(
  sql: Sql,
  { origin, lagRows }: { origin: BatchOrigin; lagRows: number },
): Promise<void> {
  await sql`
    insert into device_syncs (device_id, account_id, batches, inserted, updated, unchanged, heartbeat_at, lag_rows)
    values (${origin.deviceId}, ${origin.accountId}, 0, 0, 0, 0, now(), ${lagRows})
    on conflict (device_id) do update set heartbeat_at = excluded.heartbeat_at, lag_rows = excluded.lag_rows`;
}
