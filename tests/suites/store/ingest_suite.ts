/** Tests the message ingest. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { SyncMessage } from "../../../contract/sync.ts";
import type { StoreTests, TestDatabase } from "../../support/postgres/postgres.ts";
import { batch, completedDraft, message, minutesOn, paired } from "../../support/server/store_rows.ts";
import type { Message } from "../../../server/store/schema.ts";
import { fragment, rawFragment } from "../../../server/store/sql.ts";

const ALL = { page: 1, pageSize: 200, order: "oldest" } as const;

async function stored(
  { stores }: TestDatabase,
  accountId: string,
  conversationId: string,
): Promise<readonly Message[]> {
  const page = await stores.conversations.messages(accountId, { ...ALL, conversationId });
  assert(page);
  return page.rows;
}

/** Every row version of an account's messages and conversations: any write, even of equal values, changes them. */
async function versions({ database: { sql } }: TestDatabase, accountId: string): Promise<unknown> {
  return [
    await sql`select id, xmin::text, ctid::text from messages where account_id = ${accountId} order by id`,
    await sql`select id, xmin::text, ctid::text from conversations where account_id = ${accountId} order by id`,
  ];
}

/** True when each conversation's count and last time are what its messages say. */
async function totalsHold({ database: { sql } }: TestDatabase, accountId: string): Promise<boolean> {
  const wrong = await sql`
    select c.id from conversations c left join messages m on m.conversation_id = c.id
    where c.account_id = ${accountId} group by c.id
    having c.message_count <> count(m.id) or c.last_message_at is distinct from max(m.sent_at)`;
  return wrong.length === 0;
}

