/** Stores which draft answers a request that carried an idempotency key, for a day. */
import { and, eq, lt, sql } from "drizzle-orm";
import { bindTo, type Database } from "../database.ts";
import { idempotencyKeys } from "../schema.ts";

const RETENTION = sql`now() - interval '24 hours'`;

/** A request and the id that its draft is to get. */
export interface KeyClaim {
  readonly key: string;
  readonly requestHash: string;
  readonly responseId: string;
}

export interface StoredKey extends KeyClaim {
  /** Whether this very claim took the key; else an earlier one has it. */
  readonly isNew: boolean;
  readonly ageMs: number;
}

export interface IdempotencyStore {
  /** Takes a key for a request, unless an earlier request has it: then that one is answered. */
  claim(accountId: string, claim: KeyClaim): Promise<StoredKey>;
  /** Frees a key, if it still stands for this draft. */
  release(accountId: string, claim: Pick<KeyClaim, "key" | "responseId">): Promise<void>;
}

async function claim(database: Database, accountId: string, request: KeyClaim): Promise<StoredKey> {
  const { db } = database;
  await db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, RETENTION));
  const inserted = await db.insert(idempotencyKeys).values({ accountId, ...request }).onConflictDoNothing()
    .returning({ key: idempotencyKeys.key });
  if (inserted.length > 0) return { ...request, isNew: true, ageMs: 0 };
  const [stored] = await db.select({
    key: idempotencyKeys.key,
    requestHash: idempotencyKeys.requestHash,
    responseId: idempotencyKeys.responseId,
    ageMs: sql<number>`(extract(epoch from now() - ${idempotencyKeys.createdAt}) * 1000)::float8`,
  }).from(idempotencyKeys).where(
    and(eq(idempotencyKeys.accountId, accountId), eq(idempotencyKeys.key, request.key)),
  );
  // It was freed in between.
  return stored === undefined ? await claim(database, accountId, request) : { ...stored, isNew: false };
}

async function release(
  { db }: Database,
  accountId: string,
  { key, responseId }: Pick<KeyClaim, "key" | "responseId">,
): Promise<void> {
  await db.delete(idempotencyKeys).where(
    and(
      eq(idempotencyKeys.accountId, accountId),
      eq(idempotencyKeys.key, key),
      eq(idempotencyKeys.responseId, responseId),
    ),
  );
}

/** Makes the store. */
export function createIdempotencyStore(database: Database): IdempotencyStore {
  return bindTo(database, { claim, release });
}
