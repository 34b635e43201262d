/** Sends a reply: only when the person says so, at most once, and believed sent only when chat.db shows it. */
import { delay } from "../../../lib/backoff.ts";
import { UserError } from "../../../lib/errors.ts";
import type { ChatDatabase } from "../../chatdb/file/chat_database.ts";
import { readDatabaseIdentity } from "../../chatdb/file/identity.ts";
import { readSentMessages } from "../../chatdb/chats/sent_messages.ts";
import { findReplyChat, type ReplyChat } from "../../chatdb/chats/message_chats.ts";
import type { Work } from "../../platform/instance_lock.ts";
import type { MessagesApp } from "../../platform/messages_app.ts";
import type { AgentStore } from "../../state/agent_store.ts";
import type { SendEntry, SendOutcomeKind } from "../../state/stored_values.ts";
import {
  lookForDelivery,
  outcomeOf,
  type SendOutcome,
  sentTextDigest,
  watchDelivery,
} from "./delivery_status.ts";
import { loadSendLog, writeEntry } from "./send_log.ts";

export interface SendDependencies {
  openChatDatabase: () => ChatDatabase;
  messages: MessagesApp;
  sendLog: AgentStore;
  lock: (work: Work) => Promise<Disposable>;
  /** The present, in Unix time. */
  now: () => number;
  wait?: (durationMs: number) => Promise<void>;
  /** How long to look for the message in chat.db. */
  confirmTimeoutMs?: number;
}

export interface Reply {
  responseId: string;
  /** Guid of the message that is answered. */
  messageGuid: string;
  text: string;
  /** Called once nothing speaks against sending; when it throws, nothing is sent. */
  approve?: () => Promise<unknown>;
}

/** A receipt of the other side's device comes within seconds or, while that is off, much later. */
const CONFIRM_TIMEOUT_MS = 20_000;
/** Identifiers of business chats, which scripts cannot write to (mautrix#184). */
const BUSINESS_PREFIX = "urn:biz:";
/** Identifiers of groups. */
const GROUP_IDENTIFIER = /^chat\d+$/;
/** The mark of a chat of two in a guid. */
const DIRECT_MARK = ";-;";

const ALREADY: Record<Exclude<SendOutcomeKind, "failed">, string> = {
  delivered: "This draft was sent and delivered already",
  sent: "This draft was sent already",
  unknown:
    "This draft was given to Messages before, and whether it was sent is not known: check the chat, and write " +
    "there what is missing",
};

/** After a crash only chat.db can show whether a text was sent. Nothing is sent again by itself. */
function resolveCrashedSends(database: ChatDatabase, sendLog: AgentStore): void {
  for (const entry of loadSendLog(sendLog).filter(({ outcome }) => outcome === null)) {
    const seen = lookForDelivery(database, entry);
    writeEntry(sendLog, {
      ...entry,
      outcome: seen === "absent" || seen === "pending" ? "unknown" : seen,
    });
  }
}

function refuseTwice(sendLog: AgentStore, responseId: string): void {
  const outcome = loadSendLog(sendLog).find((entry) => entry.responseId === responseId)?.outcome ?? "failed";
  if (outcome !== "failed") throw new UserError(ALREADY[outcome]);
}

/** Why nothing may be sent there, as a sentence; null when it may. */
function replyRefusal(target: ReplyChat | null): string | null {
  if (target === null || target.chat.guid === "") {
    return "The message that the draft answers is no longer in a chat of this Mac's Messages: reply there yourself";
  }
  const { guid, identifier } = target.chat;
  const address = identifier ?? guid.split(";").at(-1) ?? "";
  if (address.startsWith(BUSINESS_PREFIX)) {
    return "Chats with businesses cannot be written to by scripts: reply in Messages itself";
  }
  const isGroup = target.isGroup || GROUP_IDENTIFIER.test(address);
  if (isGroup && guid.includes(DIRECT_MARK)) {
    // macOS 26 reports success for such a guid, and writes an empty message that nobody gets (imsg#90).
    return "Messages would lose a text for this group: reply in Messages itself";
  }
  return null;
}

function requireReplyChat(database: ChatDatabase, messageGuid: string): ReplyChat {
  const target = findReplyChat(database, messageGuid);
  const refusal = replyRefusal(target);
  if (target === null || refusal !== null) throw new UserError(refusal ?? "");
  const { conversationChatIds: chatIds, messageRowId: afterRowId } = target;
  const own = readSentMessages(database, { chatIds, afterRowId }).filter(({ error }) => error === 0);
  if (own.length === 0) return target;
  throw new UserError("You have written in this conversation since the message that the draft answers", {
    fix: "Run `agent suggest` for a new one",
  });
}

async function submit(
  dependencies: SendDependencies,
  { database, entry, reply, target }: {
    database: ChatDatabase;
    entry: SendEntry;
    reply: Reply;
    target: ReplyChat;
  },
): Promise<SendOutcome> {
  const { messages, now, wait = delay, confirmTimeoutMs = CONFIRM_TIMEOUT_MS } = dependencies;
  const result = await messages.send({ text: reply.text, chatGuid: target.chat.guid });
  // Even after a refusal chat.db is checked once: a message that is there was sent.
  const timeoutMs = result.kind === "refused" ? 0 : confirmTimeoutMs;
  return outcomeOf(result, await watchDelivery(database, entry, { timeoutMs, now, wait }));
}

/**
 * Sends a reply to a message into the chat in which that message lies.
 *
 * The intent is on the disk before Messages is asked, and the outcome after; a draft whose intent is there is not sent
 * again unless it certainly failed.
 *
 * @throws UserError when nothing was sent, for a reason that the person can understand
 * @throws ChatDatabaseError when chat.db cannot be read; nothing was sent then
 */
export async function sendReply(dependencies: SendDependencies, reply: Reply): Promise<SendOutcome> {
  using _lock = await dependencies.lock("send");
  using database = dependencies.openChatDatabase();
  const { sendLog, now } = dependencies;
  resolveCrashedSends(database, sendLog);
  refuseTwice(sendLog, reply.responseId);
  const target = requireReplyChat(database, reply.messageGuid);
  const entry: SendEntry = {
    responseId: reply.responseId,
    chatIds: target.conversationChatIds,
    textDigest: sentTextDigest(reply.responseId, reply.text),
    afterRowId: readDatabaseIdentity(database, 0).sequence,
    startedAt: new Date(now()).toISOString(),
    outcome: null,
  };
  await reply.approve?.();
  // The server may have taken its time, in which the person may have answered.
  requireReplyChat(database, reply.messageGuid);
  writeEntry(sendLog, entry);
  const outcome = await submit(dependencies, { database, entry, reply, target });
  writeEntry(sendLog, { ...entry, outcome: outcome.kind });
  return outcome;
}
