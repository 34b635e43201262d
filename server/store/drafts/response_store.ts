/** Stores drafts, from queued to completed, and the person's one action on each. */
import { and, eq, inArray, type SQL } from "drizzle-orm";
import type { Timings } from "../../../contract/generation.ts";
import type { DraftCandidate } from "../../../contract/responses.ts";
import type { AppliedAdapter } from "../../../contract/models.ts";
import type { AbstentionReason } from "../../../contract/responses.ts";
import { bindTo, type Database, messagesLockOf, newId, shareLockUntilCommit } from "../database.ts";
import { type Page, type PageRequest, readNewest } from "../paging.ts";
import { type ActionRequest, type ActionResult, recordAction } from "./response_action.ts";
import { type DraftResponse, type Message, messages, responses } from "../schema.ts";
import { type MessagesFromReply, repliesTo } from "./messages_from_reply.ts";

/** A draft that is about to be made for a message of the same account. */
export interface NewResponse {
  /** Default: a new one. */
  readonly id?: string;
  readonly accountId: string;
  readonly messageId: string;
  readonly deviceId: string;
  readonly prompt: string;
  /** All messages whose text is in the prompt. */
  readonly sourceMessageIds: readonly string[];
  /** Earlier replies that the prompt shows as examples. */
  readonly exampleCount?: number;
  readonly status: "queued" | "generating";
  /** The server that makes it, or has queued it; absent where there is one server. */
  readonly serverId?: string | null;
}

/** What the model answered. */
export interface Completion {
  readonly response: string;
  /** The probability that it is sent with at most small changes. */
  readonly confidence: number;
  /** What ml said of it. */
  readonly rawConfidence?: number;
  readonly suggested?: boolean;
  readonly reason?: AbstentionReason | null;
  readonly modelVersion: string;
  readonly tokensUsed: number;
  readonly timings?: Timings;
  /** Null where the base model answered. */
  readonly adapter?: AppliedAdapter | null;
  /** Numbers, times, names and links that nothing in its prompt says. */
  readonly unsupported?: string[];
  /** The best first; null where one was asked for. */
  readonly candidates?: DraftCandidate[] | null;
}

export interface CompletedDraft {
  readonly responseId: string;
  readonly completion: Completion;
}

export interface Failure {
  readonly responseId: string;
  readonly error: string;
}

/** A page of drafts, of one conversation or of all. */
export interface ResponsePageRequest extends PageRequest {
  readonly conversationId?: string;
}

/** A message that a draft was made from, as it is now. */
export type SourceMessage = Pick<Message, "id" | "text" | "editedAt" | "retractedAt">;

export type UnfinishedDraft = Pick<DraftResponse, "id" | "accountId" | "serverId">;

export interface ResponseStore {
  /** Undefined when the account has no such message, or not all that the prompt was made from. */
  create(response: NewResponse): Promise<DraftResponse | undefined>;
  /** queued -> generating; undefined when the draft is not queued. */
  begin(accountId: string, responseId: string): Promise<DraftResponse | undefined>;
  /** generating -> queued, when the work has to be given back; undefined when the draft is not being generated. */
  requeue(accountId: string, responseId: string): Promise<DraftResponse | undefined>;
  /** queued or generating -> completed; undefined when it has ended already (cancelled, say). */
  complete(accountId: string, completed: CompletedDraft): Promise<DraftResponse | undefined>;
  /** queued or generating -> failed. */
  fail(accountId: string, failure: Failure): Promise<DraftResponse | undefined>;
  /** queued or generating -> cancelled. */
  cancel(accountId: string, responseId: string): Promise<DraftResponse | undefined>;
  find(accountId: string, responseId: string): Promise<DraftResponse | undefined>;
  /** Drafts of a conversation (of all of them when not given), newest first. */
  list(accountId: string, request: ResponsePageRequest): Promise<Page<DraftResponse>>;
  /** The messages with these ids, as far as the account has them. */
  sources(accountId: string, messageIds: readonly string[]): Promise<readonly SourceMessage[]>;
  /** What was written after messages from the owner's first message on, of those after which the owner wrote. */
  repliesTo(
    accountId: string,
    messageIds: readonly string[],
  ): Promise<ReadonlyMap<string, MessagesFromReply>>;
  /** Queued and generating drafts of all accounts: what a crash may have left behind. */
  listUnfinished(): Promise<readonly UnfinishedDraft[]>;
  recordAction(accountId: string, request: ActionRequest): Promise<ActionResult>;
}

