/** Turns plain conversations into a Messages database, from which the demo, the flows and the benches start. */
import { editMessage, unsendMessage } from "./edits.ts";
import {
  type Chat,
  type ChatDb,
  createChatDb,
  type Generation,
  type Message,
  type Service,
} from "./chat_db_fixture.ts";
import { addAttachmentMessage, addTapback, type FileSpec, type TapbackKind } from "./rows.ts";

/** A person by a short key, with every address they write from; the first is the usual one. */
export interface SamplePerson {
  key: string;
  handles: readonly [string, ...string[]];
}

/** Messages sent in a row by one side: each bubble becomes a message, a few seconds after the one before. */
export interface SampleMessage {
  /** `me` or a person's key. */
  from: string;
  sentAt: string;
  bubbles: readonly string[];
  /** Files sent before the bubbles, in one message. */
  files?: readonly FileSpec[];
  /** Tapbacks on the last message of the row. */
  tapbacks?: readonly { from: string; kind: TapbackKind; emoji?: string }[];
  /** What the last bubble was changed to. */
  edited?: { text: string; at: string };
  /** When the last bubble was unsent. */
  unsentAt?: string;
}

export interface SampleConversation {
  /** Keys of everyone but me; more than one makes a group. */
  participants: readonly string[];
  /** Name of a group; null or absent for an unnamed one. */
  groupName?: string | null;
  service?: Service;
  messages: readonly SampleMessage[];
}

export interface SampleData {
  people: readonly SamplePerson[];
  conversations: readonly SampleConversation[];
  /** The owner's own address. */
  me?: string;
  generation?: Generation;
  seed?: number;
}

export interface SampleCounts {
  chats: number;
  /** Rows that a reader shows as messages: bubbles and files, without tapbacks. */
  messages: number;
  tapbacks: number;
}

/** Time between two bubbles of one row. */
const BUBBLE_GAP_MS = 3_000;
/** Time from a message to its tapback. */
const TAPBACK_DELAY_MS = 20_000;
/** So many of the newest rows are left in the write-ahead log, as on a Mac that is in use. */
const WAL_ENTRIES = 20;
const FIRST_GROUP_NUMBER = 100_000_000;

interface Entry {
  chat: Chat;
  message: SampleMessage;
  sentAtMs: number;
}

/** Writes `data` as a new chat.db at `path`, rows in order of time, and closes it with the newest in the `-wal` file. */
export function buildSampleMessages(path: string, data: SampleData): SampleCounts {
  const { me, generation, seed } = data;
  using db = createChatDb(path, { me, generation, seed, bulk: true });
  const addresses = new Map(data.people.map(({ key, handles }) => [key, handles[0]]));
  const entries = data.conversations.flatMap((conversation, index) =>
    conversationEntries(db, { conversation, index, addresses })
  ).sort((first, second) => first.sentAtMs - second.sentAtMs);
  const counts = { chats: data.conversations.length, messages: 0, tapbacks: 0 };
  for (const [index, entry] of entries.entries()) {
    if (index === Math.max(0, entries.length - WAL_ENTRIES)) db.store.endBulk();
    addEntry(db, { entry, addresses, counts });
  }
  return counts;
}

function conversationEntries(
  db: ChatDb,
  options: { conversation: SampleConversation; index: number; addresses: Addresses },
): Entry[] {
  const { conversation, index, addresses } = options;
  const participants = conversation.participants.map((key) => addressOf(addresses, key));
  const isGroup = participants.length > 1;
  const chat = db.addChat({
    identifier: isGroup ? `chat${FIRST_GROUP_NUMBER + index}` : participants[0] ?? db.me,
    service: conversation.service,
    participants,
    displayName: conversation.groupName ?? "",
  });
  return conversation.messages.map((message) => ({ chat, message, sentAtMs: Date.parse(message.sentAt) }));
}

type Addresses = ReadonlyMap<string, string>;

function addressOf(addresses: Addresses, key: string): string {
  const address = key === "me" ? "me" : addresses.get(key);
  if (address === undefined) throw new RangeError(`The sample has no person with the key ${key}`);
  return address;
}

function addEntry(db: ChatDb, options: { entry: Entry; addresses: Addresses; counts: SampleCounts }): void {
  const { entry, addresses, counts } = options;
  const { chat, message } = entry;
  const from = addressOf(addresses, message.from);
  let sentAtMs = entry.sentAtMs;
  let last: Message | undefined;
  const add = (write: (sentAt: Date) => Message) => {
    last = write(new Date(sentAtMs));
    sentAtMs += BUBBLE_GAP_MS;
    counts.messages++;
  };
  const { files } = message;
  if (files) add((sentAt) => addAttachmentMessage(db, { chat, from, sentAt, files }));
  for (const text of message.bubbles) {
    add((sentAt) => db.addMessage({ chat, from, sentAt, text, ...states(from, sentAt) }));
  }
  if (!last) return;
  for (const { from: key, kind, emoji } of message.tapbacks ?? []) {
    const sentAt = new Date(sentAtMs + TAPBACK_DELAY_MS);
    addTapback(db, { to: last, from: addressOf(addresses, key), kind, emoji, sentAt });
    counts.tapbacks++;
  }
  if (message.edited) editMessage(db, { message: last, ...message.edited });
  if (message.unsentAt) unsendMessage(db, { message: last, at: message.unsentAt });
}

/** Own messages were delivered, others' were read. */
function states(from: string, sentAt: Date): { deliveredAt?: Date; readAt?: Date } {
  const soon = new Date(sentAt.getTime() + 1_000);
  return from === "me" ? { deliveredAt: soon } : { readAt: soon };
}
