/** Finds the reactions to messages: the tapbacks of each message, minus those that were removed. */
import type { ChatDatabase } from "../file/chat_database.ts";
import type { ChatDirectory } from "../chats/chat_directory.ts";
import { ASSOCIATED, targetGuidOf } from "./message_class.ts";
import { column, flag, type RowOf, rowTable } from "../file/schema.ts";
import { guidOf, integerOf, type Query, rawValue, unixMsOf, wordsOf } from "../file/sql_value.ts";

export type ReactionKind =
  | "love"
  | "like"
  | "dislike"
  | "laugh"
  | "emphasize"
  | "question"
  | "emoji"
  | "sticker";

/** A reaction to a message that was not removed. */
export interface MessageReaction {
  kind: ReactionKind;
  /** Of kind `emoji` only, and there only when the row names it. */
  emoji: string | null;
  /** Handle of the person; null for the owner. */
  sender: string | null;
  /** Unix time; null when the row has none. */
  reactedAtMs: number | null;
}

/** Kinds in the order of associated_message_type, from 2000 to add and from 3000 to remove. */
const KINDS: readonly ReactionKind[] = [
  "love",
  "like",
  "dislike",
  "laugh",
  "emphasize",
  "question",
  "emoji",
  "sticker",
];

/** Slots of the filter: a quarter of a megabyte, of which a hundred thousand tapbacks fill a third. */
const SLOTS = 2 ** 18;
/** Guids are random from their first character on. */
const PREFIX_LENGTH = 6;

const TAPBACK_ROWS = rowTable("message", {
  rowId: column("ROWID", integerOf),
  /** With the part of the message in front, so that reactions to different parts are kept apart. */
  target: column("associated_message_guid", guidOf),
  type: column("associated_message_type", integerOf),
  emoji: column("associated_message_emoji", wordsOf),
  handleId: column("handle_id", integerOf),
  date: column("date", rawValue),
  isFromMe: flag("is_from_me"),
});
type TapbackRow = RowOf<typeof TAPBACK_ROWS>;

interface Tapback {
  row: TapbackRow;
  isRemoval: boolean;
  reaction: MessageReaction;
}

/** Finds the reactions to a message. */
export class ReactionFinder {
  readonly #directory: ChatDirectory;
  readonly #selectTargets: Query;
  readonly #selectTapback: (rowId: number) => TapbackRow[];
  readonly #selectMaxRowId: Query;
  /** Null until it is first needed. */
  #tapbacks: TapbackIndex | null = null;
  #loadedRowId = 0;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    const { schema } = database;
    const hasTapbacks = schema.get("message")?.has("associated_message_guid") ?? false;
    this.#directory = directory;
    this.#selectMaxRowId = database.prepare("SELECT MAX(ROWID) FROM message");
    this.#selectTargets = hasTapbacks
      ? database.prepare(
        "SELECT ROWID, associated_message_guid FROM message WHERE associated_message_guid IS NOT NULL",
      )
      : () => [];
    this.#selectTapback = TAPBACK_ROWS.prepare(database, "message WHERE ROWID = ?");
  }

  /** Every tapback up to this row is known; later ones once they are noted. */
  get loadedRowId(): number {
    return this.#loadedRowId;
  }

  /** Loads the existing tapbacks, once; call it in the read transaction. */
  load(): void {
    if (this.#tapbacks !== null) return;
    this.#tapbacks = new TapbackIndex();
    this.#loadedRowId = integerOf(this.#selectMaxRowId()[0]?.[0]);
    for (const [rowId, guid] of this.#selectTargets()) {
      this.#tapbacks.add(targetGuidOf(guidOf(guid)), integerOf(rowId));
    }
  }

  /** Forgets every tapback, so that all are loaded again. */
  forget(): void {
    this.#tapbacks = null;
    this.#loadedRowId = 0;
  }

  /** Adds a tapback found while reading. */
  note(rowId: number, targetGuid: string): void {
    if (rowId > this.#loadedRowId) this.#tapbacks?.add(targetGuid, rowId);
  }

  /** The tapbacks whose rows are gone: the message of each, by its ROWID. Call it in a read transaction. */
  deleted(): Map<number, string> {
    const present = new Set(this.#selectTargets().map(([rowId]) => integerOf(rowId)));
    return this.#tapbacks?.without(present) ?? new Map();
  }

  /** Forgets tapbacks whose rows are gone. */
  forgetDeleted(deleted: ReadonlyMap<number, string>): void {
    for (const [rowId, guid] of deleted) this.#tapbacks?.remove(guid, rowId);
  }

  /** The reactions to a message that were not removed, oldest first. */
  reactionsTo(guid: string): MessageReaction[] {
    const rowIds = this.#tapbacks?.rowIdsOf(guid) ?? [];
    if (rowIds.length === 0) return [];
    const tapbacks = rowIds.flatMap((rowId) => {
      const tapback = this.#read(rowId);
      return tapback !== null && targetGuidOf(tapback.row.target) === guid ? [tapback] : [];
    });
    return remaining(tapbacks.sort(byTime));
  }

  /** Null when the row is gone, is no tapback, or does not name its sender. */
  #read(rowId: number): Tapback | null {
    const [row] = this.#selectTapback(rowId);
    if (row === undefined) return null;
    const isRemoval = row.type >= ASSOCIATED.firstRemoval;
    const kind = KINDS[row.type - (isRemoval ? ASSOCIATED.firstRemoval : ASSOCIATED.firstTapback)];
    const sender = this.#senderOf(row);
    if (kind === undefined || sender === undefined) return null;
    const emoji = kind === "emoji" ? row.emoji : null;
    return { row, isRemoval, reaction: { kind, emoji, sender, reactedAtMs: unixMsOf(row.date) } };
  }

  /** Null for the owner; undefined when the row names nobody, who must not be taken for the owner. */
  #senderOf({ isFromMe, handleId }: TapbackRow): string | null | undefined {
    return isFromMe ? null : this.#directory.handle(handleId) ?? undefined;
  }
}

