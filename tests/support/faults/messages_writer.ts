/**
 * Writes a chat.db as Messages does, in a process of its own: rows first and their chats later, edits, unsends, receipts,
 * tapbacks, drafts, deletions, checkpoints, replaced files, renumbered rows. It records by itself what a reader must end
 * up with.
 *
 * `deno run -A tests/support/faults/messages_writer.ts PATH OPTIONS`, the latter as JSON: prints `ready`, writes until its
 * stdin ends and `leastDeeds` are done, then prints a `WriterAccount`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { writeLine } from "../../../lib/log.ts";
import { encodeBody } from "../chat_db/body.ts";
import { createChatDb } from "../chat_db/chat_db_fixture.ts";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { APP_FUNCTIONS } from "../chat_db/indexes.ts";

/** A message as a reader must know it in the end; times in Unix time. */
export interface WrittenMessage {
  guid: string;
  /** What the contract calls `conversationImessageId`. */
  conversation: string;
  /** The handle of the other side; null for the owner. */
  sender: string | null;
  text: string | null;
  sentAtMs: number;
  editedAtMs: number | null;
  retractedAtMs: number | null;
  readAtMs: number | null;
  /** Of own messages only. */
  deliveredAtMs: number | null;
  attachments: string[];
  reactions: WrittenReaction[];
}

export interface WrittenReaction {
  kind: string;
  emoji: string | null;
  sender: string | null;
  reactedAtMs: number;
}

export interface WriterOptions {
  seed: number;
  /** The share of deeds that replace the file or renumber its rows, which make a reader start again. */
  upheavalShare?: number;
  /** Between two deeds, or so many as are done at once. */
  pauseMs?: number;
  deedsAtOnce?: number;
  leastDeeds?: number;
}

export interface WriterAccount {
  messages: WrittenMessage[];
  /** Guids of messages that were deleted, for good or into Recently Deleted: a reader may have seen them before. */
  deleted: string[];
  /** How often each thing was done. */
  done: Record<string, number>;
}

interface Row extends WrittenMessage {
  rowId: number;
  chatId: number;
  /** Joined, finished, not deleted, for good or recently: may be edited and reacted to. */
  isComplete: boolean;
  tapbacks: { rowId: number; guid: string; reaction: WrittenReaction }[];
}

const APPLE_EPOCH_MS = 978_307_200_000;
const ME = "+15550100000";
const PEOPLE = ["+15550100001", "ana@example.com", "+15550100003"];
const GROUP_ID = "GROUP-0001";
const KINDS = ["love", "like", "dislike", "laugh", "emphasize", "question", "emoji"];
/** The time between a message and its chat, at most. */
const LATE_JOIN_MS = 3_000;
/** Changes without a timestamp concern rows that a reader still compares. */
const RECENT_ROWS = 60;
const DEFAULT_PAUSE_MS = 8;
const DEFAULT_UPHEAVAL_SHARE = 0.01;
/** Of what is put into Recently Deleted, so much stays there. */
const STAYS_PUT_AWAY = 0.3;

/** Numbers below the first one are the first deed, and so on. */
type Deeds = [limit: number, name: string, run: () => unknown][];

class Writer {
  readonly #path: string;
  readonly #upheavalShare: number;
  readonly #random: () => number;
  readonly #rows: Row[] = [];
  readonly #deleted: string[] = [];
  readonly #done: Record<string, number> = {};
  readonly #later: { atMs: number; run: () => void }[] = [];
  #db: DatabaseSync;
  #lastMs = 0;
  #count = 0;

  constructor(path: string, { seed, upheavalShare = DEFAULT_UPHEAVAL_SHARE }: WriterOptions) {
    this.#path = path;
    this.#upheavalShare = upheavalShare;
    this.#random = seededRandom(seed);
    createPeople(path);
    this.#db = openForWriting(path);
  }

  /** Does one thing, by chance; false when there was nothing to do it to. */
  act(): boolean {
    this.#runLater(Date.now());
    const deeds = this.#random() < this.#upheavalShare ? this.#upheavals() : this.#ordinaryDeeds();
    const dice = this.#random();
    const [, name, run] = deeds.find(([limit]) => dice < limit) ?? [0, "nothing", () => {}];
    if (run() === false) return false;
    this.#done[name] = (this.#done[name] ?? 0) + 1;
    return true;
  }

