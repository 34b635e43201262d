/** Builds the prompt of a draft: the messages of a conversation that the model sees, and what it knows of the people. */
import { formatTranscript, type Turn } from "../../../contract/prompt.ts";
import type { GenerateContext } from "../../../contract/responses.ts";
import { type MessageRole, roleOf } from "../../../contract/messages/waiting.ts";
import { ApiError, invalidRequest } from "../../../lib/errors.ts";
import type { ContactStore } from "../../store/messages/contact_store.ts";
import {
  type ConversationStore,
  inOrder,
  type MessageHistory,
} from "../../store/messages/conversation_store.ts";
import type { Contact, Conversation, Message } from "../../store/schema.ts";

/** What stands in a message's text where an attachment was: Unicode's object replacement character. */
const ATTACHMENT_MARK = /\uFFFC/g;
/** Whatever a program may show, or a model take, as the start of a new line (UAX 14: BK, CR, LF, NL). */
const LINE_BREAK = /\r\n?|[\n\v\f\u0085\u2028\u2029]/g;
/** Characters that are not seen but make two names differ or turn around: zero-width ones, marks of direction, tags. */
const INVISIBLE =
  /[\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF\u{E0000}-\u{E007F}]/gu;
/** Longest text of one message in a prompt, in UTF-16 units; what exceeds it says little about the reply. */
const MAX_TURN_LENGTH = 4_000;
/** Longest transcript in UTF-16 units; older messages give way. Far more than the context of the small models. */
const MAX_TRANSCRIPT_LENGTH = 32_000;
const MAX_NAME_LENGTH = 64;
/** True for a prompt that may have lost its oldest messages to the limit. */
export function isPromptFull(prompt: string): boolean {
  return prompt.length > MAX_TRANSCRIPT_LENGTH - MAX_TURN_LENGTH;
}

/** Tells the model how a group's messages are labelled. */
const GROUP_RULE = "Each message of the others begins with its sender's name; begin yours with no name.";

/** A message, as far as a prompt needs it. */
export type PromptMessage =
  & Pick<Message, "direction" | "senderId" | "text" | "retractedAt">
  & Partial<Pick<Message, "messageType" | "failed">>;

/** What a prompt is built from. */
export interface PromptSource {
  conversation: Pick<Conversation, "displayName" | "isGroup">;
  /** Oldest first; the last one is to be answered. */
  messages: readonly PromptMessage[];
  /** Display names by sender id; null when the model must not know who the people are. */
  names: ReadonlyMap<string, string> | null;
  /** Exchanges before the conversation that show how the person writes. */
  examples?: readonly Turn[];
}

/** A prompt, and the sender names before its messages, each once; there are none in a direct chat. */
export interface BuiltPrompt {
  readonly text: string;
  readonly labels: readonly string[];
}

/** Text as a prompt carries it: no attachment marks, one kind of line break, no longer than the limit. */
export function promptTextOf(text: string | null): string {
  const clean = (text ?? "").replace(ATTACHMENT_MARK, "").replace(LINE_BREAK, "\n").trim();
  // A cut between the halves of a surrogate pair leaves one that no tokenizer takes.
  return clean.length <= MAX_TURN_LENGTH
    ? clean
    : clean.slice(0, MAX_TURN_LENGTH).replace(/[\uD800-\uDBFF]$/, "");
}

/** The same on one line, as a group's prompt carries it: on a line of its own, `Carol: …` would pass for Carol's words. */
export function groupTextOf(text: string | null): string {
  return promptTextOf(text).replace(/\s*\n\s*/g, " ");
}

