/** Odd rows: what is a message, and of what kind. */
import { addAppMessage, addAttachmentMessage, addSendLater, addSystemRow, addTapback } from "../rows.ts";
import {
  ANA,
  at,
  BO,
  files,
  GAME,
  group,
  inChat,
  incoming,
  later,
  type OddRow,
  own,
  PICTURE,
  STICKER,
} from "./odd_row.ts";

export const KINDS: readonly OddRow[] = [
  {
    what: "a one-time code",
    write: (db) => inChat(db, "262966", "123456 is your verification code"),
    messages: ["262966 < text: 123456 is your verification code {automated}"],
  },
  {
    what: "a company's name in place of a number",
    quirk: "Businesses, short codes, names as senders, `(smsfp)` suffixes",
    write: (db) => inChat(db, "AMAZON", "Your parcel is here"),
    messages: ["AMAZON < text: Your parcel is here {automated}"],
  },
  {
    what: "a business chat",
    quirk: "Businesses, short codes, names as senders, `(smsfp)` suffixes",
    write: (db) => inChat(db, "urn:biz:6ed4d7a6-0000-4b1f-9c3e-7a0f0b0e0d0c", "Hi"),
    messages: ["urn:biz:6ed4d7a6-0000-4b1f-9c3e-7a0f0b0e0d0c < text: Hi {automated}"],
  },
  {
    what: "a sender with the suffix of a filter",
    quirk: "Businesses, short codes, names as senders, `(smsfp)` suffixes",
    write: (db) => inChat(db, "56249(smsfp)", "Hi"),
    messages: ["56249 < text: Hi {automated}"],
  },
  {
    what: "a reaction that was sent as a text",
    write: (db, ana) => {
      own(db, ana, "See you at 7 then");
      incoming(db, ana, "Liked “See you at 7 then”");
    },
    messages: [`${ANA} > text: See you at 7 then`, `${ANA} < text: Liked “See you at 7 then” {reaction}`],
  },
  {
    what: "an own tapback",
    write: (db, ana) => addTapback(db, { to: incoming(db, ana, "Hi"), from: "me", kind: "like", sentAt: at }),
    messages: [`${ANA} < text: Hi {like of me}`],
  },
  {
    what: "tapbacks that name their message in each form",
    quirk: "`p:<part>/`, `bp:` or a bare guid as target",
    write: (db, ana) => {
      const to = incoming(db, ana, "Hi");
      for (const target of ["part", "balloon", "bare"] as const) {
        addTapback(db, { to, from: BO, kind: target === "bare" ? "laugh" : "love", sentAt: at, target });
      }
    },
    messages: [`${ANA} < text: Hi {love of ${BO}, laugh of ${BO}}`],
  },
  {
    what: "a tapback that was taken back",
    quirk: "A removal is a row, or only a gap",
    write: (db, ana) => {
      const to = incoming(db, ana, "Hi");
      const removes = addTapback(db, { to, from: ANA, kind: "love", sentAt: at });
      addTapback(db, { to, from: ANA, kind: "love", sentAt: later, removes });
    },
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "a tapback whose message is gone",
    quirk: "A tapback outlives its message",
    write: (db, ana) => {
      const to = incoming(db, ana, "Hi");
      addTapback(db, { to, from: ANA, kind: "love", sentAt: at });
      db.deleteMessage(to);
    },
    messages: [],
  },
  {
    what: "a row of a kind that nobody knows yet",
    quirk: "Unknown values, now and to come",
    write: (db, ana) => incoming(db, ana, "?", { associated_message_type: 4001 }),
    messages: [],
  },
  {
    what: "a reply in a thread, and a message that only follows another",
    quirk: "`reply_to_guid` is only the message before",
    write: (db, ana) => {
      const root = db.addMessage({ chat: ana, from: ANA, sentAt: at, text: "root", guid: "ROOT" });
      own(db, ana, "next");
      db.addMessage({ chat: ana, from: "me", sentAt: at, text: "reply", replyTo: root });
    },
    messages: [`${ANA} < text: root`, `${ANA} > text: next`, `${ANA} > text: reply {answers ROOT}`],
  },
  {
    what: "a message that is to be sent later",
    quirk: "Send Later drafts are rows with a date to come",
    write: (db, ana) =>
      addSendLater(db, { chat: ana, sentAt: "2124-06-01T12:00:00Z", text: "happy birthday" }),
    messages: [],
  },
  {
    what: "a voice message, a sticker and a picture",
    quirk: "Games, polls, voice messages, stickers",
    write: (db, ana) => {
      files(db, ana, STICKER);
      files(db, ana, PICTURE);
      addAttachmentMessage(db, {
        chat: ana,
        from: ANA,
        sentAt: at,
        files: [PICTURE],
        columns: { is_audio_message: 1 },
      });
    },
    messages: [
      `${ANA} < sticker: - {files a.heic}`,
      `${ANA} < attachment: - {files a.png}`,
      `${ANA} < audio: - {files a.png}`,
    ],
  },
  {
    what: "a picture beside the blob of a preview",
    quirk: "Preview blobs are attachments; `hide_attachment` is unreliable",
    write: (db, ana) => {
      files(db, ana, PICTURE, { name: "5F2C.pluginPayloadAttachment", mimeType: "image/png" });
      db.store.run("UPDATE attachment SET hide_attachment = 1");
    },
    messages: [`${ANA} < attachment: - {files a.png}`],
  },
  {
    what: "a file that is not on this Mac, with its path's name",
    quirk: "`filename` is `~/…`, absolute or NULL; the file may be away",
    write: (db, ana) => {
      files(db, ana, PICTURE);
      db.store.run(
        "UPDATE attachment SET transfer_name = NULL, filename = '~/Library/x/b.pdf', transfer_state = 0",
      );
    },
    messages: [`${ANA} < attachment: - {files b.pdf}`],
  },
  {
    what: "several files in one body",
    quirk: "Several files in one body",
    write: (db, ana) => files(db, ana, PICTURE, { name: "b.pdf", mimeType: "application/pdf" }),
    messages: [`${ANA} < attachment: - {files a.png, b.pdf}`],
  },
  {
    what: "a message that a filter sorted out",
    quirk: "Spam, blocked chats, promotions and notices sorted out by filters",
    write: (db) => incoming(db, db.addChat({ identifier: BO, columns: { is_filtered: 2 } }), "Win now"),
    messages: [],
  },
  {
    what: "a message of an unknown sender",
    quirk: "Unknown senders and chats to be reviewed",
    write: (db) => incoming(db, db.addChat({ identifier: BO, columns: { is_filtered: 1 } }), "Hi from Ana"),
    messages: [`${BO} < text: Hi from Ana {from ${ANA}}`],
  },
  {
    what: "an own reply that was not delivered",
    write: (db, ana) =>
      db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Yes", columns: { error: 22, is_sent: 0 } }),
    messages: [`${ANA} > text (failed): Yes`],
  },
  {
    what: "an incoming row with an error of its own",
    write: (db, ana) => incoming(db, ana, "Hi", { error: 4 }),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "a note of an app",
    quirk: "Notes of apps hold placeholders for names",
    write: (db, ana) =>
      addAppMessage(db, {
        chat: ana,
        from: "me",
        sentAt: at,
        text: "closed all three rings",
        bundleId: GAME,
        columns: { associated_message_type: 3 },
      }),
    messages: [`${ANA} > note: closed all three rings`],
  },
  {
    what: "a tapback, whose text is a sentence",
    quirk: "Tapbacks are rows with a localised sentence",
    write: (db, ana) => addTapback(db, { to: incoming(db, ana, "Hi"), from: "me", kind: "like", sentAt: at }),
    messages: [`${ANA} < text: Hi {like of me}`],
  },
  {
    what: "a row of a service that holds words",
    write: (db, ana) => incoming(db, ana, "Ana has a new number", { is_service_message: 1 }),
    messages: [`${ANA} < note: Ana has a new number`],
  },
  {
    what: "a row of the system that holds words",
    write: (db, ana) => incoming(db, ana, "Not a contact", { is_system_message: 1 }),
    messages: [`${ANA} < note: Not a contact`],
  },
  {
    what: "a row of a service without words",
    write: (db, ana) =>
      db.addMessage({ chat: ana, from: ANA, sentAt: at, columns: { is_service_message: 1 } }),
    messages: [],
  },
  {
    what: "a group's new name",
    quirk: "Group actions, kept audio, SharePlay, location",
    write: (db) => addSystemRow(db, { chat: group(db), kind: "renamed", by: ANA, at, title: "Trip" }),
    messages: [],
  },
  {
    what: "a row with a body that cannot be decoded",
    quirk: "Blobs with garbage behind, corrupt, cut, or no archive",
    write: (db, ana) => incoming(db, ana, "x", { text: null, attributedBody: new Uint8Array([4, 11, 3]) }),
    messages: [`${ANA} < text: -`],
  },
  {
    what: "an empty row",
    write: (db, ana) => db.addMessage({ chat: ana, from: ANA, sentAt: at }),
    messages: [],
  },
  {
    what: "a file that is gone",
    write: (db, ana) => incoming(db, ana, "\ufffc"),
    messages: [`${ANA} < text: -`],
  },
];
