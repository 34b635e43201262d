/** Owns the row of `message` that the reader works on: the columns it needs, the same for every schema. */
import { editSummaryColumn } from "../body/edit_history.ts";
import type { TimestampColumns } from "./row_timestamps.ts";
import { type Schema, selectList } from "../file/schema.ts";
import {
  addressOf,
  bytesOf,
  integerOf,
  type SqlRow,
  type SqlValue,
  textOf,
  wordsOf,
} from "../file/sql_value.ts";

/** Columns in the order of `messageRowOf`; flags and summary come after them. */
const COLUMNS = [
  "ROWID",
  "guid",
  "text",
  "attributedBody",
  "handle_id",
  "date",
  "account",
  "destination_caller_id",
  "subject",
  "associated_message_type",
  "balloon_bundle_id",
  "thread_originator_guid",
  "date_edited",
  "date_retracted",
  "date_read",
  "date_delivered",
  "cache_roomnames",
  "associated_message_guid",
] as const;

/**
 * Yes-or-no questions, selected as the bits of one number, because each value costs as much as a short text. Yes, when
 * one of the columns is neither 0 nor NULL; an absent column says no.
 */
const FLAG = {
  isFromMe: { bit: 1, columns: ["is_from_me"] },
  isSystem: { bit: 2, columns: ["item_type", "is_system_message", "is_service_message"] },
  isAudio: { bit: 4, columns: ["is_audio_message"] },
  isSent: { bit: 8, columns: ["is_sent"] },
  isScheduled: { bit: 16, columns: ["schedule_type"] },
  hasParts: { bit: 32, columns: ["part_count"] },
  /** Values of filter_action: 0 and 1 are unfiltered and allowed ones; junk, promotions, transactions follow. */
  isFiltered: { bit: 64, columns: ["is_spam", "filter_action > 1"] },
} as const;

/** A row of `message`; flags and counts that are absent or NULL are 0, times are as Apple stores them. */
export interface MessageRow extends TimestampColumns {
  rowId: number;
  guid: string;
  text: string | null;
  attributedBody: Uint8Array | null;
  handleId: number;
  date: SqlValue;
  account: string | null;
  destinationCallerId: string | null;
  subject: string | null;
  associatedType: number;
  balloonBundleId: string | null;
  threadOriginatorGuid: string | null;
  dateRetracted: SqlValue;
  roomName: string | null;
  associatedGuid: string | null;
  isFromMe: boolean;
  /** A note of Messages itself, such as a change of a group. */
  isSystem: boolean;
  isAudio: boolean;
  isSent: boolean;
  /** Written to be sent later, whether or not it has been by now. */
  isScheduled: boolean;
  /** False for an unsent message, and in databases from before edits. */
  hasParts: boolean;
  /** Spam, or sorted out by a filter; a whole chat may be so too. */
  isFiltered: boolean;
  /** `message_summary_info` where it tells of an edit without a stamp, or of an unsend. */
  editSummary: Uint8Array | null;
}

/** The list of columns to select for `messageRowOf`, from a query over `message`. */
export function messageRowColumns(schema: Schema): string {
  const present = schema.get("message") ?? new Set();
  const flags = Object.values(FLAG).map(({ bit, columns }) => {
    const conditions = columns.filter((condition) => present.has(condition.split(" ", 1)[0] ?? ""))
      .map((condition) => `message.${condition}`);
    return conditions.length === 0 ? "0" : `((${conditions.join(" OR ")}) IS TRUE) * ${bit}`;
  });
  const summary = editSummaryColumn(present, "message");
  return [selectList(schema, { table: "message", columns: COLUMNS }), flags.join(" + "), summary].join(", ");
}

/** Names the values of a row selected with `messageRowColumns`. */
export function messageRowOf(row: SqlRow): MessageRow {
  const flags = integerOf(row[18]);
  return {
    rowId: integerOf(row[0]),
    guid: textOf(row[1]) ?? "",
    text: wordsOf(row[2]),
    attributedBody: bytesOf(row[3]),
    handleId: integerOf(row[4]),
    date: row[5] ?? null,
    account: textOf(row[6]),
    destinationCallerId: addressOf(row[7]),
    subject: wordsOf(row[8]),
    associatedType: integerOf(row[9]),
    balloonBundleId: textOf(row[10]),
    threadOriginatorGuid: textOf(row[11]),
    dateEdited: row[12] ?? null,
    dateRetracted: row[13] ?? null,
    dateRead: row[14] ?? null,
    dateDelivered: row[15] ?? null,
    roomName: textOf(row[16]),
    associatedGuid: textOf(row[17]),
    isFromMe: (flags & FLAG.isFromMe.bit) !== 0,
    isSystem: (flags & FLAG.isSystem.bit) !== 0,
    isAudio: (flags & FLAG.isAudio.bit) !== 0,
    isSent: (flags & FLAG.isSent.bit) !== 0,
    isScheduled: (flags & FLAG.isScheduled.bit) !== 0,
    hasParts: (flags & FLAG.hasParts.bit) !== 0,
    isFiltered: (flags & FLAG.isFiltered.bit) !== 0,
    editSummary: bytesOf(row[19]),
  };
}
