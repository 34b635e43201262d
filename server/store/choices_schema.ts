/** The tables of what the person chose: what stays deleted, and how each conversation is drafted for and learned from. */
import { sql } from "drizzle-orm";
import { boolean, pgTable, text, uuid } from "drizzle-orm/pg-core";
import type { DraftingMode } from "../../contract/conversations.ts";
import { time } from "./times.ts";

/** Messages that the person deleted; a device that sends them again brings nothing back. */
export const deletedMessages = pgTable("deleted_messages", {
  accountId: uuid("account_id").notNull(),
  imessageGuid: text("imessage_guid").notNull(),
  deletedAt: time("deleted_at").notNull().default(sql`now()`),
});

/** Conversations that the person deleted: messages sent until then are not stored again. */
export const deletedConversations = pgTable("deleted_conversations", {
  accountId: uuid("account_id").notNull(),
  imessageId: text("imessage_id").notNull(),
  sentUntil: time("sent_until").notNull(),
});

/** People that the person deleted, by address in lower case: what they wrote until then is not stored again. */
export const deletedPeople = pgTable("deleted_people", {
  accountId: uuid("account_id").notNull(),
  address: text("address").notNull(),
  sentUntil: time("sent_until").notNull(),
});

/** What the person chose for a conversation; without a row it has the column's defaults. */
export const conversationPolicies = pgTable("conversation_policies", {
  accountId: uuid("account_id").notNull(),
  imessageId: text("imessage_id").notNull(),
  drafting: text("drafting").$type<DraftingMode>().notNull().default("on_demand"),
  neverTrain: boolean("never_train").notNull().default(false),
});
