/** Owns the sync of messages: reads on from the cursor, sends, and moves the cursor past what was acknowledged. */
import type { SyncMessagesResponse } from "../../contract/sync.ts";
import { countRowsAfter } from "../chatdb/backlog.ts";
import type { ChatDatabase } from "../chatdb/chat_database.ts";
import { readDatabaseIdentity } from "../chatdb/identity.ts";
import { type MessageBatch, MessageReader } from "../chatdb/message_reader.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { StateFile } from "../platform/state_file.ts";
import { concurrently } from "./concurrently.ts";
import { type ConversationBatch, conversationBatchesOf, type OutgoingMessage } from "./conversation_batch.ts";
import { deliver, type Refusal } from "./delivery.ts";
import { Refusals } from "./refusals.ts";
import { type RestartReason, type SyncCursor, syncStart } from "./sync_cursor.ts";
import { addRefused, loadRecord, type RefusedItem, type SyncRecord } from "./sync_record.ts";
import { digestOf } from "./wire_text.ts";

export interface MessageSyncOptions {
  server: ServerClient;
  database: ChatDatabase;
  /** The account behind the pairing; see `ActivePairing`. */
  syncTarget: string;
  cursors: StateFile<SyncCursor>;
  records: StateFile<SyncRecord>;
  /** Called before the first row is read, and after each acknowledged batch. */
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** Rows read at once. */
  batchRows?: number;
}

export interface MessageProgress {
  readonly rowsDone: number;
  /** Rows that waited when the sync began. */
  readonly rowsTotal: number;
}

export interface MessageSyncReport {
  readonly restart: RestartReason | null;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly refused: number;
  /** Rows that are no messages of their own, such as tapbacks and notes of the system. */
  readonly skipped: number;
  /** Messages sent without words because their body could not be decoded. */
  readonly undecodable: number;
  /** True when the last rows were left for the next sync, because Messages may still be writing them. */
  readonly heldBack: boolean;
}

type Totals = { -readonly [Key in "inserted" | "updated" | "unchanged" | "skipped" | "undecodable"]: number };

const DEFAULT_BATCH_ROWS = 2_000;
/** Conversations sent at a time: hides the way to the server without crowding it. */
const CONVERSATIONS_AT_ONCE = 4;

/** One run from the cursor to the end of the database. */
class MessageSync {
  readonly #options: MessageSyncOptions;
  readonly #reader: MessageReader;
  readonly #refusals = new Refusals();
  readonly #totals: Totals = { inserted: 0, updated: 0, unchanged: 0, skipped: 0, undecodable: 0 };

  constructor(options: MessageSyncOptions) {
    this.#options = options;
    this.#reader = new MessageReader(options.database);
  }

  async run(): Promise<MessageSyncReport> {
    const { cursors, database, onProgress } = this.#options;
    const { rowId, restart } = await syncStart(cursors, this.#options);
    if (restart !== null) await this.#forget(restart);
    const rowsTotal = countRowsAfter(database, rowId);
    let rowsDone = 0;
    onProgress?.({ rowsDone, rowsTotal });
    let batch = this.#read(rowId);
    while (true) {
      await this.#send(batch);
      await this.#acknowledge(batch);
      rowsDone += batch.messages.length + skippedIn(batch);
      onProgress?.({ rowsDone, rowsTotal });
      if (!batch.hasMore) break;
      batch = this.#read(batch.lastRowId);
    }
    const heldBack = batch.heldBackRowId !== null;
    return { restart, ...this.#totals, refused: this.#refusals.total, heldBack };
  }

  /** What was refused before a restart is tried again. */
  async #forget(restart: RestartReason): Promise<void> {
    const { cursors, records } = this.#options;
    if (restart === "cursor_broken") await cursors.setAside();
    await records.save({ ...await loadRecord(records), refused: [] });
  }

  #read(rowId: number): MessageBatch {
    const { batchRows = DEFAULT_BATCH_ROWS, now = Date.now } = this.#options;
    return this.#reader.readAfter(rowId, { limit: batchRows, nowMs: now() });
  }

  async #send(batch: MessageBatch): Promise<void> {
    const conversations = conversationBatchesOf(batch.messages);
    await concurrently(conversations, (batches) => this.#sendConversation(batches), {
      limit: CONVERSATIONS_AT_ONCE,
    });
  }

  async #sendConversation(batches: readonly ConversationBatch[]): Promise<void> {
    for (const { conversation, messages } of batches) {
      await deliver(messages, {
        field: "messages",
        send: async (items) => {
          const wires = items.map(({ wire }) => wire);
          this.#count(await this.#options.server.syncMessages({ ...conversation, messages: wires }));
        },
        refuse: (items, refusal) => this.#refusals.add(items.map((item) => refusedMessage(item, refusal))),
      });
    }
  }

  #count(answer: SyncMessagesResponse): void {
    this.#refusals.noteAccepted();
    this.#totals.inserted += answer.inserted;
    this.#totals.updated += answer.updated;
    this.#totals.unchanged += answer.unchanged;
  }

  /** Refusals are on the disk before the cursor moves past them, so that none is ever lost unseen. */
  async #acknowledge(batch: MessageBatch): Promise<void> {
    const { cursors, database, records, syncTarget } = this.#options;
    await addRefused(records, this.#refusals.take());
    await cursors.save({ syncTarget, database: readDatabaseIdentity(database, batch.lastRowId) });
    this.#totals.skipped += skippedIn(batch);
    this.#totals.undecodable += batch.undecodableCount;
  }
}

function skippedIn(batch: MessageBatch): number {
  return Object.values(batch.skipped).reduce((sum, count) => sum + count, 0);
}

function refusedMessage({ rowId, wire }: OutgoingMessage, { code, path }: Refusal): RefusedItem {
  return { kind: "message", rowId, digest: digestOf(wire.imessageGuid), code, path };
}

/**
 * Sends every message after the cursor, until none is left.
 *
 * The cursor is stored after each batch of rows that the server has acknowledged whole. Ended at any point, the
 * next sync repeats at most one batch, which the server recognises by its guids.
 *
 * @throws ChatDatabaseError when chat.db cannot be read, and what `ServerClient` throws; the cursor then stands at
 * the last acknowledged batch
 */
export function syncMessages(options: MessageSyncOptions): Promise<MessageSyncReport> {
  return new MessageSync(options).run();
}
