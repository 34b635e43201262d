/** Decodes the text of a message from its attributedBody. */
import { integerWidth, MalformedTypedstreamError, unsignedAt } from "./typedstream_bytes.ts";
import { TypedstreamReader } from "./typedstream_reader.ts";

/**
 * The text in an attributedBody. `empty` is a valid archive whose string has no characters; `undecodable` is anything
 * that is not a valid archive up to the end of its string.
 */
export type DecodedBody = { kind: "text"; text: string } | { kind: "empty" } | { kind: "undecodable" };

const EMPTY: DecodedBody = Object.freeze({ kind: "empty" });
const UNDECODABLE: DecodedBody = Object.freeze({ kind: "undecodable" });

/** The bytes of an archive up to its string's length: header, NSAttributedString, NSString, type `+`. */
const PLAIN_PREFIX = bytesOf(
  "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\0\x84\x84\x08NSObject\0\x85" +
    "\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+",
);
/**
 * The same for the mutable classes. The two open every body seen: 20,783 of 20,783 (imessage-chatdb
 * docs/TYPEDSTREAM.md §7).
 */
const MUTABLE_PREFIX = bytesOf(
  "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x19NSMutableAttributedString\0\x84\x84\x12NSAttributedString\0" +
    "\x84\x84\x08NSObject\0\x85\x92\x84\x84\x84\x0fNSMutableString\x01\x84\x84\x08NSString\x01\x95\x84\x01+",
);

/** Invalid UTF-8 becomes U+FFFD; a leading U+FEFF is text and stays. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes the text of an attributedBody. Total: any bytes give one of the three kinds; it never throws, and takes
 * time linear in the input. Reads up to the root string and stops, so whatever follows the string cannot harm it.
 */
export function decodeAttributedBody(body: Uint8Array): DecodedBody {
  const text = startsWith(body, PLAIN_PREFIX)
    ? stringAt(body, PLAIN_PREFIX.length)
    : startsWith(body, MUTABLE_PREFIX)
    ? stringAt(body, MUTABLE_PREFIX.length)
    : walkToString(body);
  if (text === null) return UNDECODABLE;
  return text.length === 0 ? EMPTY : { kind: "text", text: utf8.decode(text) };
}

/** The `+` value whose length begins at `at`, or null when it does not lie within the body. */
function stringAt(body: Uint8Array, at: number): Uint8Array | null {
  const head = body[at];
  if (head === undefined) return null;
  const widthBytes = integerWidth(head);
  const start = at + 1 + Math.max(widthBytes, 0);
  if (widthBytes === -1 || start > body.length) return null;
  const end = start + unsignedAt(body, at);
  return end <= body.length ? body.subarray(start, end) : null;
}

/** The root string of an archive laid out otherwise than the two known prefixes: a walk through the grammar. */
function walkToString(body: Uint8Array): Uint8Array | null {
  try {
    return openRootString(new TypedstreamReader(body)).readBytes();
  } catch (error) {
    if (error instanceof MalformedTypedstreamError) return null;
    throw error;
  }
}

/** Moves a fresh reader to the value of the root attributed string's string. */
function openRootString(reader: TypedstreamReader): TypedstreamReader {
  for (const className of ["NSAttributedString", "NSString"]) {
    if (reader.readType() !== "@" || !reader.beginObject().isKindOf(className)) {
      throw new MalformedTypedstreamError("the root is no attributed string");
    }
  }
  if (reader.readType() !== "+") throw new MalformedTypedstreamError("the string has no bytes");
  return reader;
}

function startsWith(body: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) {
    if (body[i] !== prefix[i]) return false;
  }
  return true;
}

function bytesOf(latin1: string): Uint8Array {
  return Uint8Array.from(latin1, (char) => char.charCodeAt(0));
}
