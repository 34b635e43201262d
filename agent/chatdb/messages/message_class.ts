/** Classifies rows: which are messages, of what kind, and why the others are skipped. */
import type { MessageRow } from "./message_row.ts";

/**
 * Why a row gives no message. Tapbacks and votes belong to another message; `unknown_association` may. `junk` is what
 * Messages keeps out of the list of conversations: spam, and the promotions and notices that its filters sort out.
 */
export type SkipReason =
  | "tapback"
  | "poll_vote"
  | "unknown_association"
  | "system"
  | "scheduled"
  | "recently_deleted"
  | "junk"
  | "self_chat_twin"
  | "link_preview"
  | "empty";

/**
 * `attachment`: files without words. `audio`: a voice message. `app`: drawn by an app, such as a game or a poll; a
 * link with its preview is `text`. `sticker`: stickers only.
 */
export type MessageKind = "text" | "attachment" | "audio" | "app" | "sticker";

/** Values of associated_message_type (imessage-exporter message_types/variants.rs). */
export const ASSOCIATED = {
  none: 0,
  appUpdate: 2,
  appBreadcrumb: 3,
  sticker: 1000,
  /** 2000 to 2007 add a tapback, 3000 to 3007 remove it. */
  firstTapback: 2000,
  firstRemoval: 3000,
  lastTapback: 3999,
  pollVote: 4000,
} as const;

const URL_BALLOON = "com.apple.messages.URLBalloonProvider";

/** Why the row's columns alone rule it out as a message, or null. A draft is scheduled for after `nowMs`. */
export function skipReasonOf(
  row: MessageRow,
  { sentAtMs, nowMs }: { sentAtMs: number | null; nowMs: number },
): SkipReason | null {
  if (row.isSystem) return "system";
  const association = associationSkipReason(row.associatedType);
  if (association !== null) return association;
  const isDraft = row.isScheduled && (!row.isSent || (sentAtMs ?? 0) > nowMs);
  return isDraft ? "scheduled" : null;
}

function associationSkipReason(type: number): SkipReason | null {
  if (type >= ASSOCIATED.firstTapback && type <= ASSOCIATED.lastTapback) return "tapback";
  if (type === ASSOCIATED.pollVote) return "poll_vote";
  const isMessage = type === ASSOCIATED.none || type === ASSOCIATED.appUpdate ||
    type === ASSOCIATED.appBreadcrumb || type === ASSOCIATED.sticker;
  return isMessage ? null : "unknown_association";
}

/** True for a row that shows a link with its preview. */
export function isLinkPreview(row: MessageRow): boolean {
  return row.balloonBundleId === URL_BALLOON;
}

/** True for the note that an app leaves in a conversation, such as "closed all three rings". */
export function isBreadcrumb(row: MessageRow): boolean {
  return row.associatedType === ASSOCIATED.appBreadcrumb;
}

/** True for a row that an app draws; the rich preview of a link is not an app's. */
export function isAppMessage(row: MessageRow): boolean {
  return row.associatedType === ASSOCIATED.appUpdate || isBreadcrumb(row) ||
    (row.balloonBundleId !== null && !isLinkPreview(row));
}

/** The message that a tapback belongs to; null when the row is no tapback or does not say. */
export function tapbackTargetOf(row: MessageRow): string | null {
  const isTapback = row.associatedType >= ASSOCIATED.firstTapback &&
    row.associatedType <= ASSOCIATED.lastTapback;
  return isTapback && row.associatedGuid !== null ? targetGuidOf(row.associatedGuid) : null;
}

/** The guid in `associated_message_guid`: `p:<part>/<guid>`, `bp:<guid>` for a balloon, or the bare guid. */
export function targetGuidOf(associatedGuid: string): string {
  return associatedGuid.replace(/^(?:p:\d+\/|bp:)/, "");
}

/** The kind of a message with these words and files. */
export function messageKindOf(
  row: MessageRow,
  { text, attachments }: { text: string | null; attachments: readonly { isSticker: boolean }[] },
): MessageKind {
  if (row.isAudio) return "audio";
  if (isAppMessage(row)) return "app";
  if (row.associatedType === ASSOCIATED.sticker) return "sticker";
  if (text !== null || attachments.length === 0) return "text";
  return attachments.every((attachment) => attachment.isSticker) ? "sticker" : "attachment";
}
