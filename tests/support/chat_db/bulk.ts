/** Fills a chat.db for benches and load tests: with many seeded messages, mixed as in a real one, or to any size. */
import { editMessage } from "./edits.ts";
import { type Chat, type ChatDb, createChatDb, type Generation, type Message } from "./chat_db_fixture.ts";
import { addAppMessage, addAttachmentMessage, addTapback } from "./rows.ts";

export interface BulkOptions {
  /** Rows of `message` to write, of every kind together. */
  messages: number;
  /** Chats to spread them over; every fifth is a group. The default is 50. */
  chats?: number;
  seed?: number;
  generation?: Generation;
}

/** Rows of `message` by kind; `plain` counts those edited as well. */
export interface BulkCounts {
  plain: number;
  attachments: number;
  tapbacks: number;
  edited: number;
}

const FIRST_SENT_AT_MS = Date.UTC(2021, 0, 1);
/** Mean time between two messages over all chats. */
const MEAN_GAP_MS = 300_000;
/** Shares of the row kinds. */
const SHARE = {
  tapback: 0.03,
  attachment: 0.03,
  edit: 0.01,
  textToo: 0.15,
  mutable: 0.29,
  fromMe: 0.45,
  long: 0.03,
};
const GROUP_SIZE = 4;
const FIRST_GROUP_NUMBER = 200_000_000;
/** So many of the newest rows are left in the write-ahead log. */
const WAL_MESSAGES = 500;
const WORDS =
  ("ok yes no maybe see you there later tonight tomorrow what about the train is late again bring coffee please " +
    "sounds good to me haha 😂 thanks ❤️ love it where are we meeting did you call mum yet não sei ainda c'est parti " +
    "привет 今晩 running five minutes behind sorry can we move it to friday").split(" ");
const PHOTO = { name: "IMG_0001.HEIC", mimeType: "image/heic", uti: "public.heic", sizeBytes: 2_400_000 };

/** Writes the database at `path` and closes it with the newest rows in the `-wal` file. */
export function bulkChatDb(path: string, options: BulkOptions): BulkCounts {
  const { messages, chats: chatCount = 50, seed = 1, generation } = options;
  using db = createChatDb(path, { seed, generation, bulk: true });
  const random = seededRandom(seed);
  const chats = Array.from({ length: chatCount }, (_, index) => addChat(db, index));
  const counts: BulkCounts = { plain: 0, attachments: 0, tapbacks: 0, edited: 0 };
  const newest = new Map<Chat, Message>();
  let sentAtMs = FIRST_SENT_AT_MS;
  for (let index = 0; index < messages; index++) {
    if (index === Math.max(0, messages - WAL_MESSAGES)) db.store.endBulk();
    sentAtMs += Math.ceil(random() * 2 * MEAN_GAP_MS);
    // The square gathers most messages in a few busy chats.
    const chat = chats[Math.floor(random() ** 2 * chats.length)];
    if (!chat) continue;
    const message = addRow(db, { chat, random, counts, to: newest.get(chat), sentAt: new Date(sentAtMs) });
    if (message) newest.set(chat, message);
  }
  return counts;
}

function addChat(db: ChatDb, index: number): Chat {
  const address = (person: number) =>
    person % 7 === 0 ? `person${person}@example.com` : `+1555${String(1_000_000 + person)}`;
  if (index % 5 !== 4) return db.addChat({ identifier: address(index) });
  const participants = Array.from({ length: GROUP_SIZE }, (_, offset) => address(index - offset));
  return db.addChat({
    identifier: `chat${FIRST_GROUP_NUMBER + index}`,
    participants,
    displayName: `Group ${index}`,
  });
}

interface RowOptions {
  chat: Chat;
  random: () => number;
  counts: BulkCounts;
  /** The newest plain message of the chat, which a tapback or an edit belongs to. */
  to: Message | undefined;
  sentAt: Date;
}

/** Adds one row of a random kind; returns it when it can be reacted to. */
function addRow(db: ChatDb, { chat, random, counts, to, sentAt }: RowOptions): Message | undefined {
  const sender = chat.participants[Math.floor(random() * chat.participants.length)];
  const from = random() < SHARE.fromMe || !sender ? "me" as const : sender;
  const kind = random();
  if (kind < SHARE.tapback && to && db.store.has("message", "associated_message_guid")) {
    addTapback(db, { to, from, kind: "love", sentAt });
    counts.tapbacks++;
    return;
  }
  if (kind < SHARE.tapback + SHARE.attachment) {
    addAttachmentMessage(db, { chat, from, sentAt, files: [PHOTO] });
    counts.attachments++;
    return;
  }
  const bodyIn = random() < SHARE.textToo ? "both" as const : undefined;
  const mutableBody = random() < SHARE.mutable;
  const later = (seconds: number) => new Date(sentAt.getTime() + seconds * 1_000);
  const times = from === "me" ? { deliveredAt: later(1), readAt: later(60) } : { readAt: later(60) };
  const message = db.addMessage({
    chat,
    from,
    sentAt,
    text: randomText(random),
    bodyIn,
    mutableBody,
    ...times,
  });
  counts.plain++;
  if (random() < SHARE.edit && db.store.has("message", "date_edited")) {
    editMessage(db, { message, text: randomText(random), at: new Date(sentAt.getTime() + 60_000) });
    counts.edited++;
  }
  return message;
}

function randomText(random: () => number): string {
  const length = random() < SHARE.long ? 40 + random() * 160 : 1 + random() * 14;
  let text = "";
  for (let count = 0; count < length; count++) {
    text += (count > 0 ? " " : "") + (WORDS[Math.floor(random() * WORDS.length)] ?? "");
  }
  return text;
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LARGE_SENDER = "+15550100001";
const LARGE_SENT_AT = "2024-06-01T12:00:00Z";
const PAYLOAD_BYTES = 400_000;
/** Of these rows, one carries a payload and the others long texts. */
const ROWS_PER_PAYLOAD = 5;
/** The apostrophe is of a person's keyboard: JavaScript then holds two bytes for each letter. */
const LONG_TEXT = "A long message that’s been pasted by somebody. ".repeat(500);
const ROWS_AT_ONCE = 200;

/**
 * Writes a database of at least `sizeBytes` and closes it: long messages, and heavy contents of apps that no reader
 * needs. Returns how many messages it holds.
 */
export function largeChatDb(path: string, { sizeBytes }: { sizeBytes: number }): number {
  using db = createChatDb(path, { bulk: true });
  const chat = db.addChat({ identifier: LARGE_SENDER });
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(7);
  let messages = 0;
  while (messages % ROWS_AT_ONCE !== 0 || Deno.statSync(path).size < sizeBytes) {
    const common = { chat, from: LARGE_SENDER, sentAt: LARGE_SENT_AT };
    if (messages % ROWS_PER_PAYLOAD === 0) {
      addAppMessage(db, { ...common, bundleId: "com.example.game", payload });
    } else db.addMessage({ ...common, text: `${messages} ${LONG_TEXT}` });
    messages++;
  }
  db.store.endBulk();
  return messages;
}
