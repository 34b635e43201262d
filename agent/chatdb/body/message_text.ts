/** Takes a message's words from its two columns, `attributedBody` and `text`. */
import type { MessageRow } from "../messages/message_row.ts";
import { cleanText } from "../file/sql_value.ts";
import { decodeAttributedBody } from "./typedstream.ts";

/** The words of a row. */
export interface MessageText {
  /** '' when the row holds none. */
  text: string;
  /** True when there is a body, it cannot be decoded, and `text` holds nothing in its place. */
  isUndecodable: boolean;
}

/** U+FFFC stands for a file or a sticker in a text, U+FFFD for the balloon of an app. */
const PLACEHOLDER = /[\uFFFC\uFFFD]/;
const PLACEHOLDERS_ONLY = /^[\s\uFFFC\uFFFD]*$/;

/** The decoded `attributedBody`, which is complete where `text` may be NULL or a part; else `text`. */
export function messageTextOf(row: Pick<MessageRow, "text" | "attributedBody">): MessageText {
  const fallback = row.text ?? "";
  if (row.attributedBody === null) return { text: fallback, isUndecodable: false };
  const body = decodeAttributedBody(row.attributedBody);
  if (body.kind === "text") return { text: cleanText(body.text), isUndecodable: false };
  return { text: fallback, isUndecodable: body.kind === "undecodable" && fallback === "" };
}

/** True when a text has nothing to read: it only marks the places of files or of an app's balloon. */
export function isPlaceholderOnly(text: string): boolean {
  return PLACEHOLDER.test(text) && PLACEHOLDERS_ONLY.test(text);
}

const SENDER = "$(kIMTranscriptPluginBreadcrumbTextSenderIdentifier)";
const RECEIVER = "$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier)";

/** The text of an app's note (Fitness leaves some) with handles in place of Messages' placeholders; an unknown one is removed. */
export function breadcrumbText(
  text: string,
  { sender, receiver }: { sender: string | null; receiver: string | null },
): string {
  return text.replaceAll(SENDER, sender ?? "").replaceAll(RECEIVER, receiver ?? "").trim();
}
