/** Decodes the attribute runs of a message body: parts, attachments, mentions, links and audio transcripts. */
import { ArchivedObject, type ArchivedValue } from "./archived_object.ts";
import { MalformedTypedstreamError } from "./typedstream_bytes.ts";
import { TypedstreamReader } from "./typedstream_reader.ts";

/** Attribute keys of Messages (imessage-chatdb docs/TYPEDSTREAM.md §6). */
const KEY = {
  part: "__kIMMessagePartAttributeName",
  attachmentGuid: "__kIMFileTransferGUIDAttributeName",
  mention: "__kIMMentionConfirmedMention",
  link: "__kIMLinkAttributeName",
  transcript: "IMAudioTranscription",
} as const;

/** One attribute run. Offsets and lengths count UTF-16 units of the body's text, as JavaScript strings do. */
export interface BodyRun {
  start: number;
  length: number;
  /** Original index of the message part; an unsent part leaves a gap. */
  partIndex: number | null;
  /** `attachment.guid` of the file that stands at a U+FFFC. */
  attachmentGuid: string | null;
  /** Handle of the person mentioned. */
  mention: string | null;
  link: string | null;
  /** What macOS heard in an audio message. */
  transcript: string | null;
}

type Attributes = Omit<BodyRun, "start" | "length">;

/**
 * Decodes the runs of an attributedBody, in text order. Total: gives `[]` when the archive is damaged anywhere,
 * even where `decodeAttributedBody` still finds the text.
 */
export function decodeBodyRuns(body: Uint8Array): BodyRun[] {
  try {
    return runsOf(readRoot(body));
  } catch (error) {
    if (error instanceof MalformedTypedstreamError) return [];
    throw error;
  }
}

function readRoot(body: Uint8Array): ArchivedObject {
  const reader = new TypedstreamReader(body);
  if (reader.readType() !== "@") throw new MalformedTypedstreamError("the root is no object");
  const root = reader.beginObject();
  if (!root.isKindOf("NSAttributedString")) {
    throw new MalformedTypedstreamError("the root is no attributed string");
  }
  reader.readFields(root);
  return root;
}

/**
 * After its string, an attributed string holds pairs (1-based dictionary index, run length); a dictionary follows
 * the pair that first names it.
 */
function runsOf(root: ArchivedObject): BodyRun[] {
  const runs: BodyRun[] = [];
  const dictionaries: ArchivedObject[] = [];
  const attributesOf = memoized(readAttributes);
  let start = 0;
  for (let i = 1; i + 1 < root.fields.length; i += 2) {
    const [index, length, dictionary] = root.fields.slice(i, i + 3);
    if (typeof index !== "number" || typeof length !== "number") {
      throw new MalformedTypedstreamError("a run without index and length");
    }
    if (dictionary instanceof ArchivedObject) {
      dictionaries.push(dictionary);
      i++;
    }
    const named = dictionaries[index - 1];
    if (named === undefined) throw new MalformedTypedstreamError("a run without a dictionary");
    runs.push({ start, length, ...attributesOf(named) });
    start += length;
  }
  return runs;
}

/** A forged archive may name one huge dictionary in every run; reading it once keeps the time linear. */
function memoized(read: (dictionary: ArchivedObject) => Attributes): typeof read {
  const known = new Map<ArchivedObject, Attributes>();
  return (dictionary) => {
    const attributes = known.get(dictionary) ?? read(dictionary);
    known.set(dictionary, attributes);
    return attributes;
  };
}

/** An NSDictionary's fields are its count, then key and value in turn. */
function readAttributes(dictionary: ArchivedObject): Attributes {
  const values = new Map<string, ArchivedValue>();
  for (let i = 1; i + 1 < dictionary.fields.length; i += 2) {
    const key = stringOf(dictionary.fields[i]);
    if (key !== null) values.set(key, dictionary.fields[i + 1] ?? null);
  }
  return {
    partIndex: numberOf(values.get(KEY.part)),
    attachmentGuid: stringOf(values.get(KEY.attachmentGuid)),
    mention: stringOf(values.get(KEY.mention)),
    link: linkOf(values.get(KEY.link)),
    transcript: stringOf(values.get(KEY.transcript)),
  };
}

function stringOf(value: ArchivedValue | undefined): string | null {
  return value instanceof ArchivedObject ? value.string() : null;
}

/** An NSNumber's fields are its C type and its value. */
function numberOf(value: ArchivedValue | undefined): number | null {
  if (!(value instanceof ArchivedObject) || !value.isKindOf("NSNumber")) return null;
  const number = value.fields[1];
  return typeof number === "number" ? number : null;
}

/** An NSURL's fields are a flag and its string; some links are plain strings. */
function linkOf(value: ArchivedValue | undefined): string | null {
  const isUrl = value instanceof ArchivedObject && value.isKindOf("NSURL");
  return stringOf(isUrl ? value.fields[1] : value);
}
