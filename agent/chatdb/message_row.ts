/** Owns the row of `message` that the reader works on: the columns it needs, the same for every schema. */
import { editSummaryColumn } from "./edit_history.ts";
import { type Schema, selectList } from "./schema.ts";
import { addressOf, bytesOf, integerOf, type SqlRow, type SqlValue, textOf, wordsOf } from "./sql_value.ts";

/** Columns in the order of `messageRowOf`. */
const COLUMNS = [
  "ROWID",
  "guid",
  "text",
  "attributedBody",
  "handle_id",
  "date",
  "service",
  "account",
  "destination_caller_id",
  "subject",
  "item_type",
  "associated_message_type",
  "balloon_bundle_id",
  "thread_originator_guid",
  "date_edited",
  "date_retracted",
  "part_count",
  "schedule_type",
  "cache_roomnames",
  "associated_message_guid",
  "filter_action",
];
/** Yes-or-no columns, selected as the bits of one number: each column of its own costs as much as a short text. */
const FLAGS = [
  "is_from_me",
  "is_system_message",
  "is_service_message",
  "is_audio_message",
  "is_sent",
  "is_spam",
];
const FLAG = { fromMe: 1, system: 2 | 4, audio: 8, sent: 16, spam: 32 };
const EDIT_SUMMARY = "message_summary_info";

/** A row of `message`; flags and counts that are absent or NULL are 0, times are as Apple stores them. */
export interface MessageRow {
  rowId: number;
  guid: string;
  text: string | null;
  attributedBody: Uint8Array | null;
  handleId: number;
  isFromMe: boolean;
  date: SqlValue;
  service: string | null;
  account: string | null;
  destinationCallerId: string | null;
  subject: string | null;
  itemType: number;
  isSystem: boolean;
  associatedType: number;
  balloonBundleId: string | null;
  isAudio: boolean;
  threadOriginatorGuid: string | null;
  dateEdited: SqlValue;
  dateRetracted: SqlValue;
  partCount: number;
  scheduleType: number;
  isSent: boolean;
  roomName: string | null;
  associatedGuid: string | null;
  isSpam: boolean;
  filterAction: number;
  /** `message_summary_info` where it tells of an edit or an unsend. */
  editSummary: Uint8Array | null;
}

/** The list of columns to select for `messageRowOf`, from a query over `message`. */
export function messageRowColumns(schema: Schema): string {
  const present = schema.get("message");
  const flags = FLAGS.map((flag, bit) => present?.has(flag) ? `((message.${flag} IS TRUE) << ${bit})` : "0");
  const summary = present?.has(EDIT_SUMMARY) ? editSummaryColumn(`message.${EDIT_SUMMARY}`) : "NULL";
  return [selectList(schema, { table: "message", columns: COLUMNS }), flags.join(" | "), summary].join(", ");
}

/** Names the values of a row selected with `messageRowColumns`. */
export function messageRowOf(row: SqlRow): MessageRow {
  const flags = integerOf(row[21]);
  return {
    rowId: integerOf(row[0]),
    guid: textOf(row[1]) ?? "",
    text: wordsOf(row[2]),
    attributedBody: bytesOf(row[3]),
    handleId: integerOf(row[4]),
    isFromMe: (flags & FLAG.fromMe) !== 0,
    date: row[5] ?? null,
    service: textOf(row[6]),
    account: textOf(row[7]),
    destinationCallerId: addressOf(row[8]),
    subject: wordsOf(row[9]),
    itemType: integerOf(row[10]),
    isSystem: (flags & FLAG.system) !== 0,
    associatedType: integerOf(row[11]),
    balloonBundleId: textOf(row[12]),
    isAudio: (flags & FLAG.audio) !== 0,
    threadOriginatorGuid: textOf(row[13]),
    dateEdited: row[14] ?? null,
    dateRetracted: row[15] ?? null,
    partCount: integerOf(row[16]),
    scheduleType: integerOf(row[17]),
    isSent: (flags & FLAG.sent) !== 0,
    roomName: textOf(row[18]),
    associatedGuid: textOf(row[19]),
    isSpam: (flags & FLAG.spam) !== 0,
    filterAction: integerOf(row[20]),
    editSummary: bytesOf(row[22]),
  };
}