  #ordinaryDeeds(): Deeds {
    return [
      [0.02, "conversation read", () => this.#readConversation(this.#nowMs())],
      [0.025, "read on a phone", () => this.#readConversation(this.#nowMs() - 3_600_000)],
      [0.04, "delivery", () => this.#setTimestamp(this.#anyOf(this.#rows), "deliveredAtMs")],
      [0.06, "own message read", () => this.#setTimestamp(this.#anyOf(this.#rows), "readAtMs")],
      [0.50, "message", () => this.#addMessage({})],
      [0.56, "late join", () => this.#addMessage({ joinAfterMs: this.#random() * 300 })],
      [0.561, "3 s late join", () => this.#addMessage({ joinAfterMs: LATE_JOIN_MS })],
      [0.60, "late file", () => this.#addPhoto()],
      [0.63, "old message", () => this.#addMessage({ sentAtMs: this.#nowMs() - 400 * 86_400_000 })],
      [0.70, "edit", () => this.#edit(this.#anyOf(this.#rows), { withTimestamp: true })],
      [
        0.73,
        "edit without a timestamp",
        () => this.#edit(this.#anyOf(this.#recent()), { withTimestamp: false }),
      ],
      [0.76, "unsend", () => this.#unsend(this.#anyOf(this.#rows))],
      [0.86, "tapback", () => this.#react(this.#anyOf(this.#rows))],
      [0.90, "tapback taken back", () => this.#takeBack(this.#anyOf(this.#rows), { leavesRow: true })],
      [0.92, "tapback deleted", () => this.#takeBack(this.#anyOf(this.#recent()), { leavesRow: false })],
      [0.94, "deletion", () => this.#delete(this.#anyOf(this.#rows))],
      [0.96, "draft", () => this.#addDraft()],
      [0.98, "move to Recently Deleted", () => this.#moveToRecentlyDeleted(this.#anyOf(this.#rows))],
      [
        1,
        "checkpoint",
        () => this.#db.exec(`PRAGMA wal_checkpoint(${this.#random() < 0.5 ? "TRUNCATE" : "PASSIVE"})`),
      ],
    ];
  }

  #upheavals(): Deeds {
    return [
      [1 / 3, "replacement", () => this.#replaceFile(false)],
      [2 / 3, "renumbered rows", () => this.#renumber()],
      [1, "replacement with renumbered rows", () => this.#replaceFile(true)],
    ];
  }

  /** Finishes what was started, and reports it. */
  end(): WriterAccount {
    this.#runLater(Infinity);
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#db.close();
    const messages = this.#rows.map(({ rowId: _, chatId: __, isComplete: ___, tapbacks, ...message }) => ({
      ...message,
      reactions: tapbacks.map(({ reaction }) => reaction),
    }));
    return { messages, deleted: this.#deleted, done: this.#done };
  }

  #runLater(nowMs: number): void {
    const due = this.#later.filter(({ atMs }) => atMs <= nowMs);
    this.#later.splice(0, this.#later.length, ...this.#later.filter(({ atMs }) => atMs > nowMs));
    for (const { run } of due) run();
  }

  /** No two things happen in the same millisecond, so that times order them. */
  #nowMs(): number {
    this.#lastMs = Math.max(this.#lastMs + 1, Date.now());
    return this.#lastMs;
  }

  #addMessage(
    options: { sentAtMs?: number; joinAfterMs?: number; columns?: Columns; text?: string | null },
  ): Row {
    const chatId = 1 + Math.floor(this.#random() * (PEOPLE.length + 1));
    const isGroup = chatId > PEOPLE.length;
    const person = Math.floor(this.#random() * PEOPLE.length);
    const isFromMe = options.columns?.is_from_me === 1 || this.#random() < 0.4;
    const handleId = isGroup ? person + 1 : chatId;
    const text = options.text === undefined ? `message ${this.#count} 🎉` : options.text;
    const sentAtMs = options.sentAtMs ?? this.#nowMs();
    const guid = this.#guid();
    const rowId = this.#insert("message", {
      guid,
      attributedBody: encodeBody(text === null ? [{ attachmentGuid: `at_0_${guid}` }] : [text]),
      handle_id: isFromMe ? 0 : handleId,
      is_from_me: Number(isFromMe),
      is_sent: Number(isFromMe),
      service: "iMessage",
      account: `P:${ME}`,
      destination_caller_id: ME,
      date: appleTime(sentAtMs),
      part_count: 1,
      ...options.columns,
    });
    const row: Row = {
      rowId,
      chatId,
      guid,
      conversation: isGroup ? GROUP_ID : PEOPLE[chatId - 1] ?? "",
      sender: isFromMe ? null : PEOPLE[handleId - 1] ?? "",
      text,
      sentAtMs,
      editedAtMs: null,
      retractedAtMs: null,
      readAtMs: null,
      deliveredAtMs: null,
      attachments: [],
      reactions: [],
      isComplete: false,
      tapbacks: [],
    };
    this.#rows.push(row);
    if (options.joinAfterMs === undefined) this.#join(row);
    else this.#later.push({ atMs: Date.now() + options.joinAfterMs, run: () => this.#join(row) });
    return row;
  }

  #join(row: Row): void {
    this.#insert("chat_message_join", {
      chat_id: row.chatId,
      message_id: row.rowId,
      message_date: appleTime(row.sentAtMs),
    });
    row.isComplete = true;
  }

  #addPhoto(): void {
    const row = this.#addMessage({ text: null });
    row.isComplete = false;
    const guid = `at_0_${row.guid}`;
    row.attachments = [guid];
    this.#later.push({
      atMs: Date.now() + this.#random() * 300,
      run: () => {
        const values = { guid, original_guid: guid, transfer_name: "IMG.HEIC", mime_type: "image/heic" };
        const attachmentId = this.#insert("attachment", values);
        this.#insert("message_attachment_join", { message_id: row.rowId, attachment_id: attachmentId });
        row.isComplete = true;
      },
    });
  }

  #edit(row: Row | undefined, { withTimestamp }: { withTimestamp: boolean }): false | void {
    if (row === undefined || row.text === null) return false;
    row.text = `edited ${this.#count++} ✏️`;
    const atMs = this.#nowMs();
    if (withTimestamp) row.editedAtMs = atMs;
    this.#update(row.rowId, {
      text: null,
      attributedBody: encodeBody([row.text], { mutable: true }),
      ...(withTimestamp ? { date_edited: appleTime(atMs) } : {}),
    });
  }

  #unsend(row: Row | undefined): false | void {
    if (row === undefined || row.text === null) return false;
    const atMs = this.#nowMs();
    Object.assign(row, { text: null, editedAtMs: null, retractedAtMs: atMs });
    const gone = { text: null, attributedBody: null, part_count: 0, date_edited: appleTime(atMs) };
    this.#update(row.rowId, gone);
  }

  /** All that is unread in a conversation gets one and the same time, however old it is. */
  #readConversation(atMs: number): false | void {
    const chatId = 1 + Math.floor(this.#random() * (PEOPLE.length + 1));
    const unread = this.#rows.filter((row) =>
      row.chatId === chatId && row.sender !== null && row.readAtMs === null && row.isComplete
    );
    if (unread.length === 0) return false;
    this.#atomically(() => {
      for (const row of unread) {
        row.readAtMs = atMs;
        this.#update(row.rowId, { is_read: 1, date_read: appleTime(atMs) });
      }
    });
  }

