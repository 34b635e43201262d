/** Owns the sync of messages: reads on from the cursor, sends, and moves the cursor past what was acknowledged. */
import type { SyncMessagesResponse } from "../../contract/sync.ts";
import { countRowsAfter } from "../chatdb/backlog.ts";
import type { ChatDatabase } from "../chatdb/chat_database.ts";
import { readDatabaseIdentity } from "../chatdb/identity.ts";
import type { ChatMessage } from "../chatdb/chat_message.ts";
import { MessageReader } from "../chatdb/message_reader.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { StateFile } from "../platform/state_file.ts";
import { concurrently } from "./concurrently.ts";
import { byConversation, conversationBatchesOf, type OutgoingMessage } from "./conversation_batch.ts";
import { deliver, type Refusal } from "./delivery.ts";
import { type GatheredMessages, gatherMessages } from "./message_gathering.ts";
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
  /** Called before the first row is read, and after each acknowledged round. */
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** About how many messages are sent and acknowledged at a time. */
  roundMessages?: number;
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
    let round = this.#gather(rowId);
    while (true) {
      await this.#send(round.messages);
      await this.#acknowledge(round);
      rowsDone += round.rows;
      onProgress?.({ rowsDone, rowsTotal });
      if (!round.hasMore) break;
      round = this.#gather(round.lastRowId);
    }
    return { restart, ...this.#totals, refused: this.#refusals.total, heldBack: round.heldBack };
  }

  /** What was refused before a restart is tried again. */
  async #forget(restart: RestartReason): Promise<void> {
    const { cursors, records } = this.#options;
    if (restart === "cursor_broken") await cursors.setAside();
    await records.save({ ...await loadRecord(records), refused: [] });
  }

  #gather(rowId: number): GatheredMessages {
    const { roundMessages, now = Date.now } = this.#options;
    return gatherMessages(this.#reader, rowId, { nowMs: now(), messages: roundMessages });
  }

  async #send(messages: readonly ChatMessage[]): Promise<void> {
    await concurrently(byConversation(messages), (own) => this.#sendConversation(own), {
      limit: CONVERSATIONS_AT_ONCE,
    });
  }

  async #sendConversation(own: readonly ChatMessage[]): Promise<void> {
    for (const { conversation, messages } of conversationBatchesOf(own)) {
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
  async #acknowledge({ lastRowId, skipped, undecodable }: GatheredMessages): Promise<void> {
    const { cursors, database, records, syncTarget } = this.#options;
    await addRefused(records, this.#refusals.take());
    await cursors.save({ syncTarget, database: readDatabaseIdentity(database, lastRowId) });
    this.#totals.skipped += skipped;
    this.#totals.undecodable += undecodable;
  }
}

function refusedMessage({ rowId, wire }: OutgoingMessage, { code, path }: Refusal): RefusedItem {
  return { kind: "message", rowId, digest: digestOf(wire.imessageGuid), code, path };
}

/**
 * Sends every message after the cursor, until none is left.
 *
 * The cursor is stored after each round that the server has acknowledged whole. Ended at any point, the next sync
 * repeats at most one round, which the server recognises by its guids.
 *
 * @throws ChatDatabaseError when chat.db cannot be read, and what `ServerClient` throws; the cursor then stands at
 * the last acknowledged round
 */
export function syncMessages(options: MessageSyncOptions): Promise<MessageSyncReport> {
  return new MessageSync(options).run();
}
