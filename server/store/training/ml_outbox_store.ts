/** Stores the outbox: messages for ml, written in the transaction that causes them and kept until ml has taken them. */
import { and, asc, eq, gt, isNull, lte, or, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { type MlMessage, mlOutbox } from "../schema.ts";

/** Which messages to list. */
export interface MlMessageRange {
  /** Those whose ids lie behind. */
  readonly after: number;
  readonly limit: number;
  /** Those that may be sent by then; absent: those that have to wait as well. */
  readonly dueBy?: Date;
}

export interface MlOutboxStore {
  /** Messages not yet sent, oldest first, without those that were given up. */
  list(range: MlMessageRange): Promise<readonly MlMessage[]>;
  add(message: Pick<MlMessage, "kind" | "target">): Promise<void>;
  /** ml has taken it. */
  remove(messageId: number): Promise<void>;
  /** ml failed: another try is counted, and the message has to wait. */
  postpone(messageId: number, dueAt: Date): Promise<void>;
  /** ml refused it: it stays with the reason and is not sent again. */
  refuse(messageId: number, why: string): Promise<void>;
  counts(): Promise<{ waiting: number; refused: number }>;
}

/** Makes the store of the outbox. */
export function createMlOutboxStore({ db }: Database): MlOutboxStore {
  const is = (messageId: number) => eq(mlOutbox.id, messageId);
  const tries = sql`${mlOutbox.tries} + 1`;
  return {
    async list({ after, limit, dueBy }) {
      const due = dueBy && or(isNull(mlOutbox.dueAt), lte(mlOutbox.dueAt, dueBy));
      return await db.select().from(mlOutbox).where(
        and(gt(mlOutbox.id, after), isNull(mlOutbox.refused), due),
      )
        .orderBy(asc(mlOutbox.id)).limit(limit);
    },
    async add(message) {
      await db.insert(mlOutbox).values(message);
    },
    async remove(messageId) {
      await db.delete(mlOutbox).where(is(messageId));
    },
    async postpone(messageId, dueAt) {
      await db.update(mlOutbox).set({ tries, dueAt }).where(is(messageId));
    },
    async refuse(messageId, why) {
      await db.update(mlOutbox).set({ tries, refused: why }).where(is(messageId));
    },
    async counts() {
      const waiting = await db.$count(mlOutbox, isNull(mlOutbox.refused));
      return { waiting, refused: await db.$count(mlOutbox) - waiting };
    },
  };
}