function byTime(a: Tapback, b: Tapback): number {
  return (a.reaction.reactedAtMs ?? 0) - (b.reaction.reactedAtMs ?? 0) || a.row.rowId - b.row.rowId;
}

/** Adds minus removals. A removal without an emoji removes all emoji of its sender on that part. */
function remaining(tapbacks: readonly Tapback[]): MessageReaction[] {
  const open: Tapback[] = [];
  for (const tapback of tapbacks) {
    const rest = open.filter((other) => !replaces(tapback, other));
    open.splice(0, open.length, ...rest);
    if (!tapback.isRemoval) open.push(tapback);
  }
  const byMeaning = new Map(open.toReversed().map(({ reaction }) => [meaningOf(reaction), reaction]));
  return [...byMeaning.values()].reverse();
}

/** True for the removal of a reaction; a repeated one replaces the first as well. */
function replaces(tapback: Tapback, earlier: Tapback): boolean {
  const [{ kind, emoji, sender }, other] = [tapback.reaction, earlier.reaction];
  const isSameKind = earlier.row.target === tapback.row.target && other.sender === sender &&
    other.kind === kind;
  return isSameKind && (other.emoji === emoji || (tapback.isRemoval && emoji === null));
}

/** The same reaction to two parts of a message is one reaction to the message. */
function meaningOf({ kind, emoji, sender }: MessageReaction): string {
  return JSON.stringify([kind, emoji, sender]);
}

/**
 * ROWIDs of the tapbacks of each message, by its guid. Every message that is read is looked up and most have none, so
 * a filter by the first characters answers first: hashing entire guids for the map took a tenth of the reader's time.
 */
class TapbackIndex {
  readonly #rowIds = new Map<string, number[]>();
  readonly #filter = new Uint8Array(SLOTS);

  add(guid: string, rowId: number): void {
    this.#filter[slotOf(guid)] = 1;
    const known = this.#rowIds.get(guid);
    if (known === undefined) this.#rowIds.set(guid, [rowId]);
    else if (!known.includes(rowId)) known.push(rowId);
  }

  remove(guid: string, rowId: number): void {
    const left = (this.#rowIds.get(guid) ?? []).filter((other) => other !== rowId);
    if (left.length > 0) this.#rowIds.set(guid, left);
    else this.#rowIds.delete(guid);
  }

  /** The tapbacks at none of these rows: the message of each, by its ROWID. */
  without(rowIds: ReadonlySet<number>): Map<number, string> {
    const missing = new Map<number, string>();
    for (const [guid, own] of this.#rowIds) {
      for (const rowId of own) if (!rowIds.has(rowId)) missing.set(rowId, guid);
    }
    return missing;
  }

  /** In the order they were added. */
  rowIdsOf(guid: string): readonly number[] {
    return this.#filter[slotOf(guid)] === 0 ? [] : this.#rowIds.get(guid) ?? [];
  }
}

function slotOf(guid: string): number {
  let slot = 0;
  for (let i = 0; i < PREFIX_LENGTH; i++) slot = slot * 31 + guid.charCodeAt(i) | 0;
  return slot & (SLOTS - 1);
}