export const ingestTests: StoreTests = {
  "a batch is stored once; repeated it changes nothing and says so": async (shared) => {
    const { ingest } = shared.stores;
    const origin = await paired(shared.stores);
    const sent = batch([
      message("repeat-1"),
      message("repeat-2", { minute: 1, direction: "outgoing", senderId: null }),
    ]);
    const first = await ingest.ingestMessages(origin, sent);
    assert.deepEqual({ ...first, conversationId: "" }, {
      conversationId: "",
      inserted: 2,
      updated: 0,
      unchanged: 0,
    });
    const before = await versions(shared, origin.accountId);
    assert.deepEqual(await ingest.ingestMessages(origin, sent), { ...first, inserted: 0, unchanged: 2 });
    assert.deepEqual(await versions(shared, origin.accountId), before);
  },

  "all fields of a message come back as they were sent": async (shared) => {
    const origin = await paired(shared.stores);
    const full: SyncMessage = message("full", {
      sentAt: "2024-02-29T23:59:59.987+05:30",
      editedAt: "2024-03-01T00:00:00Z",
      retractedAt: "2024-03-01T00:00:00.001Z",
      readAt: "2024-03-01T00:00:00.002Z",
      deliveredAt: "2024-03-01T00:00:00.003Z",
      replyToGuid: "an earlier one",
      reactions: [{ kind: "emoji", emoji: "🦀", senderId: null, reactedAt: "2024-03-01T00:00:00.000Z" }],
      attachments: [{ guid: "file", mimeType: "image/heic", name: 'a "quoted" \\ name', sizeBytes: 2 ** 40 }],
      failed: true,
    });
    const { conversationId } = await shared.stores.ingest.ingestMessages(origin, batch([full]));
    const [row] = await stored(shared, origin.accountId, conversationId);
    assert(row);
    const { id: _id, createdAt: _createdAt, ...fields } = row;
    assert.deepEqual(fields, {
      ...full,
      accountId: origin.accountId,
      conversationId,
      sentAt: new Date("2024-02-29T18:29:59.987Z"),
      editedAt: new Date("2024-03-01T00:00:00Z"),
      retractedAt: new Date("2024-03-01T00:00:00.001Z"),
      readAt: new Date("2024-03-01T00:00:00.002Z"),
      deliveredAt: new Date("2024-03-01T00:00:00.003Z"),
    });
  },

  "texts of any length and script come back unchanged": async (shared) => {
    const origin = await paired(shared.stores);
    const texts = [
      "",
      "x".repeat(100_000),
      "👩‍👩‍👧".repeat(20_000),
      "שלום עולם",
      "\uFFFC",
      "\\u0000",
      "a\tb\r\n\u2028c",
      null,
    ];
    const sent = texts.map((text, n) => message(`text-${n}`, { text, minute: n }));
    const { conversationId } = await shared.stores.ingest.ingestMessages(origin, batch(sent));
    const rows = await stored(shared, origin.accountId, conversationId);
    assert.deepEqual(rows.map((row) => row.text), texts);
  },

  "nothing of a batch is stored when one message cannot be": async (shared) => {
    const origin = await paired(shared.stores);
    const unstorable = [
      message("nul", { text: "a\0b" }),
      message("surrogate", { text: "a\ud800b" }),
      message("year 0", { sentAt: "0000-01-01T00:00:00Z" }),
      message("year 10000", { sentAt: "9999-12-31T23:00:00-12:00" }),
    ];
    for (const bad of unstorable) {
      await assert.rejects(shared.stores.ingest.ingestMessages(origin, batch([message("good"), bad])));
    }
    const status = await shared.stores.ingest.status(origin.accountId);
    assert.deepEqual([status.messages, status.conversations, status.lastSyncedAt], [0, 0, null]);
  },

  "the last of twins in one batch wins, and the counts still add up": async (shared) => {
    const origin = await paired(shared.stores);
    const sent = batch([
      message("twin", { text: "first" }),
      message("single"),
      message("twin", { text: "last" }),
    ]);
    const result = await shared.stores.ingest.ingestMessages(origin, sent);
    assert.deepEqual([result.inserted, result.updated, result.unchanged], [2, 0, 1]);
    const rows = await stored(shared, origin.accountId, result.conversationId);
    assert.deepEqual(rows.map((row) => row.text).sort(), ["Text of single", "last"]);
  },

  "an edit and an unsend replace the text, and an older copy does not bring it back": async (shared) => {
    const { ingest } = shared.stores;
    const origin = await paired(shared.stores);
    const original = batch([message("m", { text: "teh" })]);
    const edited = batch([message("m", { text: "the", editedAt: minutesOn(5).toISOString() })]);
    const unsent = batch([message("m", { text: null, retractedAt: minutesOn(6).toISOString() })]);
    const { conversationId } = await ingest.ingestMessages(origin, original);
    const textAfter = async (sent: typeof original) => {
      const { updated } = await ingest.ingestMessages(origin, sent);
      const [row] = await stored(shared, origin.accountId, conversationId);
      return [updated, row?.text, row?.editedAt?.toISOString(), row?.retractedAt?.toISOString()];
    };
    const editedAt = minutesOn(5).toISOString();
    assert.deepEqual(await textAfter(edited), [1, "the", editedAt, undefined]);
    assert.deepEqual(await textAfter(original), [0, "the", editedAt, undefined]);
    // The device that unsends may never have seen the edit.
    assert.deepEqual(await textAfter(unsent), [1, null, editedAt, minutesOn(6).toISOString()]);
    assert.deepEqual(await textAfter(edited), [0, null, editedAt, minutesOn(6).toISOString()]);
  },

  "a receipt is an update of its message alone, and a copy without it, or with null, keeps it": async (
    shared,
  ) => {
    const { ingest } = shared.stores;
    const origin = await paired(shared.stores);
    const after = async (...sent: SyncMessage[]) => {
      const { conversationId, ...counts } = await ingest.ingestMessages(origin, batch(sent));
      const [row] = await stored(shared, origin.accountId, conversationId);
      return [counts, row?.readAt?.toISOString() ?? null, row?.deliveredAt?.toISOString() ?? null];
    };
    const mine = { direction: "outgoing", senderId: null } as const;
    const [delivered, read] = [minutesOn(1).toISOString(), minutesOn(2).toISOString()];
    const changed = { inserted: 0, updated: 1, unchanged: 0 };
    const same = { inserted: 0, updated: 0, unchanged: 1 };
    assert.deepEqual(await after(message("m", mine)), [
      { inserted: 1, updated: 0, unchanged: 0 },
      null,
      null,
    ]);
    assert.deepEqual(await after(message("m", { ...mine, deliveredAt: delivered })), [
      changed,
      null,
      delivered,
    ]);
    const whole = message("m", { ...mine, deliveredAt: delivered, readAt: read });
    assert.deepEqual(await after(whole), [changed, read, delivered]);
    assert.deepEqual(await after(whole), [same, read, delivered]);
    assert.deepEqual(await after(message("m", mine)), [same, read, delivered]);
    assert.deepEqual(await after(message("m", { ...mine, readAt: null, deliveredAt: null })), [
      same,
      read,
      delivered,
    ]);
    const later = message("m", { ...mine, deliveredAt: delivered, readAt: minutesOn(3).toISOString() });
    assert.deepEqual(await after(later), [changed, minutesOn(3).toISOString(), delivered]);
    assert(await totalsHold(shared, origin.accountId));
  },

  "a receipt touches neither the conversation, nor the drafts for its message, nor its id": async (
    shared,
  ) => {
    const { stores, database: { sql } } = shared;
    const origin = await paired(stores);
    const draft = await completedDraft(stores, origin);
    const [conversation] = await sql<
      { imessage_id: string }
    >`select * from conversations where id = ${draft.conversationId}`;
    const [before] = await stored(shared, origin.accountId, draft.conversationId);
    assert(before && conversation);
    const conversationImessageId = conversation.imessage_id;
    const read = message(before.imessageGuid, { readAt: minutesOn(9).toISOString() });
    const { updated } = await stores.ingest.ingestMessages(origin, batch([read], { conversationImessageId }));
    assert.equal(updated, 1);
    assert.deepEqual(await stored(shared, origin.accountId, draft.conversationId), [
      { ...before, readAt: minutesOn(9) },
    ]);
    assert.deepEqual(await stores.responses.find(origin.accountId, draft.id), draft);
    const [after] = await sql`select * from conversations where id = ${draft.conversationId}`;
    assert.deepEqual(after, conversation);
  },

  "what a message does not say keeps what is stored": async (shared) => {
    const { ingest, conversations } = shared.stores;
    const origin = await paired(shared.stores);
    const reactions = [{ kind: "love" as const, senderId: null }];
    const rich = message("m", { reactions, replyToGuid: "r", attachments: [{ guid: "a" }] });
    const { conversationId } = await ingest.ingestMessages(origin, batch([rich]));
    const plain = batch([message("m")], { conversationDisplayName: undefined });
    assert.equal((await ingest.ingestMessages(origin, plain)).unchanged, 1);
    assert.equal(
      (await ingest.ingestMessages(origin, batch([message("m", { text: "changed" })]))).updated,
      1,
    );
    const [kept] = await stored(shared, origin.accountId, conversationId);
    assert.deepEqual([kept?.reactions, kept?.replyToGuid, kept?.attachments], [reactions, "r", [{
      guid: "a",
    }]]);
    assert.equal((await ingest.ingestMessages(origin, batch([message("m", { reactions: [] })]))).updated, 1);
    const [row] = await stored(shared, origin.accountId, conversationId);
    assert.deepEqual([row?.reactions, row?.replyToGuid, row?.attachments], [[], "r", [{ guid: "a" }]]);
    assert.equal((await conversations.find(origin.accountId, conversationId))?.displayName, "John Doe");
  },

  "a conversation follows what the latest batch says of it": async (shared) => {
    const { ingest, conversations } = shared.stores;
    const origin = await paired(shared.stores);
    const { conversationId } = await ingest.ingestMessages(origin, batch([message("m", { minute: 3 })]));
    const renamed = { conversationDisplayName: "Hiking", isGroup: true, participantIds: ["a", 'b,"c"'] };
    assert.equal((await ingest.ingestMessages(origin, batch([], renamed))).conversationId, conversationId);
    const found = await conversations.find(origin.accountId, conversationId);
    assert(found);
    const { displayName, isGroup, participantIds, messageCount, lastMessageAt } = found;
    assert.deepEqual({ conversationDisplayName: displayName, isGroup, participantIds }, renamed);
    assert.deepEqual([messageCount, lastMessageAt], [1, minutesOn(3)]);
  },

  "a name that is taken from a group goes, and a batch that names none keeps it": async ({ stores }) => {
    const { ingest, conversations } = stores;
    const origin = await paired(stores);
    const nameAfter = async (name: string | null | undefined, isGroup: boolean, id = "group") => {
      const place = { conversationImessageId: id, conversationDisplayName: name, isGroup };
      const sent = await ingest.ingestMessages(origin, batch([message(`of ${id}`)], place));
      return (await conversations.find(origin.accountId, sent.conversationId))?.displayName;
    };
    assert.deepEqual([await nameAfter("Hiking", true), await nameAfter(undefined, true)], [
      "Hiking",
      "Hiking",
    ]);
    assert.equal(await nameAfter(null, true), null);
    assert.deepEqual([await nameAfter("John Doe", false, "+1"), await nameAfter(null, false, "+1")], [
      "John Doe",
      "John Doe",
    ], "of two people it is not Messages' own");
  },

  "messages of a merged chat move to the latest one, with their drafts and samples": async (shared) => {
    const { stores, database: { sql } } = shared;
    const origin = await paired(stores);
    const draft = await completedDraft(stores, origin);
    const sample = { input: "in", output: "out", quality: 1 };
    await stores.responses.recordAction(origin.accountId, { responseId: draft.id, action: "accept", sample });
    const { messageId } = draft;
    const asked = { messageIds: [messageId], limit: 0 };
    const moving = (await stores.conversations.histories(origin.accountId, asked)).get(messageId)?.message;
    assert(moving);
    const sent = batch([message("other"), message(moving.imessageGuid)], {
      conversationImessageId: "merged",
    });
    const result = await stores.ingest.ingestMessages(origin, sent);
    assert.deepEqual([result.inserted, result.updated], [1, 1]);
    const moved = await stores.responses.find(origin.accountId, draft.id);
    assert.equal(moved?.conversationId, result.conversationId);
    const [taught] = await sql`select conversation_id from training_samples where response_id = ${draft.id}`;
    assert.equal(taught?.conversation_id, result.conversationId);
    assert.equal(await stores.conversations.find(origin.accountId, draft.conversationId), undefined);
    assert.equal((await stores.conversations.find(origin.accountId, result.conversationId))?.messageCount, 2);
    assert(await totalsHold(shared, origin.accountId));
  },

  "the same batch sent many times at once is stored exactly once": async (shared) => {
    const origin = await paired(shared.stores);
    const sent = batch(Array.from({ length: 300 }, (_, n) => message(`same-${n}`, { minute: n })));
    const results = await Promise.all(
      Array.from({ length: 8 }, () => shared.stores.ingest.ingestMessages(origin, sent)),
    );
    const sum = (key: "inserted" | "updated" | "unchanged") =>
      results.reduce((total, one) => total + one[key], 0);
    assert.deepEqual([sum("inserted"), sum("updated"), sum("unchanged")], [300, 0, 7 * 300]);
    assert.equal(new Set(results.map((result) => result.conversationId)).size, 1);
    assert(await totalsHold(shared, origin.accountId));
  },

  "overlapping batches that pull messages to and fro neither deadlock nor miscount": async (shared) => {
    const origin = await paired(shared.stores);
    const guids = Array.from({ length: 60 }, (_, n) => `pulled-${n}`);
    const batches = Array.from({ length: 16 }, (_, n) =>
      batch(
        (n % 2 ? guids : guids.toReversed()).slice(n, n + 40).map((guid) => message(guid, { minute: n })),
        { conversationImessageId: `chat-${n % 3}` },
      ));
    await Promise.all(batches.map((one) => shared.stores.ingest.ingestMessages(origin, one)));
    const sent = new Set(batches.flatMap((one) => one.messages.map(({ imessageGuid }) => imessageGuid)));
    assert.equal((await shared.stores.ingest.status(origin.accountId)).messages, sent.size);
    assert(await totalsHold(shared, origin.accountId));
  },

  "equal identities in two accounts are two messages in two conversations": async (shared) => {
    const { ingest, conversations } = shared.stores;
    const [mine, other] = [await paired(shared.stores), await paired(shared.stores)];
    const a = await ingest.ingestMessages(mine, batch([message("m", { text: "mine" })]));
    const b = await ingest.ingestMessages(other, batch([message("m", { text: "other's" })]));
    assert.notEqual(a.conversationId, b.conversationId);
    assert.equal(b.inserted, 1);
    assert.equal((await stored(shared, mine.accountId, a.conversationId))[0]?.text, "mine");
    const foreign = { ...ALL, conversationId: a.conversationId };
    assert.equal(await conversations.messages(other.accountId, foreign), undefined);
  },

  "the sync status adds up what the devices of an account have sent": async (shared) => {
    const { ingest, contacts } = shared.stores;
    const origin = await paired(shared.stores);
    const empty = await ingest.status(origin.accountId);
    assert.deepEqual(empty, {
      messages: 0,
      conversations: 0,
      contacts: 0,
      lastMessageAt: null,
      lastSyncedAt: null,
      devices: [],
    });
    await ingest.ingestMessages(origin, batch([message("a", { minute: 7 }), message("b")]));
    await ingest.ingestMessages(origin, batch([message("a", { minute: 7 })]));
    await ingest.ingestMessages(origin, batch([message("c")], { conversationImessageId: "another" }));
    await contacts.upsert(origin.accountId, [{ email: "john@example.com" }]);
    const { devices: [device], lastSyncedAt, ...totals } = await ingest.status(origin.accountId);
    assert.deepEqual(totals, { messages: 3, conversations: 2, contacts: 1, lastMessageAt: minutesOn(7) });
    assert.deepEqual([device?.batches, device?.inserted, device?.unchanged], [3, 3, 1]);
    assert.deepEqual(device?.lastBatchAt, lastSyncedAt);
  },
};