  /** The other side's receipt. */
  #setTimestamp(row: Row | undefined, field: "readAtMs" | "deliveredAtMs"): false | void {
    if (row === undefined || row.sender !== null || row[field] !== null) return false;
    row[field] = this.#nowMs();
    const column = field === "readAtMs" ? "date_read" : "date_delivered";
    this.#update(row.rowId, { [column]: appleTime(row[field]), is_delivered: 1 });
  }

  #react(row: Row | undefined): false | void {
    const kindIndex = Math.floor(this.#random() * KINDS.length);
    const kind = KINDS[kindIndex] ?? "love";
    const person = Math.floor(this.#random() * (PEOPLE.length + 1));
    const sender = PEOPLE[person] ?? null;
    if (row === undefined) return false;
    if (row.tapbacks.some(({ reaction }) => reaction.kind === kind && reaction.sender === sender)) {
      return false;
    }
    const reaction = { kind, emoji: kind === "emoji" ? "🦀" : null, sender, reactedAtMs: this.#nowMs() };
    const guid = this.#guid();
    const rowId = this.#addTapback(row, reaction, { guid, type: 2_000 + kindIndex });
    row.tapbacks.push({ rowId, guid, reaction });
  }

  #takeBack(row: Row | undefined, { leavesRow }: { leavesRow: boolean }): false | void {
    const tapback = row?.tapbacks.pop();
    if (row === undefined || tapback === undefined) return false;
    this.#atomically(() => {
      this.#run("DELETE FROM chat_message_join WHERE message_id = ?", tapback.rowId);
      this.#run("DELETE FROM message WHERE ROWID = ?", tapback.rowId);
      if (!leavesRow) return;
      const type = 3_000 + KINDS.indexOf(tapback.reaction.kind);
      const reaction = { ...tapback.reaction, reactedAtMs: this.#nowMs() };
      this.#addTapback(row, reaction, { guid: this.#guid(), type });
    });
  }

  #addTapback(row: Row, reaction: WrittenReaction, { guid, type }: { guid: string; type: number }): number {
    const rowId = this.#insert("message", {
      guid,
      text: "Loved “a message”",
      handle_id: reaction.sender === null ? 0 : PEOPLE.indexOf(reaction.sender) + 1,
      is_from_me: Number(reaction.sender === null),
      date: appleTime(reaction.reactedAtMs),
      associated_message_guid: `p:0/${row.guid}`,
      associated_message_type: type,
      associated_message_emoji: reaction.emoji,
    });
    const message_date = appleTime(reaction.reactedAtMs);
    this.#insert("chat_message_join", { chat_id: row.chatId, message_id: rowId, message_date });
    return rowId;
  }

  #delete(row: Row | undefined): false | void {
    if (row === undefined) return false;
    this.#run("DELETE FROM message_attachment_join WHERE message_id = ?", row.rowId);
    this.#run("DELETE FROM chat_message_join WHERE message_id = ?", row.rowId);
    this.#forget(row);
  }

  #forget(row: Row): void {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    this.#deleted.push(row.guid);
  }

  /** A draft is no message until it is sent, under its ROWID. */
  #addDraft(): void {
    const planned = { schedule_type: 2, schedule_state: 1, is_sent: 0, is_from_me: 1 };
    const row = this.#addMessage({ columns: planned, sentAtMs: this.#nowMs() + 3_600_000 });
    row.isComplete = false;
    this.#later.push({
      atMs: Date.now() + 500 + this.#random() * 3_000,
      run: () => {
        row.sentAtMs = this.#nowMs();
        this.#update(row.rowId, { is_sent: 1, schedule_state: 2, date: appleTime(row.sentAtMs) });
        row.isComplete = true;
      },
    });
  }

  /** To Recently Deleted, and mostly back after a while. */
  #moveToRecentlyDeleted(row: Row | undefined): false | void {
    if (row === undefined) return false;
    row.isComplete = false;
    const move = (from: string, into: string, columns: string) =>
      this.#atomically(() => {
        const values = { chat_id: row.chatId, message_id: row.rowId, [columns]: appleTime(this.#nowMs()) };
        this.#insert(into, values);
        this.#run(`DELETE FROM ${from} WHERE message_id = ?`, row.rowId);
      });
    move("chat_message_join", "chat_recoverable_message_join", "delete_date");
    if (this.#random() < STAYS_PUT_AWAY) return this.#forget(row);
    this.#later.push({
      atMs: Date.now() + this.#random() * 2_000,
      run: () => {
        move("chat_recoverable_message_join", "chat_message_join", "message_date");
        row.isComplete = true;
      },
    });
  }

  /** Numbers the rows in a new order, all at once. */
  #renumber(): void {
    const known = this.#rows.flatMap((row) => [row, ...row.tapbacks]);
    const before = new Map(known.map((item) => [item.guid, item]));
    const order = this.#db.prepare("SELECT ROWID AS id, guid FROM message ORDER BY guid").all();
    this.#atomically(() => {
      for (const [index, { id, guid }] of order.entries()) {
        this.#moveRow(Number(id), -(index + 1));
        const item = before.get(String(guid));
        if (item !== undefined) item.rowId = index + 1;
      }
      for (const table of ROWID_COLUMNS.keys()) {
        this.#run(`UPDATE ${table} SET ${ROWID_COLUMNS.get(table)} = -${ROWID_COLUMNS.get(table)}`);
      }
      this.#run("UPDATE sqlite_sequence SET seq = ? WHERE name = 'message'", order.length);
    });
  }

  #moveRow(from: number, to: number): void {
    for (const [table, column] of ROWID_COLUMNS) {
      this.#run(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`, to, from);
    }
  }

  /** Puts a copy in the file's place, as a restore does. */
  #replaceFile(renumbers: boolean): void {
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#db.close();
    const copy = `${this.#path}.restored`;
    Deno.copyFileSync(this.#path, copy);
    if (renumbers) {
      this.#db = openForWriting(copy);
      this.#renumber();
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      this.#db.close();
    }
    for (const suffix of ["-wal", "-shm"]) {
      for (const path of [this.#path, copy]) if (exists(path + suffix)) Deno.removeSync(path + suffix);
    }
    Deno.renameSync(copy, this.#path);
    this.#db = openForWriting(this.#path);
  }

  #anyOf(rows: readonly Row[]): Row | undefined {
    const row = rows[Math.floor(this.#random() * rows.length)];
    return row?.isComplete ? row : undefined;
  }

  #recent(): Row[] {
    return this.#rows.slice(-RECENT_ROWS);
  }

  #guid(): string {
    const hex = (this.#count++).toString(16).padStart(8, "0").toUpperCase();
    return `${hex}-0000-4000-A000-${Math.floor(this.#random() * 2 ** 48).toString(16).padStart(12, "0")}`
      .toUpperCase();
  }

  #insert(table: string, row: Columns): number {
    const columns = Object.keys(row);
    const sql = `INSERT INTO ${table} (${columns}) VALUES (${columns.map(() => "?")})`;
    return Number(this.#db.prepare(sql).run(...Object.values(row)).lastInsertRowid);
  }

  #update(rowId: number, set: Columns): void {
    const columns = Object.keys(set).map((column) => `${column} = ?`);
    this.#run(`UPDATE message SET ${columns} WHERE ROWID = ?`, ...Object.values(set), rowId);
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#db.prepare(sql).run(...values);
  }

  #atomically(write: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    write();
    this.#db.exec("COMMIT");
  }
}

