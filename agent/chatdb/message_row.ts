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
  "is_from_me",
  "date",
  "service",
  "account",
  "destination_caller_id",
  "subject",
  "item_type",
  "is_system_message",
  "is_service_message",
  "associated_message_type",
  "balloon_bundle_id",
  "is_audio_message",
  "thread_originator_guid",
  "date_edited",
  "date_retracted",
  "part_count",
  "schedule_type",
  "is_sent",
  "cache_roomnames",
  "associated_message_guid",
  "is_spam",
  "filter_action",
];
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
  const columns = selectList(schema, { table: "message", columns: COLUMNS });
  const hasSummary = schema.get("message")?.has(EDIT_SUMMARY) ?? false;
  return `${columns}, ${hasSummary ? editSummaryColumn(`message.${EDIT_SUMMARY}`) : "NULL"}`;
}

/** Names the values of a row selected with `messageRowColumns`. */
export function messageRowOf(row: SqlRow): MessageRow {
  return {
    rowId: integerOf(row[0]),
    guid: textOf(row[1]) ?? "",
    text: wordsOf(row[2]),
    attributedBody: bytesOf(row[3]),
    handleId: integerOf(row[4]),
    isFromMe: integerOf(row[5]) !== 0,
    date: row[6] ?? null,
    service: textOf(row[7]),
    account: textOf(row[8]),
    destinationCallerId: addressOf(row[9]),
    subject: wordsOf(row[10]),
    itemType: integerOf(row[11]),
    isSystem: integerOf(row[12]) !== 0 || integerOf(row[13]) !== 0,
    associatedType: integerOf(row[14]),
    balloonBundleId: textOf(row[15]),
    isAudio: integerOf(row[16]) !== 0,
    threadOriginatorGuid: textOf(row[17]),
    dateEdited: row[18] ?? null,
    dateRetracted: row[19] ?? null,
    partCount: integerOf(row[20]),
    scheduleType: integerOf(row[21]),
    isSent: integerOf(row[22]) !== 0,
    roomName: textOf(row[23]),
    associatedGuid: textOf(row[24]),
    isSpam: integerOf(row[25]) !== 0,
    filterAction: integerOf(row[26]),
    editSummary: bytesOf(row[27]),
  };
}
