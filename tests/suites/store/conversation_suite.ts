/** Tests reading conversations and messages. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { batch, message, minutesOn, paired } from "../../support/server/store_rows.ts";
import type { MessagePageRequest } from "../../../server/store/messages/conversation_store.ts";
import type { Position } from "../../../server/store/paging.ts";
import type { Stores } from "../../../server/store/store.ts";

/** An account with one conversation of `count` messages, a minute apart in threes, so that times tie. */
async function chat(stores: Stores, count: number) {
  const origin = await paired(stores);
  const messages = Array.from({ length: count }, (_, n) => message(`m${n}`, { minute: Math.floor(n / 3) }));
  const { conversationId } = await stores.ingest.ingestMessages(origin, batch(messages));
  return { ...origin, conversationId };
}

/** Reads a complete list by cursor. */
async function walk<Row>(
  read: (after?: Position) => Promise<{ rows: readonly Row[]; next: Position | null }>,
): Promise<Row[]> {
  const all: Row[] = [];
  let after: Position | null | undefined;
  while (after !== null) {
    const { rows, next } = await read(after);
    all.push(...rows);
    after = next;
  }
  return all;
}

export const conversationTests: StoreTests = {
  "conversations come with the latest message first, empty ones by when they were made": async (
    { stores },
  ) => {
    const origin = await paired(stores);
    for (const [name, minute] of [["old", 1], ["newest", 3], ["middle", 2]] as const) {
      const sent = batch([message(name, { minute })], { conversationImessageId: name });
      await stores.ingest.ingestMessages(origin, sent);
    }
    await stores.ingest.ingestMessages(origin, batch([], { conversationImessageId: "empty" }));
    const { rows, total } = await stores.conversations.list(origin.accountId, { page: 1, pageSize: 20 });
    const dated = rows.filter((row) => row.lastMessageAt !== null);
    assert.deepEqual([total, dated.map((row) => row.imessageId)], [4, ["newest", "middle", "old"]]);
    const byCursor = await walk((after) =>
      stores.conversations.list(origin.accountId, { page: 1, pageSize: 1, after })
    );
    assert.deepEqual(byCursor, rows);
  },

  "pages of messages hold every message once, in both orders, by number and by cursor": async (
    { stores },
  ) => {
    const { accountId, conversationId } = await chat(stores, 25);
    const read = async (request: Omit<MessagePageRequest, "conversationId">) => {
      const page = await stores.conversations.messages(accountId, { ...request, conversationId });
      assert(page);
      assert.equal(page.total, 25);
      return page;
    };
    const numbered = await Promise.all([1, 2, 3].map((page) => read({ page, pageSize: 10 })));
    const newest = numbered.flatMap((page) => page.rows);
    assert.deepEqual(numbered.map((page) => page.rows.length), [10, 10, 5]);
    assert.equal(numbered[2]?.next, null);
    assert.equal(new Set(newest.map((row) => row.imessageGuid)).size, 25);
    assert(newest.every((row, n) => n === 0 || row.sentAt <= (newest[n - 1]?.sentAt ?? 0)));
    const byCursor = await walk((after) => read({ page: 1, pageSize: 7, after }));
    assert.deepEqual(byCursor, newest);
    const oldest = await walk((after) => read({ page: 1, pageSize: 4, after, order: "oldest" }));
    assert.deepEqual(oldest, newest.toReversed());
  },

  "a cursor neither skips nor repeats while new messages arrive": async ({ stores }) => {
    const origin = await chat(stores, 6);
    const request = { conversationId: origin.conversationId, page: 1, pageSize: 3 };
    const first = await stores.conversations.messages(origin.accountId, request);
    assert(first?.next);
    await stores.ingest.ingestMessages(origin, batch([message("arrived", { minute: 99 })]));
    const second = await stores.conversations.messages(origin.accountId, { ...request, after: first.next });
    assert(second);
    const seen = [...first.rows, ...second.rows].map((row) => row.imessageGuid).sort();
    assert.deepEqual(seen, ["m0", "m1", "m2", "m3", "m4", "m5"]);
  },

  "a page far behind the end is empty and still has the total": async ({ stores }) => {
    const { accountId, conversationId } = await chat(stores, 3);
    const far = { page: 1_000_000_000, pageSize: 200 };
    const empty = { rows: [], next: null };
    assert.deepEqual(await stores.conversations.list(accountId, far), { ...empty, total: 1 });
    assert.deepEqual(await stores.conversations.messages(accountId, { ...far, conversationId }), {
      ...empty,
      total: 3,
    });
    assert.deepEqual(await stores.samples.list(accountId, far), { ...empty, total: 0 });
    assert.deepEqual(await stores.devices.list(accountId, far), { ...empty, total: 1 });
  },

  "another account sees none of it": async ({ stores: { conversations }, stores }) => {
    const { accountId, conversationId } = await chat(stores, 1);
    const other = (await paired(stores)).accountId;
    const latest = await conversations.latestIncoming(accountId, conversationId);
    assert(latest);
    const page = { page: 1, pageSize: 10 };
    const asked = { messageIds: [latest.id], limit: 5 };
    assert.equal((await conversations.histories(accountId, asked)).size, 1);
    assert.equal((await conversations.list(other, page)).total, 0);
    assert.equal(await conversations.find(other, conversationId), undefined);
    assert.equal(await conversations.messages(other, { ...page, conversationId }), undefined);
    assert.equal(await conversations.latestIncoming(other, conversationId), undefined);
    assert.equal((await conversations.histories(other, asked)).size, 0);
  },

  "history is the readable messages up to one, oldest first": async ({ stores }) => {
    const origin = await paired(stores);
    const sent = [
      message("one"),
      message("empty", { minute: 1, text: "" }),
      message("picture", { minute: 2, text: null, messageType: "image" }),
      message("two", { minute: 3, direction: "outgoing" }),
      message("unsent", { minute: 4, retractedAt: minutesOn(5).toISOString() }),
      message("three", { minute: 6 }),
      message("mine", { minute: 7, direction: "outgoing" }),
    ];
    const { conversationId } = await stores.ingest.ingestMessages(origin, batch(sent));
    await stores.ingest.ingestMessages(
      origin,
      batch([message("x")], { conversationImessageId: "elsewhere" }),
    );
    const latest = await stores.conversations.latestIncoming(origin.accountId, conversationId);
    assert.equal(latest?.imessageGuid, "three");
    const history = async (limit: number) => {
      const request = { messageIds: [latest.id], limit };
      const found = (await stores.conversations.histories(origin.accountId, request)).get(latest.id);
      return [...found?.before ?? [], found?.message].map((row) => row?.imessageGuid);
    };
    assert.deepEqual(await history(10), ["one", "two", "three"]);
    assert.deepEqual(await history(1), ["two", "three"]);
    assert.deepEqual(await history(0), ["three"]);
  },

  "histories of many messages are what each of them has by itself": async ({ stores }) => {
    const origin = await paired(stores);
    const chats = ["left", "right"];
    for (const name of chats) {
      // Messages of the same time are ordered by their ids.
      const sent = Array.from({ length: 40 }, (_, index) =>
        message(`${name} ${index}`, {
          minute: Math.floor(index / 3),
          direction: index % 2 ? "outgoing" : "incoming",
          text: index % 5 === 4 ? "" : `text ${index}`,
        }));
      await stores.ingest.ingestMessages(origin, batch(sent, { conversationImessageId: name }));
    }
    const { rows } = await stores.conversations.list(origin.accountId, { page: 1, pageSize: 10 });
    const [limit, order] = [4, "oldest"] as const;
    const expected = new Map<string, string[]>();
    for (const { id: conversationId } of rows) {
      const request = { conversationId, order, page: 1, pageSize: 100 };
      const page = await stores.conversations.messages(origin.accountId, request);
      for (const [index, { id }] of page?.rows.entries() ?? []) {
        const readable = page?.rows.slice(0, index).filter(({ text }) => text !== "") ?? [];
        expected.set(id, readable.slice(-limit).map((row) => row.id));
      }
    }
    assert.equal(expected.size, 80);
    const messageIds = [...expected.keys()];
    const found = await stores.conversations.histories(origin.accountId, { messageIds, limit });
    for (const [id, before] of expected) {
      assert.equal(found.get(id)?.message.id, id);
      assert.deepEqual(found.get(id)?.before.map((row) => row.id), before);
    }
  },
};
