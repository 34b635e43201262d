/** Describes the rows of `message` that the reader works on: one line per field, the same for every schema. */
import { editSummaryColumn } from "../body/edit_history.ts";
import { column, expression, flag, type RowOf, rowTable } from "../file/schema.ts";
import { addressOf, bytesOf, guidOf, integerOf, rawValue, textOf, wordsOf } from "../file/sql_value.ts";
import { TIMESTAMP_COLUMNS } from "./row_timestamps.ts";

/** Flags and counts that are absent or NULL are false and 0; times are as Apple stores them. */
export const MESSAGE_ROWS = rowTable("message", {
  rowId: column("ROWID", integerOf),
  guid: column("guid", guidOf),
  text: column("text", wordsOf),
  attributedBody: column("attributedBody", bytesOf),
  handleId: column("handle_id", integerOf),
  date: column("date", rawValue),
  account: column("account", textOf),
  destinationCallerId: column("destination_caller_id", addressOf),
  subject: column("subject", wordsOf),
  associatedType: column("associated_message_type", integerOf),
  associatedGuid: column("associated_message_guid", textOf),
  balloonBundleId: column("balloon_bundle_id", textOf),
  threadOriginatorGuid: column("thread_originator_guid", textOf),
  roomName: column("cache_roomnames", textOf),
  ...TIMESTAMP_COLUMNS,
  dateRetracted: column("date_retracted", rawValue),
  /** `message_summary_info` where it records an edit without a timestamp, or an unsend. */
  editSummary: expression(editSummaryColumn, bytesOf),
  isFromMe: flag("is_from_me"),
  /** A notice from Messages itself, such as a change of a group. */
  isSystem: flag("item_type"),
  /** Of the system or of a service, perhaps with words. */
  isService: flag("is_system_message", "is_service_message"),
  isAudio: flag("is_audio_message"),
  isSent: flag("is_sent"),
  /** Not delivered (22), or another error of sending. */
  hasError: flag("error"),
  /** Written to be sent later, whether or not it has been by now. */
  isScheduled: flag("schedule_type"),
  /** False for an unsent message, and in databases from before edits. */
  hasParts: flag("part_count"),
  /** Spam, or sorted out by a filter: filter_action 0 and 1 are unfiltered and allowed, junk and promotions follow. */
  isFiltered: flag("is_spam", "filter_action > 1"),
});

export type MessageRow = RowOf<typeof MESSAGE_ROWS>;
