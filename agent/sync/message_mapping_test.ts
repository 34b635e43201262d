/** Tests of the mapping to the contract's message: each field, and that no row whatever is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { labelSchema, MAX_TEXT_LENGTH, textSchema } from "../../contract/scalars.ts";
import { syncMessageSchema } from "../../contract/sync.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { MessageAttachment } from "../chatdb/messages/message_attachments.ts";
import { digestOf, fitLabel, fitText, wireMessageOf } from "./message_mapping.ts";

const SENT_AT = Date.UTC(2024, 0, 1, 12, 0, 0, 7);

function message(fields: Partial<ChatMessage> = {}): ChatMessage {
  return {
    rowId: 12,
    guid: "GUID-1",
    conversation: null,
    direction: "incoming",
    sender: "+15550100001",
    ownAlias: null,
    kind: "text",
    text: "Hello!",
    subject: null,
    transcript: null,
    sentAtMs: SENT_AT,
    editedAtMs: null,
    retractedAtMs: null,
    changedAtMs: null,
    readAtMs: null,
    deliveredAtMs: null,
    replyToGuid: null,
    attachments: [],
    reactions: [],
    ...fields,
  };
}

function file(fields: Partial<MessageAttachment> = {}): MessageAttachment {
  return {
    guid: "A-1",
    mimeType: "image/heic",
    name: "IMG.HEIC",
    sizeBytes: 12,
    isSticker: false,
    ...fields,
  };
}

Deno.test("a plain message carries what it says, who sent it and when", () => {
  assert.deepEqual(wireMessageOf(message()), {
    imessageGuid: "GUID-1",
    senderId: "+15550100001",
    direction: "incoming",
    messageType: "text",
    text: "Hello!",
    sentAt: "2024-01-01T12:00:00.007Z",
    reactions: [],
  });
});

Deno.test("a message carries when it was read, and an own one when it was delivered; null is left out", () => {
  const timestamps = { readAtMs: SENT_AT + 1_000, deliveredAtMs: SENT_AT + 500 };
  const mine = wireMessageOf(message({ direction: "outgoing", ...timestamps }));
  assert.deepEqual([mine.deliveredAt, mine.readAt], ["2024-01-01T12:00:00.507Z", "2024-01-01T12:00:01.007Z"]);
  const theirs = wireMessageOf(message(timestamps));
  assert.deepEqual([theirs.deliveredAt, theirs.readAt], [undefined, "2024-01-01T12:00:01.007Z"]);
});

Deno.test("edits, unsends and replies carry their times and their target", () => {
  const edited = wireMessageOf(message({ editedAtMs: SENT_AT + 1_000, replyToGuid: "ROOT" }));
  assert.equal(edited.editedAt, "2024-01-01T12:00:01.007Z");
  assert.equal(edited.replyToGuid, "ROOT");
  const unsent = wireMessageOf(message({ text: null, retractedAtMs: SENT_AT + 2_000 }));
  assert.equal(unsent.retractedAt, "2024-01-01T12:00:02.007Z");
  assert.equal(unsent.text, null);
});

Deno.test("the type of files is that of their media, and `file` for any other and for a mixture", () => {
  const typeOf = (...mimeTypes: (string | null)[]) =>
    wireMessageOf(message({
      kind: "attachment",
      text: null,
      attachments: mimeTypes.map((mimeType, index) => file({ guid: `A-${index}`, mimeType })),
    })).messageType;
  assert.equal(typeOf("image/heic"), "image");
  assert.equal(typeOf("IMAGE/PNG", "image/gif"), "image");
  assert.equal(typeOf("video/quicktime"), "video");
  assert.equal(typeOf("audio/x-caf"), "audio");
  assert.equal(typeOf("application/pdf"), "file");
  assert.equal(typeOf(null), "file");
  assert.equal(typeOf("image/png", "video/mp4"), "file");
});

Deno.test("the other kinds are types of their own, whatever files they carry", () => {
  for (const kind of ["text", "audio", "app", "sticker"] as const) {
    assert.equal(wireMessageOf(message({ kind, attachments: [file()] })).messageType, kind);
  }
});

Deno.test("what an app notes is of the system, and an own message that failed says so", () => {
  assert.equal(wireMessageOf(message({ kind: "app", isNote: true })).messageType, "system");
  assert.equal(wireMessageOf(message({ direction: "outgoing", isFailed: true })).failed, true);
  assert.equal("failed" in wireMessageOf(message({ direction: "outgoing" })), false);
});

Deno.test("files are listed beside the text, which no longer holds their places", () => {
  const wire = wireMessageOf(message({ text: "look \u{FFFC} nice\u{FFFC}", attachments: [file()] }));
  assert.equal(wire.text, "look  nice");
  assert.deepEqual(wire.attachments, [
    { guid: "A-1", mimeType: "image/heic", name: "IMG.HEIC", sizeBytes: 12 },
  ]);
  assert.equal(wireMessageOf(message({ text: "\u{FFFC}" })).text, null);
});

Deno.test("a file without a known type, name or size still names itself", () => {
  const attachments = [file({ mimeType: null, name: null, sizeBytes: null }), file({ sizeBytes: -1 })];
  assert.deepEqual(wireMessageOf(message({ attachments })).attachments, [
    { guid: "A-1", mimeType: null, name: null },
    { guid: "A-1", mimeType: "image/heic", name: "IMG.HEIC" },
  ]);
});

Deno.test("the subject is the first line, and a voice message says what macOS heard", () => {
  assert.equal(wireMessageOf(message({ subject: "Trip", text: "at 8?" })).text, "Trip\nat 8?");
  assert.equal(wireMessageOf(message({ subject: "Trip", text: null })).text, "Trip");
  const voice = message({ kind: "audio", text: null, transcript: "on my way" });
  assert.equal(wireMessageOf(voice).text, "on my way");
});

Deno.test("white space is kept as it was typed", () => {
  assert.equal(wireMessageOf(message({ text: "Test Dad \r\n\u00a0" })).text, "Test Dad \r\n\u00a0");
});

Deno.test("a text beyond the contract's length is cut there", () => {
  const text = "😀".repeat(MAX_TEXT_LENGTH);
  const wire = wireMessageOf(message({ text }));
  assert.equal(wire.text, text.slice(0, MAX_TEXT_LENGTH));
});

Deno.test("a row without a guid or without a time still gets both", () => {
  const wire = wireMessageOf(message({ guid: "", sentAtMs: null, sender: null }));
  assert.equal(wire.imessageGuid, "row-12");
  assert.equal(wire.sentAt, "1970-01-01T00:00:00.000Z");
  assert.equal(wire.senderId, null);
});

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
    .map((units) => String.fromCharCode(...units)),
);
const anyTime = fc.option(fc.integer({ min: Date.parse("0001-01-01"), max: Date.parse("9999-12-31") }));

const anyMessage: fc.Arbitrary<ChatMessage> = fc.record({
  rowId: fc.nat(),
  guid: anyText,
  conversation: fc.constant(null),
  direction: fc.constantFrom("incoming", "outgoing"),
  sender: fc.option(anyText),
  ownAlias: fc.constant(null),
  kind: fc.constantFrom("text", "attachment", "audio", "app", "sticker"),
  text: fc.option(anyText),
  subject: fc.option(anyText),
  transcript: fc.option(anyText),
  sentAtMs: anyTime,
  editedAtMs: anyTime,
  retractedAtMs: anyTime,
  changedAtMs: anyTime,
  readAtMs: anyTime,
  deliveredAtMs: anyTime,
  replyToGuid: fc.option(anyText),
  attachments: fc.array(
    fc.record({
      guid: anyText,
      mimeType: fc.option(anyText),
      name: fc.option(anyText),
      sizeBytes: fc.option(fc.double()),
      isSticker: fc.boolean(),
    }),
    { maxLength: 250 },
  ),
  reactions: fc.array(
    fc.record({
      kind: fc.constantFrom("love", "emoji", "sticker"),
      emoji: fc.option(anyText),
      sender: fc.option(anyText),
      reactedAtMs: anyTime,
    }),
    { maxLength: 50 },
  ),
  service: fc.constant("iMessage"),
});

Deno.test("the contract accepts every message, whatever its row holds", () => {
  fc.assert(fc.property(anyMessage, (anything) => {
    const checked = syncMessageSchema.safeParse(wireMessageOf(anything));
    assert.ok(checked.success, checked.error?.message ?? "");
  }));
});

const anyString = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
  .map((units) => String.fromCharCode(...units));

Deno.test("any string becomes text that the contract accepts, and text that it accepts stays as it is", () => {
  fc.assert(fc.property(anyString, fc.integer({ min: 1, max: 60 }), (text, maxLength) => {
    const fitted = fitText(text, maxLength);
    assert.ok(textSchema(maxLength).safeParse(fitted).success);
    if (textSchema(maxLength).safeParse(text).success) assert.equal(fitted, text);
  }));
});

Deno.test("a cut never splits a character in two", () => {
  assert.equal(fitText("ab😀", 3), "ab");
  assert.equal(fitText("ab😀", 4), "ab😀");
  assert.equal(fitText("a\0b\ud800", 10), "ab\ufffd");
});

Deno.test("any string becomes a label that the contract accepts, or null when nothing is left of it", () => {
  fc.assert(fc.property(anyString, fc.integer({ min: 34, max: 60 }), (text, maxLength) => {
    const label = fitLabel(text, maxLength);
    if (label === null) assert.equal(text.replaceAll("\0", ""), "");
    else assert.ok(labelSchema(maxLength).safeParse(label).success);
  }));
  assert.equal(fitLabel(null, 40), null);
});

Deno.test("labels that are too long stay different from one another and the same for themselves", () => {
  const long = "x".repeat(300);
  assert.equal(fitLabel(`${long}a`, 256), fitLabel(`${long}a`, 256));
  assert.notEqual(fitLabel(`${long}a`, 256), fitLabel(`${long}b`, 256));
  assert.equal(fitLabel(`${long}a`, 256)?.length, 256);
});

Deno.test("a digest is the beginning of SHA-256, so it reveals nothing of the value", () => {
  assert.equal(digestOf("abc"), "ba7816bf8f01cfea414140de5dae2223");
});