/** A name is other people's text too: one short line, without the quotes it is put in. */
function nameText(name: string): string {
  const line = name.replace(INVISIBLE, "").replace(/["“”„‟«»＂\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").replace(
    /\s+/g,
    " ",
  ).trim();
  return Array.from(line).slice(0, MAX_NAME_LENGTH).join("");
}

/** What to call each sender of a group: the display name, or a number where there is none. */
function groupLabels({ messages, names }: PromptSource): (senderId: string | null) => string {
  const labels = new Map<string | null, string>();
  for (const { direction, senderId } of messages) {
    if (direction === "outgoing" || labels.has(senderId)) continue;
    const name = nameText(names?.get(senderId ?? "") ?? "").replace(/[:：﹕]/g, "").trim();
    const isTaken = [...labels.values()].includes(name);
    labels.set(
      senderId,
      name === "" ? `Person ${labels.size + 1}` : isTaken ? `${name} ${labels.size + 1}` : name,
    );
  }
  return (senderId) => labels.get(senderId) ?? "Person";
}

type LabelledTurn = Turn & { label?: string };

function turnsOf(source: PromptSource): LabelledTurn[] {
  const labelOf = groupLabels(source);
  const texts = source.messages.map(({ text }) => text);
  return source.messages.flatMap((message, index): LabelledTurn[] => {
    const text = promptTextOf(message.text);
    // What people did not write teaches the model nothing, but a code is part of the talk about it.
    const role = roleOf({ messageType: "text", ...message }, texts.slice(0, index));
    if (role !== "words" && role !== "automated") return [];
    if (message.direction === "outgoing") return [{ speaker: "me", text }];
    if (!source.conversation.isGroup) return [{ speaker: "them", text }];
    const label = labelOf(message.senderId);
    return [{ speaker: "them", text: `${label}: ${groupTextOf(message.text)}`, label }];
  });
}

/** The latest turns that fit, in their order; the last one always does. */
function latestThatFit(turns: readonly LabelledTurn[]): LabelledTurn[] {
  let length = 0;
  const tooOld = turns.findLastIndex(({ text }) => (length += text.length) > MAX_TRANSCRIPT_LENGTH);
  return turns.slice(tooOld + 1);
}

/** One other person, by name where it is known; of a group its title. */
function companyOf({ conversation, messages, names }: PromptSource): string {
  if (conversation.isGroup) {
    const title = nameText(names === null ? "" : conversation.displayName ?? "");
    return `in the group chat${title && ` "${title}"`}. ${GROUP_RULE}`;
  }
  const sender = messages.findLast(({ direction }) => direction === "incoming")?.senderId ?? "";
  const name = nameText(names === null ? "" : names.get(sender) ?? conversation.displayName ?? "");
  return name === "" ? "with someone you know." : `with "${name}".`;
}

/** Few plain words, because the smallest model has 135 million parameters. */
function instructionOf(source: PromptSource): string {
  return `You are chatting ${companyOf(source)} ` +
    "Write your next message. Keep it short. Use the same language and tone as your earlier messages.";
}

/**
 * Builds the prompt that drafts the reply to the last of some messages.
 *
 * Everything other people wrote stays quoted text of a turn: `formatTranscript` lets none of it open a turn.
 */
export function buildPrompt(source: PromptSource): BuiltPrompt {
  const turns = latestThatFit(turnsOf(source));
  const labels = [...new Set(turns.flatMap(({ label }) => label ?? []))];
  const shown = [...source.examples ?? [], ...turns];
  return { text: formatTranscript({ system: instructionOf(source), turns: shown }), labels };
}

export interface PromptStores {
  conversations: Pick<ConversationStore, "find" | "histories" | "withSamePerson" | "before">;
  contacts: Pick<ContactStore, "findByHandles">;
}

export interface PromptRequest {
  accountId: string;
  messageId: string;
  context: Pick<GenerateContext, "maxHistory" | "includeContactInfo">;
}

function cannotAnswer(message: string): ApiError {
  return invalidRequest([{ path: "messageId", message }]);
}

/** Why a message with text is none that a person expects an answer to. */
const NOT_TO_ANSWER: Record<Exclude<MessageRole, "words">, string> = {
  automated: "must be written by a person: this is a code, or was sent by a company's machine",
  reaction: "must be a message: this is a reaction to one",
  notice: "must be a message: this is a notice of the system or an app",
  wordless: "must be a message with text",
  unsent: "must not be a message that was unsent",
  failed: "must be an incoming message",
};

function checkAnswerable(message: Message): void {
  if (message.direction !== "incoming") throw cannotAnswer("must be an incoming message");
  if (message.retractedAt !== null) throw cannotAnswer("must not be a message that was unsent");
  if (promptTextOf(message.text) === "") throw cannotAnswer("must be a message with text");
  const role = roleOf(message);
  if (role !== "words") throw cannotAnswer(NOT_TO_ANSWER[role]);
}

/** Each contact's name under each of its handles, as the messages spell them. */
function namesByHandle(contacts: readonly Contact[], handles: readonly string[]): Map<string, string> {
  const known = new Map<string, string>();
  for (const { appleId, phoneNumber, email, displayName } of contacts) {
    if (!displayName) continue;
    for (const handle of [appleId, phoneNumber, email]) {
      if (handle) known.set(handle.toLowerCase(), displayName);
    }
  }
  return new Map(handles.flatMap((handle) => {
    const name = known.get(handle.toLowerCase());
    return name === undefined ? [] : [[handle, name]];
  }));
}

async function namesOf(
  stores: PromptStores,
  { accountId, messages }: { accountId: string; messages: readonly Message[] },
): Promise<Map<string, string>> {
  const handles = [...new Set(messages.flatMap(({ senderId }) => senderId ?? []))];
  if (handles.length === 0) return new Map();
  return namesByHandle(await stores.contacts.findByHandles(accountId, handles), handles);
}

async function conversationOf(stores: PromptStores, message: Message): Promise<Conversation> {
  const conversation = await stores.conversations.find(message.accountId, message.conversationId);
  if (conversation === undefined) throw new ApiError("not_found", "There is no message with this id");
  return conversation;
}

/**
 * The latest messages before one in all two-person conversations with its person, in the order of time: who changes from
 * phone number to e-mail address goes on with the same talk.
 */
async function withOtherThreads(
  stores: PromptStores,
  { message, before }: MessageHistory,
  limit: number,
): Promise<readonly Message[]> {
  const { accountId, conversationId } = message;
  const conversationIds = await stores.conversations.withSamePerson(accountId, conversationId);
  if (conversationIds.length === 0 || limit === 0) return before;
  const others = await stores.conversations.before(accountId, { message, conversationIds, limit });
  return inOrder([...before, ...others]).slice(-limit);
}

/** Examples as turns, and all messages whose words are in them. */
export interface ShownExamples {
  readonly turns: readonly Turn[];
  readonly messageIds: readonly string[];
}

/** Finds the examples for a talk. */
export type ExampleFinder = (
  asked: {
    /** Oldest first: the message to answer, and before it more than the prompt shows, so that the talk's beginning is there. */
    messages: readonly Message[];
    /** How many of those before the last one the prompt shows. */
    maxHistory: number;
    conversation: Conversation;
    /** Whether the conversations of one person may be taken for one. */
    isPersonKnown: boolean;
  },
) => Promise<ShownExamples>;

/** How many messages a talk's beginning is looked for in, beside those that a prompt shows: few talks are longer. */
const TALK_MESSAGES = 200;

const NO_EXAMPLES: ShownExamples = { turns: [], messageIds: [] };

/** A prompt, and the messages that it was made from. */
export interface Prompt extends BuiltPrompt {
  readonly sourceMessageIds: string[];
  /** Earlier replies that it shows as examples. */
  readonly exampleCount: number;
}

/** How many messages before the one to answer are read. */
function readFor(
  { context, examples }: Pick<PromptRequest, "context"> & { examples?: ExampleFinder },
): number {
  return context.maxHistory + (examples === undefined ? 0 : TALK_MESSAGES);
}

/**
 * The prompt that drafts a reply to a message.
 *
 * @throws ApiError as {@linkcode promptOf}, and `not_found` for a message that the account does not have
 */
export async function promptFor(
  stores: PromptStores,
  request: PromptRequest & { examples?: ExampleFinder },
): Promise<Prompt> {
  const { accountId, messageId, context, examples } = request;
  const asked = { messageIds: [messageId], limit: readFor({ context, examples }) };
  const history = (await stores.conversations.histories(accountId, asked)).get(messageId);
  if (history === undefined) throw new ApiError("not_found", "There is no message with this id");
  return await promptOf(stores, { history, context, examples });
}

/**
 * The prompt that drafts a reply to a message whose history was read already.
 *
 * @throws ApiError `validation_failed` for a message that cannot be answered: sent by the owner, unsent, without text
 */
export async function promptOf(
  stores: PromptStores,
  { history, context, examples: find }: {
    history: MessageHistory;
    context: PromptRequest["context"];
    examples?: ExampleFinder;
  },
): Promise<Prompt> {
  const { message, before } = history;
  checkAnswerable(message);
  const { accountId } = message;
  const conversation = await conversationOf(stores, message);
  const { includeContactInfo, maxHistory } = context;
  const isPersonKnown = includeContactInfo && !conversation.isGroup;
  const limit = readFor({ context, examples: find });
  const earlier = isPersonKnown ? await withOtherThreads(stores, history, limit) : before;
  const messages = [...earlier.slice(Math.max(0, earlier.length - maxHistory)), message];
  const names = includeContactInfo ? await namesOf(stores, { accountId, messages }) : null;
  const shownIds = new Set(messages.map(({ id }) => id));
  const asked = { messages: [...earlier, message], maxHistory, conversation, isPersonKnown };
  const { turns: examples, messageIds } = await find?.(asked) ?? NO_EXAMPLES;
  const prompt = buildPrompt({ conversation, messages, names, examples });
  const exampleCount = examples.filter(({ speaker }) => speaker === "me").length;
  return { ...prompt, exampleCount, sourceMessageIds: [...shownIds.union(new Set(messageIds))] };
}
