/** Reads the events of an account, which triggers of the database write. */
import { and, asc, eq, gt, min } from "drizzle-orm";
import { bindTo, type Database } from "../database.ts";
import { accounts, events } from "../schema.ts";

/** Events that are read at once. */
export const EVENT_PAGE_SIZE = 200;

/** One event. */
export type StoredEvent = Pick<typeof events.$inferSelect, "id" | "event" | "data">;

/** What is stored of an account's events: the number of the newest, and of the oldest that is still there. */
export interface EventRange {
  readonly newest: number;
  readonly oldest: number | null;
}

export interface EventStore {
  /** Events after the given one in their order, at most {@linkcode EVENT_PAGE_SIZE}. */
  after(accountId: string, id: number): Promise<readonly StoredEvent[]>;
  range(accountId: string): Promise<EventRange>;
  /** Drafts completed since then, of one account or of all, each account's in their order. */
  completedDrafts(wanted: CompletedWanted): Promise<readonly CompletedDraft[]>;
}

export interface CompletedWanted {
  readonly accountId?: string;
  /** The number of the event before the first one wanted. */
  readonly after: number;
  readonly since: Date;
}

export type CompletedDraft = Pick<
  typeof events.$inferSelect,
  "accountId" | "id" | "event" | "data" | "createdAt"
>;

async function completedDrafts(
  { db }: Database,
  { accountId, after, since }: CompletedWanted,
): Promise<readonly CompletedDraft[]> {
  return await db.select().from(events).where(and(
    eq(events.event, "response:completed"),
    gt(events.id, after),
    gt(events.createdAt, since),
    accountId === undefined ? undefined : eq(events.accountId, accountId),
  )).orderBy(asc(events.accountId), asc(events.id));
}

async function after({ db }: Database, accountId: string, id: number): Promise<readonly StoredEvent[]> {
  return await db.select({ id: events.id, event: events.event, data: events.data }).from(events)
    .where(and(eq(events.accountId, accountId), gt(events.id, id)))
    .orderBy(asc(events.id)).limit(EVENT_PAGE_SIZE);
}

async function range({ db }: Database, accountId: string): Promise<EventRange> {
  // In one statement: the newest number and the rows are of one moment.
  const [found] = await db.select({ newest: accounts.lastEventId, oldest: min(events.id) }).from(accounts)
    .leftJoin(events, eq(events.accountId, accounts.id))
    .where(eq(accounts.id, accountId)).groupBy(accounts.id);
  return found ?? { newest: 0, oldest: null };
}

export function createEventStore(database: Database): EventStore {
  return bindTo(database, { after, range, completedDrafts });
}