type Columns = Record<string, SQLInputValue>;

/** Columns that hold a ROWID of `message`. */
const ROWID_COLUMNS = new Map([
  ["message", "ROWID"],
  ["chat_message_join", "message_id"],
  ["chat_recoverable_message_join", "message_id"],
  ["message_attachment_join", "message_id"],
]);

/** A direct chat with each person, and a group of all. */
function createPeople(path: string): void {
  using db = createChatDb(path, { me: ME });
  for (const person of PEOPLE) db.addChat({ identifier: person });
  db.addChat({ identifier: "chat4242", participants: PEOPLE, displayName: "Climbers", groupId: GROUP_ID });
  db.close({ checkpoint: true });
}

function openForWriting(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  for (const name of APP_FUNCTIONS) db.function(name, { varargs: true }, () => null);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 10000");
  return db;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function appleTime(unixMs: number): bigint {
  return BigInt(unixMs - APPLE_EPOCH_MS) * 1_000_000n;
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

async function main([path = "", json = "{}"]: string[]): Promise<void> {
  const options: WriterOptions = { seed: 1, ...JSON.parse(json) };
  const { pauseMs = DEFAULT_PAUSE_MS, deedsAtOnce = 1, leastDeeds = 0 } = options;
  const writer = new Writer(path, options);
  let goesOn = true;
  Deno.stdin.readable.pipeTo(new WritableStream()).finally(() => goesOn = false);
  writeLine("ready");
  for (let deeds = 0; goesOn || deeds < leastDeeds;) {
    for (let turn = 0; turn < deedsAtOnce; turn++) deeds += Number(writer.act());
    await sleep(pauseMs);
  }
  writeLine(JSON.stringify(writer.end()));
}

if (import.meta.main) await main(Deno.args);
