/** Decides what each row is: a message, a row to skip, or one that Messages is still writing. */
import type { ChatDatabase } from "../file/chat_database.ts";
import type { ChatDirectory } from "../chats/chat_directory.ts";
import { type ChatMessage, isEmptyMessage, lacksFiles, messageRecord } from "./chat_message.ts";
import { DuplicateFinder } from "./duplicate_rows.ts";
import { balloonWords } from "../body/balloon_words.ts";
import { type EditHistory, editHistoryFinder, editHistoryOf } from "../body/edit_history.ts";
import { type AttachmentFinder, attachmentFinder, type MessageAttachment } from "./message_attachments.ts";
import { type ChatFinder, chatFinder, chatOfMessage } from "../chats/message_chats.ts";
import { type SkipReason, skipReasonOf, tapbackTargetOf } from "./message_class.ts";
import type { MessageRow } from "./message_row.ts";
import { isPlaceholderOnly, type MessageText, messageTextOf } from "../body/message_text.ts";
import { ReactionFinder } from "./reactions.ts";
import { bytesOf, cleanText, type Query, unixMsOf } from "../file/sql_value.ts";

/**
 * What a row is. `skipped` rows are no messages of their own; `targetGuid` is the message that a tapback
 * belongs to. `incomplete` rows are to be read again a little later.
 */
export type RowOutcome =
  | { readonly kind: "message"; readonly message: ChatMessage; readonly isUndecodable: boolean }
  | { readonly kind: "skipped"; readonly reason: SkipReason; readonly targetGuid: string | null }
  | { readonly kind: "incomplete" };

export type RowVisitor = (row: MessageRow, outcome: RowOutcome) => void;

export interface RowReadOptions {
  nowMs: number;
  /** Rows up to this one are final: what they lack will not come. */
  finalRowId: number;
  /** Rows dated up to this Unix time are final as well: what they still lack changes them when it comes. */
  finalUntilMs: number;
}

interface RowContext extends RowReadOptions {
  chatId: number | null;
  isJoined: boolean;
  files: MessageAttachment[];
}

/** Reads rows with what belongs to them. Call it in a read transaction, with the directory refreshed. */
export class RowReader {
  readonly reactions: ReactionFinder;
  readonly #directory: ChatDirectory;
  readonly #selectRecentlyDeleted: Query;
  readonly #findChats: ChatFinder;
  readonly #findAttachments: AttachmentFinder;
  readonly #duplicates: DuplicateFinder;
  /** Few rows are balloons without words, and payloads are large. */
  readonly #selectPayload: Query;
  readonly #editsOf: (rowId: number) => EditHistory | null;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    this.#directory = directory;
    this.reactions = new ReactionFinder(database, directory);
    this.#duplicates = new DuplicateFinder(database, directory);
    this.#findChats = chatFinder(database);
    this.#findAttachments = attachmentFinder(database);
    this.#editsOf = editHistoryFinder(database);
    this.#selectPayload = database.schema.get("message")?.has("payload_data")
      ? database.prepare("SELECT payload_data FROM message WHERE ROWID = ?")
      : () => [];
    this.#selectRecentlyDeleted = database.schema.has("chat_recoverable_message_join")
      ? database.prepare("SELECT 1 FROM chat_recoverable_message_join WHERE message_id = ? LIMIT 1")
      : () => [];
  }

  /**
   * Visits the outcome of each row in turn. A generator would cost a tenth of the reader's speed.
   *
   * @param rows in the order of their ROWIDs
   */
  read(rows: readonly MessageRow[], options: RowReadOptions & { visit: RowVisitor }): void {
    const { visit, nowMs, finalRowId, finalUntilMs } = options;
    const range = [rows[0]?.rowId ?? 0, rows.at(-1)?.rowId ?? 0] as const;
    const joined = this.#findChats(...range);
    const filesOf = this.#findAttachments(...range);
    for (const row of rows) {
      const chats = joined.get(row.rowId);
      // Asked for every row: the usual case comes without a call.
      const { roomName } = row;
      const isPlain = typeof chats === "number" &&
        (roomName === null || this.#directory.chatOfRoom(roomName) === chats);
      const chatId = isPlain ? chats : chatOfMessage({ roomName, chats }, this.#directory);
      const files = filesOf.get(row.rowId) ?? [];
      const isJoined = chats !== undefined;
      const context = { nowMs, finalRowId, finalUntilMs, chatId, isJoined, files };
      visit(row, this.#read(row, context));
    }
  }

  #read(row: MessageRow, context: RowContext): RowOutcome {
    const { nowMs, finalRowId, finalUntilMs, chatId, isJoined, files } = context;
    const sentAtMs = unixMsOf(row.date);
    // Messages gives each row its date when it inserts it: one without a date is no new one.
    const isFinal = row.rowId <= finalRowId || sentAtMs === null || sentAtMs <= finalUntilMs;
    const reason = skipReasonOf(row, { sentAtMs, nowMs });
    if (reason !== null) return this.#skip(row, reason);
    if (chatId === null && !isJoined) {
      if (this.#selectRecentlyDeleted(row.rowId).length > 0) return skipped("recently_deleted");
      if (!isFinal) return { kind: "incomplete" };
    }
    if (row.isFiltered || this.#directory.isHidden(chatId)) return skipped("junk");
    const reactions = this.reactions.reactionsTo(row.guid);
    const history = row.editSummary && editHistoryOf(row.editSummary);
    const contents = { row, chatId, body: this.#bodyOf(row, history), sentAtMs, files, reactions, history };
    const isEmpty = isEmptyMessage(contents);
    if (isEmpty && row.isService) return skipped("system");
    if (!isFinal && (isEmpty || lacksFiles(contents))) return { kind: "incomplete" };
    if (isEmpty) return skipped("empty");
    const message = messageRecord(contents, this.#directory);
    const { conversation } = message;
    const duplicate = conversation === null
      ? null
      : this.#duplicates.reasonOf(row, { conversation, text: contents.body.text });
    if (duplicate !== null) return skipped(duplicate);
    return { kind: "message", message, isUndecodable: contents.body.isUndecodable };
  }

  /** The words of a row: its own, else those that only its edits or its balloon still hold. */
  #bodyOf(row: MessageRow, history: EditHistory | null): MessageText {
    const body = messageTextOf(row);
    const isReadable = body.text !== "" && !isPlaceholderOnly(body.text);
    if (isReadable || unixMsOf(row.dateRetracted) !== null) return body;
    const edits = history ?? (row.dateEdited === null ? null : this.#editsOf(row.rowId));
    const words = edits?.text ?? (row.balloonBundleId === null ? null : this.#balloonWords(row.rowId));
    return words ? { text: cleanText(words), isUndecodable: false } : body;
  }

  #balloonWords(rowId: number): string | null {
    const payload = bytesOf(this.#selectPayload(rowId)[0]?.[0]);
    return payload === null ? null : balloonWords(payload);
  }

  #skip(row: MessageRow, reason: SkipReason): RowOutcome {
    const targetGuid = tapbackTargetOf(row);
    if (targetGuid !== null) this.reactions.note(row.rowId, targetGuid);
    return skipped(reason, targetGuid);
  }
}

function skipped(reason: SkipReason, targetGuid: string | null = null): RowOutcome {
  return { kind: "skipped", reason, targetGuid };
}
