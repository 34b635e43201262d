/** Odd rows: edits, unsends and receipts. */
import { editMessage, unsendMessage } from "../edits.ts";
import { addAttachmentMessage, addTapback } from "../rows.ts";
import { encodePlist } from "../binary_plist_writer.ts";
import { encodeBody } from "../body.ts";
import {
  ANA,
  appleDate,
  at,
  incoming,
  later,
  loseWords,
  type OddRow,
  PICTURE,
  setColumns,
} from "./odd_row.ts";

export const CHANGES: readonly OddRow[] = [
  {
    what: "an edited message",
    quirk: "An edit keeps ROWID, guid and date; `text` becomes NULL",
    write: (db, ana) => editMessage(db, { message: incoming(db, ana, "Seven"), text: "Eight", at: later }),
    messages: [`${ANA} < text: Eight {edited 12:05:00}`],
  },
  {
    what: "an edit without a time in its row",
    quirk: "`date_edited` may be 0 although versions are listed",
    write: (db, ana) =>
      editMessage(db, {
        message: incoming(db, ana, "Seven"),
        text: "Eight",
        at: later,
        setDateEdited: false,
      }),
    messages: [`${ANA} < text: Eight {edited 12:05:00}`],
  },
  {
    what: "an edit whose own time is a float of seconds",
    quirk: "An edit's own time is a float of seconds",
    write: (db, ana) =>
      editMessage(db, {
        message: incoming(db, ana, "Seven"),
        text: "Eight",
        at: "2024-06-01T12:05:00.750Z",
        setDateEdited: false,
      }),
    messages: [`${ANA} < text: Eight {edited 12:05:00}`],
  },
  {
    what: "a change of the formatting alone",
    quirk: "A change of formatting alone is an edit",
    write: (db, ana) =>
      editMessage(db, { message: incoming(db, ana, "Hi"), parts: [{ text: "Hi", bold: true }], at: later }),
    messages: [`${ANA} < text: Hi {edited 12:05:00}`],
  },
  {
    what: "a file that was unsent from beside its words",
    quirk: "A partial unsend keeps the original part indexes, and maybe the joined file",
    write: (db, ana) =>
      unsendMessage(db, {
        message: addAttachmentMessage(db, {
          chat: ana,
          from: ANA,
          sentAt: at,
          files: [PICTURE],
          caption: "look",
        }),
        parts: [0],
        at: later,
      }),
    messages: [`${ANA} < text: look {edited 12:05:00}`],
  },
  {
    what: "a summary that records no edit",
    quirk: "Most rows have a summary, few record an edit",
    write: (db, ana) => incoming(db, ana, "Hi", { message_summary_info: encodePlist({ amc: 1, ust: true }) }),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "an edited row with a damaged summary",
    quirk: "Most rows have a summary, few record an edit",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at: later });
      setColumns(db, message, { message_summary_info: new TextEncoder().encode("bplist00Rec Rrp") });
    },
    messages: [`${ANA} < text: Eight {edited 12:05:00}`],
  },
  {
    what: "an edited row whose body is empty and whose words are only in its summary",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at: later });
      setColumns(db, message, { attributedBody: encodeBody([""]) });
    },
    messages: [`${ANA} < text: Eight {edited 12:05:00}`],
  },
  {
    what: "an edited row whose body is damaged and whose words are only in its summary",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at: later });
      setColumns(db, message, { attributedBody: new Uint8Array([4, 11, 3]) });
    },
    messages: [`${ANA} < text: Eight {edited 12:05:00}`],
  },
  {
    what: "an edited row that has lost its words and says that it was unsent",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at });
      loseWords(db, message);
      setColumns(db, message, { date_retracted: appleDate(db, later) });
    },
    messages: [`${ANA} < text: - {unsent 12:05:00}`],
  },
  {
    what: "a row edited without a trace but its time",
    quirk: "No index on `date_edited`",
    write: (db, ana) => incoming(db, ana, "Hi", { date_edited: appleDate(db, later) }),
    messages: [`${ANA} < text: Hi {edited 12:05:00}`],
  },
  {
    what: "a message that the owner read",
    quirk:
      "`date_read` is the owner's on incoming rows, the other side's on own ones; `date_delivered` is meaningful on own ones only",
    write: (db, ana) => db.addMessage({ chat: ana, from: ANA, sentAt: at, text: "Hi", readAt: later }),
    messages: [`${ANA} < text: Hi {read 12:05:00}`],
  },
  {
    what: "an own message that was delivered and read",
    quirk:
      "`date_read` is the owner's on incoming rows, the other side's on own ones; `date_delivered` is meaningful on own ones only",
    write: (db, ana) =>
      db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Hi", deliveredAt: at, readAt: later }),
    messages: [`${ANA} > text: Hi {read 12:05:00; delivered 12:00:00}`],
  },
  {
    what: "a text message that was read at no time",
    quirk:
      "`date_read` is 0, NULL or the greatest integer for never, also where `is_read` says otherwise (SMS)",
    write: (db, ana) => incoming(db, ana, "Hi", { is_read: 1, date_read: 9223372036854775807n }),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "many messages that were read at one time",
    quirk: "Many rows get one and the same time; one read on a phone gets an old time late",
    write: (db, ana) => {
      for (const text of ["One", "Two"]) incoming(db, ana, text, { date_read: appleDate(db, later) });
    },
    messages: [`${ANA} < text: One {read 12:05:00}`, `${ANA} < text: Two {read 12:05:00}`],
  },
  {
    what: "a message and its tapback that were both read",
    quirk: "Tapbacks and system notices are read, too",
    write: (db, ana) => {
      addTapback(db, { to: incoming(db, ana, "Hi"), from: ANA, kind: "love", sentAt: at });
      db.store.run(`UPDATE message SET date_read = ${appleDate(db, later)}`);
    },
    messages: [`${ANA} < text: Hi {read 12:05:00; love of ${ANA}}`],
  },
  {
    what: "a message of a backup without receipts",
    quirk: "A backup lacks the columns",
    options: { generation: "el_capitan" },
    write: (db, ana) => {
      incoming(db, ana, "Hi");
      for (const column of ["date_read", "date_delivered"]) {
        db.store.run(`ALTER TABLE message DROP COLUMN ${column}`);
      }
    },
    messages: [`${ANA} < text: Hi {at 2024-06-01T12:00:00.000Z}`],
  },
  {
    what: "a message that has a receipt and no index to find it by",
    quirk: "No index on `date_read` and `date_delivered`, and most rows have one",
    write: (db, ana) => db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Hi", deliveredAt: later }),
    messages: [`${ANA} > text: Hi {delivered 12:05:00}`],
  },
  {
    what: "an own reply that was unsent",
    quirk: "An unsend sets `date_edited`; `date_retracted` stays 0",
    write: (db, ana) =>
      unsendMessage(db, { message: db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Yes" }), at }),
    messages: [`${ANA} > text: - {unsent 12:00:00}`],
  },
  {
    what: "an edited row whose words are only in its summary",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at });
      loseWords(db, message);
    },
    messages: [`${ANA} < text: Eight {edited 12:00:00}`],
  },
  {
    what: "the same of an own row",
    write: (db, ana) => {
      const message = db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Seven" });
      editMessage(db, { message, text: "Acht 🎂", at });
      loseWords(db, message);
    },
    messages: [`${ANA} > text: Acht 🎂 {edited 12:00:00}`],
  },
  {
    what: "a row that was edited and then unsent",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at });
      unsendMessage(db, { message, at });
    },
    messages: [`${ANA} < text: - {unsent 12:00:00}`],
  },
];
