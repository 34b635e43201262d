/**
 * The corpus of odd rows: kinds of rows that people's databases hold and that are easily read wrong. Each is a line that
 * writes it and a line that says what the reader makes of it, so that the next report is a line more.
 */
import { encodeKeyedArchive } from "./binary_plist_writer.ts";
import type { Chat, ChatDb } from "./chat_db_fixture.ts";
import { editMessage, unsendMessage } from "./edits.ts";
import { addAppMessage, addAttachmentMessage, addSystemRow, addTapback } from "./rows.ts";

export const ANA = "+15550100001";
export const BO = "+15550100002";

export interface OddRow {
  readonly what: string;
  readonly write: (db: ChatDb, ana: Chat) => unknown;
  /** Each message as `conversation < kind: text`; `>` for an own one, `(failed)` behind the kind of one that failed. */
  readonly messages: readonly string[];
}

const at = "2024-06-01T12:00:00.250Z";
const LINK = "https://example.test/b";
const URL_BALLOON = "com.apple.messages.URLBalloonProvider";
const POLLS = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls";
const GAME = "com.apple.messages.MSMessageExtensionBalloonPlugin:EWFNLB79LQ:com.example.game";

const group = (db: ChatDb) => db.addChat({ identifier: "chat7", groupId: "GROUP", participants: [ANA, BO] });
const incoming = (db: ChatDb, chat: Chat | null, text: string, columns = {}) =>
  db.addMessage({ chat, from: ANA, sentAt: at, text, columns });
const preview = (db: ChatDb, chat: Chat, text = LINK) =>
  addAppMessage(db, { chat, from: ANA, sentAt: at, text, bundleId: URL_BALLOON });
const balloon = (db: ChatDb, chat: Chat, bundleId: string, payload: Uint8Array) =>
  addAppMessage(db, { chat, from: ANA, sentAt: at, bundleId, payload });
const poll = (title: string, ...options: string[]) => {
  const item = { title, orderedPollOptions: options.map((text) => ({ text })) };
  const json = new TextEncoder().encode(JSON.stringify({ version: 1, item }));
  return encodeKeyedArchive(
    new Map([["URL", new URL(`data:,${btoa(String.fromCharCode(...json))}?votes=0`)]]),
  );
};
const joinBoth = (db: ChatDb, ana: Chat, columns = {}) => {
  const room = group(db);
  const message = db.addMessage({ chat: room, from: ANA, sentAt: at, text: "to all", joinLater: true });
  for (const chat of [ana, room]) db.joinMessage(message, chat);
  db.store.update("message", { rowId: message.rowId, set: columns });
};
const loseWords = (db: ChatDb, rowId: number) =>
  db.store.update("message", { rowId, set: { text: null, attributedBody: null } });

