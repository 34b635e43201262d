/** Odd rows: how words and times are kept, in each schema. */
import { addAttachmentMessage } from "../rows.ts";
import { ANA, at, BO, incoming, later, type OddRow, STICKER } from "./odd_row.ts";

export const WORDS: readonly OddRow[] = [
  {
    what: "a message of OS X 10.11, which has seconds",
    quirk: "Each macOS from 10.11 to 27 has other columns and tables",
    options: { generation: "el_capitan" },
    write: (db, ana) => incoming(db, ana, "Hi"),
    messages: [`${ANA} < text: Hi {at 2024-06-01T12:00:00.000Z}`],
  },
  {
    what: "a message of macOS 27",
    quirk: "Each macOS from 10.11 to 27 has other columns and tables",
    options: { generation: "macos_27" },
    write: (db, ana) => incoming(db, ana, "Hi"),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "a message of a database that was upgraded from OS X 10.11",
    quirk: "An upgraded database has them in another order, with other defaults",
    options: { generation: "tahoe", upgradedFrom: "el_capitan" },
    write: (db, ana) => incoming(db, ana, "Hi"),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "an own number that an upgrade keeps as a number",
    quirk: "An upgrade's type STRING keeps `+1555…` as a number",
    options: { generation: "tahoe", upgradedFrom: "el_capitan" },
    write: (db) =>
      db.addMessage({ chat: db.addChat({ identifier: db.me }), from: db.me, sentAt: at, text: "milk" }),
    messages: ["+15550100000 > text: milk"],
  },
  {
    what: "a message of a backup without chats",
    quirk: "A backup may hold `message` and `handle` alone",
    write: (db, ana) => {
      incoming(db, ana, "Hi");
      db.store.sqlite.exec("PRAGMA foreign_keys = OFF; DROP TABLE chat_message_join; DROP TABLE chat");
    },
    messages: ["- < text: Hi"],
  },
  {
    what: "a text with NUL and half of a character",
    quirk: "`message.text` cut at NUL, invalid UTF-8, lone surrogates",
    write: (db, ana) => incoming(db, ana, "a\0b \ud83c"),
    messages: [`${ANA} < text: ab \ufffd`],
  },
  {
    what: "a time in seconds",
    quirk: "Seconds up to 10.12, nanoseconds since, mixed",
    write: (db, ana) =>
      db.addMessage({ chat: ana, from: ANA, sentAt: later, text: "Hi", dateUnit: "seconds" }),
    messages: [`${ANA} < text: Hi {at 2024-06-01T12:05:00.000Z}`],
  },
  {
    what: "a row without a time",
    quirk: "0, NULL and the greatest integer mean never",
    write: (db, ana) => incoming(db, ana, "Hi", { date: 0 }),
    messages: [`${ANA} < text: Hi {at -}`],
  },
  {
    what: "a time to the millisecond in nanoseconds",
    quirk: "Nanoseconds exceed what a JavaScript number holds",
    write: (db, ana) =>
      db.addMessage({ chat: ana, from: ANA, sentAt: "2199-12-31T23:59:59.999Z", text: "Hi" }),
    messages: [`${ANA} < text: Hi {at 2199-12-31T23:59:59.999Z}`],
  },
  {
    what: "an empty text beside a full body",
    quirk: "`text` is NULL or '' beside a full `attributedBody`",
    write: (db, ana) => incoming(db, ana, "body", { text: "" }),
    messages: [`${ANA} < text: body`],
  },
  {
    what: "a text beside another body",
    quirk: "`text` is NULL or '' beside a full `attributedBody`",
    write: (db, ana) => incoming(db, ana, "body", { text: "column" }),
    messages: [`${ANA} < text: body`],
  },
  {
    what: "a text of 300 characters",
    quirk: "Lengths of 1, 2 or 4 bytes, unsigned, any value",
    write: (db, ana) => incoming(db, ana, "x".repeat(300)),
    messages: [`${ANA} < text: ${"x".repeat(300)}`],
  },
  {
    what: "a text that is kept as mutable",
    quirk: "NSMutableAttributedString, and other layouts",
    write: (db, ana) => db.addMessage({ chat: ana, from: ANA, sentAt: at, text: "Hi", mutableBody: true }),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "a text whose UTF-8 holds the bytes of an end",
    quirk: "86 84 occurs inside UTF-8",
    write: (db, ana) => incoming(db, ana, "ㆄ 憄"),
    messages: [`${ANA} < text: ㆄ 憄`],
  },
  {
    what: "an empty text with attributes",
    quirk: "Attribute strings stand where a text is empty",
    write: (db, ana) =>
      db.addMessage({
        chat: ana,
        from: ANA,
        sentAt: at,
        parts: [{ text: "", attributes: { __kIMTextBoldAttributeName: 1 } }],
      }),
    messages: [],
  },
  {
    what: "a body with garbage behind it",
    quirk: "Blobs with garbage behind, corrupt, cut, or no archive",
    write: (db, ana) => {
      incoming(db, ana, "Hi");
      db.store.run("UPDATE message SET attributedBody = CAST(attributedBody || zeroblob(5000) AS BLOB)");
    },
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "white space at both ends",
    quirk: "White space, returns and U+00A0 belong to the text",
    write: (db, ana) => incoming(db, ana, "\u00a0 Hi\r\n "),
    messages: [`${ANA} < text: \u00a0 Hi\r| `],
  },
  {
    what: "a file behind an emoji",
    quirk: "Runs count UTF-16 units; dictionaries are shared",
    write: (db, ana) => {
      addAttachmentMessage(db, {
        chat: ana,
        from: ANA,
        sentAt: at,
        files: [STICKER],
        caption: " 👩‍👧 see you",
      });
      db.store.run("UPDATE attachment SET emoji_image_short_description = 'cat'");
    },
    messages: [`${ANA} < text: [cat] 👩‍👧 see you {files a.heic}`],
  },
  {
    what: "a mention and a link",
    quirk: "Mentions, links, files and voice transcripts are in the runs",
    write: (db, ana) =>
      db.addMessage({
        chat: ana,
        from: ANA,
        sentAt: at,
        parts: [{ text: "Bo", mention: BO }, " see ", { text: "example.test", link: "https://example.test" }],
      }),
    messages: [`${ANA} < text: Bo see example.test`],
  },
  {
    what: "a voice message with what was heard in it",
    quirk: "Mentions, links, files and voice transcripts are in the runs",
    write: (db, ana) =>
      addAttachmentMessage(db, {
        chat: ana,
        from: ANA,
        sentAt: at,
        files: [{ name: "Audio Message.caf", mimeType: "audio/x-caf" }],
        transcript: "see you at ten",
      }),
    messages: [`${ANA} < audio: - {files Audio Message.caf; heard see you at ten}`],
  },
  {
    what: "a message with a subject",
    write: (db, ana) => db.addMessage({ chat: ana, from: ANA, sentAt: at, text: "Hi", subject: "Trip" }),
    messages: [`${ANA} < text: Hi {subject Trip}`],
  },
];
