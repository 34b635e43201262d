/** Owns the outbox to ml: what it has yet to hear, written with the change that calls for it, until it has heard. */
import { asc, eq, gt } from "drizzle-orm";
import type { Database } from "./database.ts";
import { type MlMessage, mlOutbox } from "./schema.ts";

export interface MlOutboxStore {
  /** What ml has yet to hear, oldest first: messages whose ids lie behind `after`, at most `limit`. */
  list(range: { readonly after: number; readonly limit: number }): Promise<readonly MlMessage[]>;
  add(message: Pick<MlMessage, "kind" | "target">): Promise<void>;
  /** ml has heard it. */
  remove(messageId: number): Promise<void>;
}

/** Makes the store of the outbox. */
export function createMlOutboxStore({ db }: Database): MlOutboxStore {
  return {
    list: async ({ after, limit }) =>
      await db.select().from(mlOutbox).where(gt(mlOutbox.id, after)).orderBy(asc(mlOutbox.id)).limit(limit),
    add: async (message) => {
      await db.insert(mlOutbox).values(message);
    },
    remove: async (messageId) => {
      await db.delete(mlOutbox).where(eq(mlOutbox.id, messageId));
    },
  };
}
