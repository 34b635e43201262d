/** Limits pairing attempts: refused ones are counted in the database, for each device and each address. */
import { and, count, eq, gt, lte, min } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { lockUntilCommit, newId, type Queries } from "../database.ts";
import { verifyAttempts } from "../schema.ts";

/** Refused attempts that a device, and an address, may make within the window. */
export const MAX_REFUSED_ATTEMPTS = 5;
export const ATTEMPT_WINDOW_MS = 15 * 60_000;

/** Who tries, from where, and when. */
export interface Attempt {
  readonly deviceId: string;
  readonly address: string;
  readonly now: Date;
}

async function limitOf(
  tx: Queries,
  { column, value, now }: { column: PgColumn; value: string; now: Date },
): Promise<Date | undefined> {
  const since = new Date(now.getTime() - ATTEMPT_WINDOW_MS);
  const [row] = await tx.select({ refused: count(), oldest: min(verifyAttempts.attemptedAt) })
    .from(verifyAttempts).where(and(eq(column, value), gt(verifyAttempts.attemptedAt, since)));
  if (!row?.oldest || row.refused < MAX_REFUSED_ATTEMPTS) return undefined;
  return new Date(row.oldest.getTime() + ATTEMPT_WINDOW_MS);
}

/**
 * When the next attempt is allowed, or undefined for now. Until the transaction ends, other attempts of the same
 * device or address wait, so that parallel ones cannot share one free place.
 */
export async function attemptAllowedAt(tx: Queries, attempt: Attempt): Promise<Date | undefined> {
  // Addresses are locked before devices everywhere, so two attempts cannot wait for each other.
  await lockUntilCommit(tx, `verify-address:${attempt.address}`);
  await lockUntilCommit(tx, `verify-device:${attempt.deviceId}`);
  const { now } = attempt;
  const limits = [
    await limitOf(tx, { column: verifyAttempts.address, value: attempt.address, now }),
    await limitOf(tx, { column: verifyAttempts.deviceId, value: attempt.deviceId, now }),
  ].filter((limit) => limit !== undefined);
  return limits.sort((a, b) => b.getTime() - a.getTime())[0];
}

/** Counts a refused attempt. */
export async function countRefusedAttempt(tx: Queries, { deviceId, address, now }: Attempt): Promise<void> {
  await tx.insert(verifyAttempts).values({ id: newId(), deviceId, address, attemptedAt: now });
}

/** Drops attempts that no window can see any more. */
export async function deleteOldAttempts(tx: Queries, now: Date): Promise<void> {
  const windowStart = new Date(now.getTime() - ATTEMPT_WINDOW_MS);
  await tx.delete(verifyAttempts).where(lte(verifyAttempts.attemptedAt, windowStart));
}