/** Tests that need a database to themselves. */
export const ingestModelTests: StoreTests = {
  "any sequence of batches leaves what a plain model of the rules says": async (own) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { maxLength: 6 }), (batches) => agreesWithModel(own, batches)),
      {
        numRuns: 40,
      },
    );
  },
};

const anyMessage = fc.record({
  guid: fc.constantFrom("a", "b", "c", "d"),
  text: fc.option(fc.string({ unit: "grapheme", maxLength: 5 }).filter((text) => !text.includes("\0"))),
  minute: fc.nat(9),
  editedMinute: fc.option(fc.nat(3)),
  retractedMinute: fc.option(fc.nat(3), { freq: 5 }),
  readMinute: fc.option(fc.nat(3)),
});
const anyBatch = fc.record({
  chat: fc.constantFrom("x", "y"),
  messages: fc.array(anyMessage, { maxLength: 5 }),
});
type AnyBatch = typeof anyBatch extends fc.Arbitrary<infer Value> ? Value : never;
type AnyMessage = AnyBatch["messages"][number];
type ModelRow = AnyMessage & { chat: string };

/** The rules of the ingest, message by message: how a row changes when a copy of it arrives. */
function merged(old: ModelRow | undefined, next: ModelRow): ModelRow {
  if (!old) return next;
  if (old.retractedMinute !== null && next.retractedMinute === null) return old;
  const editedMinute = next.editedMinute ?? old.editedMinute;
  const older = old.editedMinute !== null && (next.editedMinute ?? -1) < old.editedMinute;
  if (older && next.retractedMinute === null) return old;
  const readMinute = next.readMinute ?? old.readMinute;
  return { ...next, readMinute, editedMinute: older ? old.editedMinute : editedMinute };
}