/** The states of a draft that has not ended; the index `responses_live` has the same. */
const LIVE: DraftResponse["status"][] = ["queued", "generating"];

/** PostgreSQL's text holds no NUL, and UTF-8 no lone surrogate; a model may produce both. */
function storableText(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}

function create({ transaction }: Database, response: NewResponse): Promise<DraftResponse | undefined> {
  const { messageId, sourceMessageIds, ...draft } = response;
  const needed = [...new Set([messageId, ...sourceMessageIds])];
  return transaction(async ({ db: tx }) => {
    // It keeps the messages, in their conversation, until the draft is there to be moved or deleted along.
    await shareLockUntilCommit(tx, messagesLockOf(draft.accountId));
    const found = await tx.select({ id: messages.id, conversationId: messages.conversationId }).from(messages)
      .where(and(eq(messages.accountId, draft.accountId), inArray(messages.id, needed)));
    const message = found.find(({ id }) => id === messageId);
    if (message === undefined || found.length < needed.length) return undefined;
    const { conversationId } = message;
    const sources = { messageId, conversationId, sourceMessageIds: [...sourceMessageIds] };
    const [created] = await tx.insert(responses).values({ ...sources, ...draft, id: draft.id ?? newId() })
      .returning();
    return created;
  });
}

type Change = Partial<typeof responses.$inferInsert>;

/** A method that changes a draft in one of these states; undefined when it is not, or not the account's. */
function changing<Request>(
  from: readonly DraftResponse["status"][],
  changeOf: (request: Request) => Change & { responseId: string },
) {
  return async (
    { db }: Database,
    accountId: string,
    request: Request,
  ): Promise<DraftResponse | undefined> => {
    const { responseId, ...set } = changeOf(request);
    const isThis = and(isResponse(accountId, responseId), inArray(responses.status, [...from]));
    const [changed] = await db.update(responses).set(set).where(isThis).returning();
    return changed;
  };
}

function isResponse(accountId: string, responseId: string): SQL | undefined {
  return and(eq(responses.accountId, accountId), eq(responses.id, responseId));
}

async function find(
  { db }: Database,
  accountId: string,
  responseId: string,
): Promise<DraftResponse | undefined> {
  const [found] = await db.select().from(responses).where(isResponse(accountId, responseId));
  return found;
}

function list(
  database: Database,
  accountId: string,
  { conversationId, ...page }: ResponsePageRequest,
): Promise<Page<DraftResponse>> {
  const inConversation = conversationId === undefined
    ? undefined
    : eq(responses.conversationId, conversationId);
  const where = and(eq(responses.accountId, accountId), inConversation);
  return readNewest(database, page, { table: responses, where });
}

async function listUnfinished({ db }: Database): Promise<readonly UnfinishedDraft[]> {
  const { id, accountId, serverId } = responses;
  return await db.select({ id, accountId, serverId }).from(responses)
    .where(inArray(responses.status, LIVE));
}

async function sources(
  { db }: Database,
  accountId: string,
  messageIds: readonly string[],
): Promise<readonly SourceMessage[]> {
  const { id, text, editedAt, retractedAt } = messages;
  return await db.select({ id, text, editedAt, retractedAt }).from(messages)
    .where(and(eq(messages.accountId, accountId), inArray(id, [...messageIds])));
}

const begin = changing(["queued"], (responseId: string) => ({ responseId, status: "generating" }));
const requeue = changing(["generating"], (responseId: string) => ({ responseId, status: "queued" }));
const cancel = changing(LIVE, (responseId: string) => ({
  responseId,
  status: "cancelled",
  completedAt: new Date(),
}));
const fail = changing(LIVE, ({ responseId, error }: Failure) => ({
  responseId,
  status: "failed",
  error: storableText(error),
  completedAt: new Date(),
}));
const complete = changing(LIVE, ({ responseId, completion }: CompletedDraft) => ({
  responseId,
  ...completion,
  response: storableText(completion.response),
  candidates: completion.candidates?.map((candidate) => ({
    ...candidate,
    text: storableText(candidate.text),
    unsupported: candidate.unsupported.map(storableText),
  })),
  status: "completed",
  completedAt: new Date(),
}));

export function createResponseStore(database: Database): ResponseStore {
  const changes = { begin, requeue, complete, fail, cancel };
  return bindTo(database, {
    create,
    ...changes,
    find,
    list,
    listUnfinished,
    sources,
    repliesTo,
    recordAction,
  });
}
