/** Odd rows: what apps draw: links with their previews, polls, games, stickers. */
import { addAppMessage, addAttachmentMessage } from "../rows.ts";
import { encodeKeyedArchive } from "../binary_plist_writer.ts";
import {
  ANA,
  at,
  balloon,
  GAME,
  incoming,
  LINK,
  type OddRow,
  poll,
  POLLS,
  preview,
  URL_BALLOON,
} from "./odd_row.ts";

export const BALLOONS: readonly OddRow[] = [
  {
    what: "a link without words around it, that another row does not hold",
    quirk: "A preview may hold the only link",
    write: (db, ana) => {
      incoming(db, ana, "look");
      preview(db, ana);
    },
    messages: [`${ANA} < text: look`, `${ANA} < text: ${LINK}`],
  },
  {
    what: "a link with letters that its preview writes in code",
    write: (db, ana) => {
      incoming(db, ana, "schau https://example.test/straße?q=ä an");
      preview(db, ana, "https://example.test/stra%C3%9Fe?q=%C3%A4");
    },
    messages: [`${ANA} < text: schau https://example.test/straße?q=ä an`],
  },
  {
    what: "a link whose preview ends in a slash",
    write: (db, ana) => {
      incoming(db, ana, "see example.test!");
      preview(db, ana, "https://example.test/");
    },
    messages: [`${ANA} < text: see example.test!`],
  },
  {
    what: "a link of a domain with umlauts",
    write: (db, ana) => {
      incoming(db, ana, "guck https://müller.test/a");
      preview(db, ana, "https://xn--mller-kva.test/a");
    },
    messages: [`${ANA} < text: guck https://müller.test/a`],
  },
  {
    what: "a game without words",
    quirk: "Games, polls, voice messages, stickers",
    write: (db, ana) => addAppMessage(db, { chat: ana, from: ANA, sentAt: at, bundleId: GAME }),
    messages: [`${ANA} < app: -`],
  },
  {
    what: "a link right behind a full-width colon, then its preview",
    quirk: "The words and the preview of one link are two rows",
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
    quirk: "The words and the preview of one link are two rows",
    write: (db, ana) => {
      preview(db, ana);
      incoming(db, ana, `安装：${LINK}`);
    },
    messages: [`${ANA} < text: 安装：${LINK}`],
  },
  {
    what: "a poll whose words are only in its payload",
    quirk: "Games, polls, voice messages, stickers",
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
    messages: [`${ANA} < text: [cat with hat] see you {files a.heic}`],
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
    messages: [`${ANA} < text: ￼see you {files a.heic}`],
  },
];
