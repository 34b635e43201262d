/** Reads of an account's drafts what says whether the next one will be sent. */
import { and, desc, eq, sql as template } from "drizzle-orm";
import { bindTo, type Database } from "../database.ts";
import { type DraftResponse, responses } from "../schema.ts";

/** A completed draft, as far as it says something of others. */
export interface JudgedDraft extends
  Pick<
    DraftResponse,
    | "messageId"
    | "conversationId"
    | "status"
    | "action"
    | "editedResponse"
    | "unsupported"
    | "adapter"
    | "completedAt"
    | "id"
  > {
  readonly response: string;
  /** What ml said of it. */
  readonly rawConfidence: number;
  /** The end of its prompt: what it answers. */
  readonly prompt: string;
}

/** How much there is to learn from; it changes with every draft, every action and every deletion. */
export interface JudgedCounts {
  readonly completed: number;
  readonly acted: number;
}

export interface AcceptanceStore {
  counts(accountId: string): Promise<JudgedCounts>;
  /** The latest completed drafts, newest first. */
  latest(accountId: string, limit: number): Promise<readonly JudgedDraft[]>;
}

/** Of a prompt that may have 32,000 characters, in characters: the last messages are in it, or the end of a long one. */
export const PROMPT_END_LENGTH = 2_000;

async function counts({ sql }: Database, accountId: string): Promise<JudgedCounts> {
  const [row] = await sql<JudgedCounts>`
    select count(*)::integer as completed, count(action)::integer as acted
    from responses where account_id = ${accountId} and status = 'completed'`;
  return row ?? { completed: 0, acted: 0 };
}

async function latest(
  { db }: Database,
  accountId: string,
  limit: number,
): Promise<readonly JudgedDraft[]> {
  const { id, messageId, conversationId, status, action, editedResponse, unsupported, adapter, completedAt } =
    responses;
  return await db.select({
    id,
    messageId,
    conversationId,
    status,
    action,
    editedResponse,
    unsupported,
    adapter,
    completedAt,
    response: template<string>`coalesce(${responses.response}, '')`,
    // Drafts of earlier versions have it in the other column.
    rawConfidence: template<number>`coalesce(${responses.rawConfidence}, ${responses.confidence}, 0)`,
    prompt: template<string>`right(${responses.prompt}, ${PROMPT_END_LENGTH})`,
  }).from(responses)
    .where(and(eq(responses.accountId, accountId), eq(responses.status, "completed")))
    .orderBy(desc(responses.createdAt), desc(responses.id)).limit(limit);
}

export function createAcceptanceStore(database: Database): AcceptanceStore {
  return bindTo(database, { counts, latest });
}
