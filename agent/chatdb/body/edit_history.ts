/** Reads from `message_summary_info` when parts of a message were edited, and which were unsent. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { APPLE_EPOCH_MS, bytesOf } from "../file/sql_value.ts";
import { decodeAttributedBody } from "./typedstream.ts";
import { decodePlist, type PlistDict, type PlistValue } from "./binary_plist.ts";

/** Keys of the summary (imessage-exporter message_types/edited.rs). */
const KEY = {
  originalRanges: "otr",
  versions: "ec",
  versionDate: "d",
  versionText: "t",
  retractedParts: "rp",
} as const;

const SUMMARY = "message_summary_info";
const EDIT_DATE = "date_edited";

export interface EditHistory {
  /** Unix time of the last edit of any part; null when none was edited. */
  readonly editedAtMs: number | null;
  /** True when at least one part was unsent. */
  readonly hasRetractedParts: boolean;
  /** True when no part is left. */
  readonly isFullyRetracted: boolean;
  /** The latest words of the parts that are left, for a row that has lost its own; absent for none. */
  readonly text?: string;
}

/**
 * The expression that selects a summary only where it says more than the row itself: after an unsend, or an edit that left
 * no time. Most rows have a summary and few need it, so the others get NULL. See `editHistoryFinder`.
 *
 * @param present the columns that the table has
 */
export function editSummaryColumn(table: string, present: ReadonlySet<string>): string {
  if (!present.has(SUMMARY)) return "NULL";
  const summary = `${table}.${SUMMARY}`;
  const has = (key: string) => `instr(${summary}, x'${plistKey(key)}') > 0`;
  const isUndated = present.has(EDIT_DATE) ? `coalesce(${table}.${EDIT_DATE}, 0) = 0 AND ` : "";
  return `CASE WHEN ${has(KEY.retractedParts)} OR (${isUndated}${has(KEY.versions)}) THEN ${summary} END`;
}

/** Finds the edits of a single row, by its ROWID: for one that has lost its words. */
export function editHistoryFinder(database: ChatDatabase): (rowId: number) => EditHistory | null {
  if (!database.schema.get("message")?.has(SUMMARY)) return () => null;
  const select = database.prepare(`SELECT ${SUMMARY} FROM message WHERE ROWID = ?`);
  return (rowId) => {
    const summary = bytesOf(select(rowId)[0]?.[0]);
    return summary === null ? null : editHistoryOf(summary);
  };
}

/** The edits that a summary records; null when there are none or it cannot be read. */
export function editHistoryOf(summary: Uint8Array): EditHistory | null {
  const root = decodePlist(summary);
  if (!(root instanceof Map)) return null;
  const retracted = new Set(listOf(root.get(KEY.retractedParts)).map(String));
  const parts = [...dictOf(root.get(KEY.originalRanges)).keys()];
  const editedAtMs = lastEditMs(dictOf(root.get(KEY.versions)));
  const text = latestText(dictOf(root.get(KEY.versions)), retracted);
  if (editedAtMs === null && retracted.size === 0) return null;
  return {
    editedAtMs,
    hasRetractedParts: retracted.size > 0,
    ...(text === "" ? {} : { text }),
    isFullyRetracted: retracted.size > 0 && parts.length > 0 && parts.every((part) => retracted.has(part)),
  };
}

/** Parts in their order; what was unsent is left out, although its versions may still be there. */
function latestText(versions: PlistDict, retracted: ReadonlySet<string>): string {
  const parts = [...versions].filter(([part]) => !retracted.has(part))
    .sort(([a], [b]) => Number(a) - Number(b));
  return parts.map(([, list]) => {
    const body = dictOf(listOf(list).at(-1)).get(KEY.versionText);
    const decoded = body instanceof Uint8Array ? decodeAttributedBody(body) : null;
    return decoded?.kind === "text" ? decoded.text : "";
  }).join("");
}

/** A part's first version is the original; its time is that of the message. Times are seconds since 2001. */
function lastEditMs(versions: PlistDict): number | null {
  const dates = [...versions.values()].flatMap((list) =>
    listOf(list).slice(1).map((version) => dictOf(version).get(KEY.versionDate))
  );
  const times = dates.filter((date): date is number =>
    typeof date === "number" && Number.isFinite(date) && date > 0
  );
  return times.length === 0 ? null : APPLE_EPOCH_MS + Math.floor(Math.max(...times) * 1_000);
}

function dictOf(value: PlistValue | undefined): PlistDict {
  return value instanceof Map ? value : new Map();
}

function listOf(value: PlistValue | undefined): PlistValue[] {
  return Array.isArray(value) ? value : [];
}

/** A key as the list holds it, in hex: the marker of a short ASCII string, then its characters. */
function plistKey(key: string): string {
  const bytes = [0x50 | key.length, ...new TextEncoder().encode(key)];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
