/** Owns named locks: PostgreSQL's advisory locks, held to the end of a transaction. */
import { sql } from "drizzle-orm";
import type { Queries } from "./database.ts";

/** Waits for the lock of this name, across all servers of the database, and holds it until the transaction ends. */
export async function lockUntilCommit(tx: Queries, name: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
}

/** As {@linkcode lockUntilCommit}, but beside others that do so: it waits only for those who hold the lock alone. */
export async function shareLockUntilCommit(tx: Queries, name: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(hashtextextended(${name}, 0))`);
}
