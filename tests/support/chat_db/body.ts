/** Message bodies of the fixture: parts of a bubble, their plain text, and their typedstream. */
import {
  type AttributedRun,
  type Attributes,
  encodeAttributedString,
  type EncodeOptions,
} from "../typedstream/typedstream_encoder.ts";

/** U+FFFC stands in the text where an attachment is. */
export const ATTACHMENT_CHARACTER = "\ufffc";

/** A stretch of text; `mention` is the handle of the person named, `link` a URL that Messages found in it. */
export interface TextPart {
  text: string;
  mention?: string;
  link?: string;
  bold?: boolean;
  /** Part index in the message; by default a new part begins at each attachment and after it. */
  part?: number;
  /** Further attributes, by Apple's key. */
  attributes?: Attributes;
}

/** An attachment in the text, by the guid of its `attachment` row; `transcript` is what was heard in a voice message. */
export interface AttachmentPart {
  attachmentGuid: string;
  fileName?: string;
  transcript?: string;
  part?: number;
}

export type BodyPart = string | TextPart | AttachmentPart;

/** The text of `parts` with U+FFFC for each attachment, as `message.text` holds it. */
export function plainText(parts: readonly BodyPart[]): string {
  return parts.map(partText).join("");
}

/** The typedstream of `parts`, as `message.attributedBody` holds it. */
export function encodeBody(parts: readonly BodyPart[], options?: EncodeOptions): Uint8Array {
  return encodeAttributedString(attributedRuns(parts), options);
}

/** The part index of each of `parts`. */
export function partIndexes(parts: readonly BodyPart[]): number[] {
  let next = 0;
  return parts.map((part, position) => {
    const previous = parts[position - 1];
    const startsPart = previous !== undefined && (isAttachment(part) || isAttachment(previous));
    const index = (typeof part === "object" ? part.part : undefined) ?? (startsPart ? next + 1 : next);
    next = index;
    return index;
  });
}

function attributedRuns(parts: readonly BodyPart[]): AttributedRun[] {
  const indexes = partIndexes(parts);
  return parts.map((part, position) => ({
    text: partText(part),
    attributes: { __kIMMessagePartAttributeName: indexes[position] ?? 0, ...partAttributes(part) },
  }));
}

function partText(part: BodyPart): string {
  if (typeof part === "string") return part;
  return isAttachment(part) ? ATTACHMENT_CHARACTER : part.text;
}

function partAttributes(part: BodyPart): Attributes {
  if (typeof part === "string") return {};
  if (isAttachment(part)) {
    return {
      __kIMFileTransferGUIDAttributeName: part.attachmentGuid,
      ...(part.fileName === undefined ? {} : { __kIMFilenameAttributeName: part.fileName }),
      ...(part.transcript === undefined ? {} : { IMAudioTranscription: part.transcript }),
    };
  }
  return {
    ...(part.mention === undefined ? {} : { __kIMMentionConfirmedMention: part.mention }),
    ...(part.link === undefined ? {} : { __kIMLinkAttributeName: new URL(part.link) }),
    ...(part.bold ? { __kIMTextBoldAttributeName: 1 } : {}),
    ...part.attributes,
  };
}

function isAttachment(part: BodyPart): part is AttachmentPart {
  return typeof part === "object" && "attachmentGuid" in part;
}
