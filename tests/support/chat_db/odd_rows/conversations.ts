/** Odd rows: whose conversation a row belongs to, and under which address. */
import { ANA, at, BO, group, inChat, incoming, joinBoth, later, type OddRow, own } from "./odd_row.ts";

export const CONVERSATIONS: readonly OddRow[] = [
  {
    what: "one person's chats of three services",
    quirk: "`chat.guid` begins with the service, and with `any;` from 26 on",
    options: { generation: "sequoia" },
    write: (db) => {
      for (const service of ["iMessage", "SMS", "RCS"] as const) {
        const chat = db.addChat({ identifier: BO, service });
        db.addMessage({ chat, from: BO, sentAt: at, text: service });
      }
    },
    messages: [`${BO} < text: iMessage`, `${BO} < text: SMS`, `${BO} < text: RCS`],
  },
  {
    what: "a chat whose guid begins with any",
    quirk: "`chat.guid` begins with the service, and with `any;` from 26 on",
    options: { generation: "tahoe" },
    write: (db, ana) => incoming(db, ana, "Hi"),
    messages: [`${ANA} < text: Hi`],
  },
  {
    what: "a group that was created again",
    quirk: "A group is created again under a new chat and id",
    write: (db) => {
      incoming(db, group(db), "One");
      const again = { identifier: "chat8", groupId: "G2", participants: [ANA, BO] };
      incoming(db, db.addChat({ ...again, columns: { original_group_id: "GROUP" } }), "Two");
    },
    messages: [`GROUP < text: One {with ${ANA}, ${BO}}`, `GROUP < text: Two {with ${ANA}, ${BO}}`],
  },
  {
    what: "a group that Messages is still writing",
    quirk: "`style` is NULL while the row is written; groups of two",
    write: (db) => incoming(db, group(db, { columns: { style: null } }), "Hi"),
    messages: [`GROUP < text: Hi {with ${ANA}, ${BO}}`],
  },
  {
    what: "a group with a name",
    write: (db) => incoming(db, group(db, { displayName: "Trip" }), "Hi"),
    messages: [`GROUP < text: Hi {named Trip; with ${ANA}, ${BO}}`],
  },
  {
    what: "a person who writes from another address",
    quirk: "A person writes from several handles",
    write: (db, ana) => db.addMessage({ chat: ana, from: "ana@example.test", sentAt: at, text: "Hi" }),
    messages: [`${ANA} < text: Hi {from ana@example.test}`],
  },
  {
    what: "two addresses that Apple takes for one person",
    quirk: "`person_centric_id` joins handles, and is often NULL",
    write: (db) => {
      for (const id of [BO, "bo@example.test"]) {
        const handle = db.addHandle(id, { personCentricId: "P1" });
        db.addMessage({
          chat: db.addChat({ identifier: id, participants: [handle] }),
          from: handle,
          sentAt: at,
          text: id,
        });
      }
    },
    messages: [`${BO} < text: ${BO}`, "bo@example.test < text: bo@example.test"],
  },
  {
    what: "a member who wrote and left",
    quirk: "Members who left have no join row",
    write: (db) => {
      const chat = db.addChat({ identifier: "chat7", groupId: "GROUP", participants: [ANA] });
      db.addMessage({ chat, from: BO, sentAt: at, text: "bye" });
    },
    messages: [`GROUP < text: bye {with ${ANA}, ${BO}}`],
  },
  {
    what: "a row in two direct chats",
    quirk: "A message in two chats",
    write: (db, ana) => {
      const other = db.addChat({ identifier: BO });
      db.joinMessage(db.addMessage({ chat: other, from: BO, sentAt: at, text: "both" }), ana);
    },
    messages: [`${ANA} < text: both {from ${BO}}`],
  },
  {
    what: "a row in no chat that names a group's room",
    quirk: "A message in no chat",
    write: (db) => {
      group(db);
      incoming(db, null, "found", { cache_roomnames: "chat7" });
    },
    messages: [`GROUP < text: found {with ${ANA}, ${BO}}`],
  },
  {
    what: "an own row that carries the other's handle",
    quirk: "Own rows carry the recipient's handle, or 0",
    write: (db, ana) => {
      own(db, ana, "with");
      own(db, ana, "without", { handle_id: 0 });
    },
    messages: [`${ANA} > text: with`, `${ANA} > text: without`],
  },
  {
    what: "a note to oneself of two rows",
    quirk: "A note to oneself is two rows, or one",
    write: (db) => db.addSelfChatTwins({ chat: db.addChat({ identifier: db.me }), sentAt: at, text: "milk" }),
    messages: ["+15550100000 > text: milk"],
  },
  {
    what: "a message in Recently Deleted, and one that was recovered",
    quirk: "Recently Deleted moves the join row, the message stays",
    write: (db, ana) => {
      const [gone, back] = [incoming(db, ana, "gone"), incoming(db, ana, "back")];
      for (const message of [gone, back]) db.moveToRecentlyDeleted(message, later);
      db.recoverMessage(back, later);
    },
    messages: [`${ANA} < text: back`],
  },
  {
    what: "a row whose chat comes after it",
    quirk: "A row's chat, files and text come after it",
    write: (db, ana) => {
      const late = db.addMessage({ chat: ana, from: ANA, sentAt: at, text: "late", joinLater: true });
      incoming(db, ana, "after");
      db.joinMessage(late, ana);
    },
    messages: [`${ANA} < text: late`, `${ANA} < text: after`],
  },
  {
    what: "an old message that was inserted behind a newer one",
    quirk: "ROWIDs follow insertion, not dates, and have gaps",
    write: (db, ana) => {
      incoming(db, ana, "new");
      db.deleteMessage(incoming(db, ana, "gap"));
      db.addMessage({ chat: ana, from: ANA, sentAt: "2019-01-01T00:00:00.000Z", text: "old" });
    },
    messages: [`${ANA} < text: new`, `${ANA} < text: old {at 2019-01-01T00:00:00.000Z}`],
  },
  {
    what: "handles of one Argentine number with and without its 9",
    write: (db) => {
      for (const id of ["+5491123456789", "+541123456789"]) inChat(db, id, id);
    },
    messages: ["+5491123456789 < text: +5491123456789", "+5491123456789 < text: +541123456789"],
  },
  {
    what: "a note to oneself of which only the received row is there",
    quirk: "A note to oneself is two rows, or one",
    write: (db) =>
      db.addMessage({ chat: db.addChat({ identifier: db.me }), from: db.me, sentAt: at, text: "milk" }),
    messages: ["+15550100000 > text: milk"],
  },
  {
    what: "a handle without its country code, beside the complete one",
    quirk: "A chat's conversation becomes another one: a number is completed, a group created again",
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
    quirk: "A message in two chats",
    write: (db, ana) => joinBoth(db, ana, { cache_roomnames: "chat7" }),
    messages: [`GROUP < text: to all {with ${ANA}, ${BO}}`],
  },
  {
    what: "a row in a group and a direct chat that names neither",
    quirk: "A message in two chats",
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
    messages: [`GROUP < text: to all {with ${ANA}, ${BO}}`],
  },
  {
    what: "a row in a group that names the room of another one",
    write: (db) => {
      db.addChat({ identifier: "chat8", groupId: "OTHER", participants: [BO] });
      incoming(db, group(db), "to all");
      db.store.run("UPDATE message SET cache_roomnames = 'chat8'");
    },
    messages: ["- < text: to all"],
  },
  {
    what: "a row in one of two chats of a group's room, of which the later one has another id",
    write: (db) => {
      incoming(db, group(db), "to all");
      db.addChat({
        identifier: "chat7",
        groupId: "LATER",
        service: "SMS",
        guidPrefix: "SMS",
        participants: [ANA],
      });
    },
    messages: [`GROUP < text: to all {with ${ANA}, ${BO}}`],
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
    what: "a row in no chat",
    quirk: "A message in no chat",
    write: (db) => incoming(db, null, "lost"),
    messages: ["- < text: lost"],
  },
];