export const ODD_ROWS: readonly OddRow[] = [
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
    what: "an own reply that was unsent",
    write: (db, ana) =>
      unsendMessage(db, { message: db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Yes" }), at }),
    messages: [`${ANA} > text: -`],
  },
  {
    what: "a note of an app",
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
    what: "a note to oneself of which only the received row is there",
    write: (db) =>
      db.addMessage({ chat: db.addChat({ identifier: db.me }), from: db.me, sentAt: at, text: "milk" }),
    messages: ["+15550100000 > text: milk"],
  },
  {
    what: "a tapback, whose text is a sentence",
    write: (db, ana) => addTapback(db, { to: incoming(db, ana, "Hi"), from: "me", kind: "like", sentAt: at }),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "a handle without its country code, beside the complete one",
    write: (db, ana) => {
      incoming(db, ana, "One");
      for (const id of ["5550100001", "15550100001"]) {
        db.addMessage({ chat: db.addChat({ identifier: id }), from: id, sentAt: at, text: id });
      }
    },
    messages: [`${ANA} < text: One`, `${ANA} < text: 5550100001`, `${ANA} < text: 15550100001`],
  },
  {
    what: "a handle without its country code and without a country",
    write: (db) => {
      const handle = db.addHandle("01711234567", { country: null });
      db.addMessage({
        chat: db.addChat({ identifier: handle.id, participants: [handle] }),
        from: handle,
        sentAt: at,
        text: "Hallo",
      });
    },
    messages: ["01711234567 < text: Hallo"],
  },
  {
    what: "a handle of a Mexican number of the old form",
    write: (db) =>
      db.addMessage({
        chat: db.addChat({ identifier: "+5215512345678" }),
        from: "+5215512345678",
        sentAt: at,
        text: "Hola",
      }),
    messages: ["+5215512345678 < text: Hola"],
  },
  {
    what: "a row in a group and an older direct chat that names the group's room",
    write: (db, ana) => joinBoth(db, ana, { cache_roomnames: "chat7" }),
    messages: ["GROUP < text: to all"],
  },
  {
    what: "a row in a group and a direct chat that names neither",
    write: (db, ana) => joinBoth(db, ana, { cache_roomnames: null }),
    messages: ["- < text: to all"],
  },
  {
    what: "a row in a direct chat alone that names a group's room",
    write: (db, ana) => {
      group(db);
      incoming(db, ana, "to all", { cache_roomnames: "chat7" });
      db.store.run("UPDATE message SET cache_roomnames = 'chat7'");
    },
    messages: ["GROUP < text: to all"],
  },
  {
    what: "a row in a direct chat that names a room nobody has",
    write: (db, ana) => {
      incoming(db, ana, "to all");
      db.store.run("UPDATE message SET cache_roomnames = 'chat99'");
    },
    messages: ["- < text: to all"],
  },
  {
    what: "a link right behind a full-width colon, then its preview",
    write: (db, ana) => {
      incoming(db, ana, `安装：${LINK}`);
      preview(db, ana);
    },
    messages: [`${ANA} < text: 安装：${LINK}`],
  },
  {
    what: "a link in brackets, then its preview",
    write: (db, ana) => {
      incoming(db, ana, `(${LINK})`);
      preview(db, ana);
    },
    messages: [`${ANA} < text: (${LINK})`],
  },
  {
    what: "a link among Japanese words, then its preview",
    write: (db, ana) => {
      incoming(db, ana, `これ「${LINK}」見て`);
      preview(db, ana);
    },
    messages: [`${ANA} < text: これ「${LINK}」見て`],
  },
  {
    what: "a link without its scheme, then its preview",
    write: (db, ana) => {
      incoming(db, ana, "see example.test/b.");
      preview(db, ana);
    },
    messages: [`${ANA} < text: see example.test/b.`],
  },
  {
    what: "the preview of another link with the same beginning",
    write: (db, ana) => {
      incoming(db, ana, `${LINK}/c`);
      preview(db, ana);
    },
    messages: [`${ANA} < text: ${LINK}/c`, `${ANA} < text: ${LINK}`],
  },
  {
    what: "the preview of a link before its words",
    write: (db, ana) => {
      preview(db, ana);
      incoming(db, ana, `安装：${LINK}`);
    },
    messages: [`${ANA} < text: 安装：${LINK}`],
  },
  {
    what: "an edited row whose words are only in its summary",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at });
      loseWords(db, message.rowId);
    },
    messages: [`${ANA} < text: Eight`],
  },
  {
    what: "the same of an own row",
    write: (db, ana) => {
      const message = db.addMessage({ chat: ana, from: "me", sentAt: at, text: "Seven" });
      editMessage(db, { message, text: "Acht 🎂", at });
      loseWords(db, message.rowId);
    },
    messages: [`${ANA} > text: Acht 🎂`],
  },
  {
    what: "a row that was edited and then unsent",
    write: (db, ana) => {
      const message = incoming(db, ana, "Seven");
      editMessage(db, { message, text: "Eight", at });
      unsendMessage(db, { message, at });
    },
    messages: [`${ANA} < text: -`],
  },
  {
    what: "a poll whose words are only in its payload",
    write: (db, ana) => balloon(db, ana, POLLS, poll("Where?", "Rome", "Köln")),
    messages: [`${ANA} < app: Where?|Rome|Köln`],
  },
  {
    what: "a poll without a question",
    write: (db, ana) => balloon(db, ana, POLLS, poll("", "Rome", "Oslo")),
    messages: [`${ANA} < app: Rome|Oslo`],
  },
  {
    what: "an app's balloon with captions",
    write: (db, ana) =>
      balloon(
        db,
        ana,
        GAME,
        encodeKeyedArchive(
          new Map<string, string | Map<string, string>>([["ldtext", "Chess"], [
            "userInfo",
            new Map([["caption", "Your move"], ["subcaption", "Knight"]]),
          ]]),
        ),
      ),
    messages: [`${ANA} < app: Your move|Knight`],
  },
  {
    what: "an app's balloon with a text for other devices",
    write: (db, ana) => balloon(db, ana, GAME, encodeKeyedArchive(new Map([["ldtext", "Let’s play"]]))),
    messages: [`${ANA} < app: Let’s play`],
  },
  {
    what: "an app's balloon whose payload is damaged",
    write: (db, ana) => balloon(db, ana, GAME, new Uint8Array([98, 112, 108, 105])),
    messages: [`${ANA} < app: -`],
  },
  {
    what: "a link whose address is only in its payload",
    write: (db, ana) =>
      balloon(
        db,
        ana,
        URL_BALLOON,
        encodeKeyedArchive({ richLinkMetadata: { originalURL: new URL(LINK), title: "B" } }),
      ),
    messages: [`${ANA} < text: ${LINK}`],
  },
  {
    what: "a link whose address is only in its payload, after its words",
    write: (db, ana) => {
      incoming(db, ana, `see ${LINK}`);
      balloon(db, ana, URL_BALLOON, encodeKeyedArchive({ richLinkMetadata: { URL: new URL(LINK) } }));
    },
    messages: [`${ANA} < text: see ${LINK}`],
  },
  {
    what: "an emoji that was drawn for the message, between words",
    write: (db, ana) => {
      addAttachmentMessage(db, {
        chat: ana,
        from: ANA,
        sentAt: at,
        files: [{ name: "a.heic", mimeType: "image/heic", isSticker: true }],
        caption: " see you",
      });
      db.store.run("UPDATE attachment SET emoji_image_short_description = 'cat with hat'");
    },
    messages: [`${ANA} < text: [cat with hat] see you`],
  },
  {
    what: "a sticker between words",
    write: (db, ana) =>
      addAttachmentMessage(db, {
        chat: ana,
        from: ANA,
        sentAt: at,
        files: [{ name: "a.heic", mimeType: "image/heic", isSticker: true }],
        caption: "see you",
      }),
    messages: [`${ANA} < text: ￼see you`],
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
    write: (db) => addSystemRow(db, { chat: group(db), kind: "renamed", by: ANA, at, title: "Trip" }),
    messages: [],
  },
  {
    what: "a row with a body that cannot be decoded",
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
  { what: "a row in no chat", write: (db) => incoming(db, null, "lost"), messages: ["- < text: lost"] },
];