async function agreesWithModel(own: TestDatabase, batches: AnyBatch[]): Promise<void> {
  const origin = await paired(own.stores);
  const model = new Map<string, ModelRow>();
  const time = (minute: number | null) => minute === null ? undefined : minutesOn(minute).toISOString();
  for (const { chat, messages } of batches) {
    const before = new Map(model);
    const lastOfTwins = new Map(messages.map((one) => [one.guid, one]));
    for (const one of lastOfTwins.values()) {
      model.set(one.guid, merged(model.get(one.guid), { ...one, chat }));
    }
    const inserted = model.size - before.size;
    const updated = [...before].filter(([guid, row]) =>
      JSON.stringify(row) !== JSON.stringify(model.get(guid))
    ).length;
    const sent = messages.map(({ guid, text, minute, editedMinute, retractedMinute, readMinute }) => {
      const [editedAt, retractedAt, readAt] = [editedMinute, retractedMinute, readMinute].map(time);
      return message(guid, { text, minute, editedAt, retractedAt, readAt });
    });
    const result = await own.stores.ingest.ingestMessages(
      origin,
      batch(sent, { conversationImessageId: chat }),
    );
    assert.deepEqual(
      [result.inserted, result.updated, result.unchanged],
      [inserted, updated, messages.length - inserted - updated],
    );
  }
  const { sql } = own.database;
  const minuteOf = (time: string) =>
    fragment`(extract(epoch from m.${rawFragment(time)} - ${minutesOn(0).toISOString()}) / 60)::float8`;
  const found = await sql`
    select m.imessage_guid as guid, m.text, ${minuteOf("sent_at")} as minute,
      ${minuteOf("edited_at")} as "editedMinute", ${minuteOf("retracted_at")} as "retractedMinute",
      ${minuteOf("read_at")} as "readMinute", c.imessage_id as chat
    from messages m join conversations c on c.id = m.conversation_id where m.account_id = ${origin.accountId}
    order by guid`;
  assert.deepEqual(
    found.map((row) => ({ ...row })),
    [...model.values()].sort((a, b) => a.guid < b.guid ? -1 : 1),
  );
  assert(await totalsHold(own, origin.accountId));
}
