/** Tests finding the replies that the person sent, against a simple model, and what it reads for that. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { SyncMessage } from "../../../contract/sync.ts";
import { openDatabase } from "../../../server/store/database.ts";
import { createStores, type Stores } from "../../../server/store/store.ts";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { batch, message, minutesOn, paired } from "../../support/server/store_rows.ts";

const GAP_SECONDS = 120;
/** More than are found at once. */
const LONG_CHAT = 2_000;

/** A message of the model: seconds since the one before it, and what it is. */
const line = fc.record({
  gap: fc.constantFrom(1, 60, GAP_SECONDS, GAP_SECONDS + 1, 4_000),
  outgoing: fc.boolean(),
  text: fc.constantFrom("hello", "hello", "hello", "", null),
  retracted: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
  failed: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
});
type Line = typeof line extends fc.Arbitrary<infer Value> ? Value : never;
const chats = fc.array(fc.record({ isGroup: fc.boolean(), lines: fc.array(line, { maxLength: 30 }) }), {
  minLength: 1,
  maxLength: 4,
});

function messagesOf(chat: number, lines: readonly Line[]): SyncMessage[] {
  let seconds = 0;
  return lines.map(({ gap, outgoing, text, retracted, failed }, index) => {
    seconds += gap;
    // No two messages of different chats at one time, or their order would be that of their ids.
    const sentAt = new Date(minutesOn(0).getTime() + seconds * 1_000 + chat).toISOString();
    const direction = outgoing ? "outgoing" : "incoming";
    const retractedAt = retracted ? sentAt : undefined;
    return message(`${chat}-${index}`, {
      direction,
      text,
      sentAt,
      retractedAt,
      failed: failed && outgoing,
      senderId: null,
    });
  });
}

/** The replies of a conversation by the texts of the rule: runs of sent messages, at most two minutes apart. */
function modelOf(messages: readonly SyncMessage[]): { guids: string[]; before: string | null; at: number }[] {
  const readable = messages.filter(({ text, retractedAt, failed }) => text && !retractedAt && !failed);
  const replies: { guids: string[]; before: string | null; at: number }[] = [];
  for (const [index, sent] of readable.entries()) {
    if (sent.direction !== "outgoing") continue;
    const before = readable[index - 1];
    const at = Date.parse(sent.sentAt);
    const last = replies.at(-1);
    if (before?.direction === "outgoing" && last && at - last.at <= GAP_SECONDS * 1_000) {
      last.guids.push(sent.imessageGuid);
      last.at = at;
    } else replies.push({ guids: [sent.imessageGuid], before: before?.imessageGuid ?? null, at });
  }
  return replies;
}

async function foundReplies(stores: Stores, accountId: string): Promise<[string[], string | null][]> {
  const guidOf = new Map<string, string>();
  for (const { id } of (await stores.conversations.list(accountId, { page: 1, pageSize: 100 })).rows) {
    const page = await stores.conversations.messages(accountId, {
      conversationId: id,
      page: 1,
      pageSize: 1_000,
    });
    for (const row of page?.rows ?? []) guidOf.set(row.id, row.imessageGuid);
  }
  const found = (await Array.fromAsync(stores.samples.sentReplies({ accountId }))).flat();
  return found.map(({ bubbleIds, before }) => [
    bubbleIds.map((id) => guidOf.get(id) ?? "unknown"),
    before === null ? null : guidOf.get(before.messageId) ?? "unknown",
  ]);
}

/** Rows of messages that an action reads, by sequential scans and by indexes, on a connection of its own. */
async function rowsRead(
  address: Parameters<typeof openDatabase>[0],
  action: (stores: Stores) => Promise<unknown>,
): Promise<number> {
  await using own = openDatabase({ ...address, max: 1 });
  const count = async () => {
    await own.sql`select pg_stat_force_next_flush()`;
    const [row] = await own.sql<{ rows: number }>`
      select (seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 as rows from pg_stat_user_tables where relname = 'messages'`;
    return row?.rows ?? assert.fail();
  };
  await count();
  const before = await count();
  await action(createStores(own));
  await count();
  return await count() - before;
}

export const sentReplyTests: StoreTests = {
  "sent replies are those of a simple model, latest first": async ({ stores }) => {
    const property = fc.asyncProperty(chats, async (all) => {
      const origin = await paired(stores);
      const expected: { guids: string[]; before: string | null; at: number }[] = [];
      for (const [chat, { isGroup, lines }] of all.entries()) {
        const messages = messagesOf(chat, lines);
        await stores.ingest.ingestMessages(
          origin,
          batch(messages, { conversationImessageId: `chat-${chat}`, isGroup }),
        );
        if (!isGroup) expected.push(...modelOf(messages));
      }
      // Messages of one time come in the order of their ids, which the model does not know.
      const times = new Set(expected.map(({ at }) => at));
      fc.pre(times.size === expected.length);
      const wanted = expected.sort((a, b) => b.at - a.at).map(({ guids, before }) => [guids, before]);
      assert.deepEqual(await foundReplies(stores, origin.accountId), wanted);
    });
    await fc.assert(property, { numRuns: 40 });
  },
};

/** A conversation of so many messages from both sides in turn; the id of one near its beginning that was received. */
async function longChat(stores: Stores, length: number): Promise<{ accountId: string; messageId: string }> {
  const origin = await paired(stores);
  let conversationId = "";
  for (let from = 0; from < length; from += 1_000) {
    const messages = Array.from({ length: 1_000 }, (_, index) => {
      const direction = (from + index) % 2 === 0 ? "incoming" : "outgoing";
      return message(`${from + index}`, { direction, minute: from + index });
    });
    ({ conversationId } = await stores.ingest.ingestMessages(origin, batch(messages)));
  }
  const { accountId } = origin;
  const page = await stores.conversations.messages(accountId, {
    conversationId,
    page: length / 100,
    pageSize: 100,
  });
  const { id: messageId } = page?.rows.find(({ imessageGuid }) => imessageGuid === "10") ?? assert.fail();
  return { accountId, messageId };
}

export const sentReplyReadingTests: StoreTests = {
  "what was sent after a message is found by reading as much in a history ten times as long": async (
    { address, database, stores },
  ) => {
    const read: number[] = [];
    for (const length of [LONG_CHAT, 10 * LONG_CHAT]) {
      const { accountId, messageId } = await longChat(stores, length);
      await database.sql.script("analyze messages");
      read.push(
        await rowsRead(address, async ({ responses }) => {
          const found = (await responses.repliesTo(accountId, [messageId])).get(messageId);
          assert.equal(found?.messages[0]?.imessageGuid, "11");
        }),
      );
    }
    const [short = 0, long = 0] = read;
    assert.ok(short > 0 && long < 1.5 * short, `${short} rows, then ${long}`);
    assert.ok(long <= 300, `${long} rows`);
  },

  "the latest replies of a history ten times as long are found by reading as much": async (
    { address, database, stores },
  ) => {
    const read: number[] = [];
    for (const length of [LONG_CHAT, 10 * LONG_CHAT]) {
      const origin = await longChat(stores, length);
      await database.sql.script("analyze messages");
      read.push(
        await rowsRead(address, async ({ samples }) => {
          const { value } = await samples.sentReplies({ accountId: origin.accountId }).next();
          assert.ok(value);
        }),
      );
    }
    const [short = 0, long = 0] = read;
    assert.ok(short > 0 && long < 1.5 * short, `${short} rows, then ${long}`);
  },

  "the last page of a conversation is read from its end": async ({ address, database, stores }) => {
    const origin = await paired(stores);
    const messages = Array.from({ length: 1_000 }, (_, minute) => message(`m${minute}`, { minute }));
    const { conversationId } = await stores.ingest.ingestMessages(origin, batch(messages));
    const pageOf = (page: number) => ({ conversationId, page, pageSize: 30 });
    const last = await stores.conversations.messages(origin.accountId, pageOf(34));
    assert.deepEqual(
      last?.rows.map(({ imessageGuid }) => imessageGuid),
      Array.from({ length: 10 }, (_, index) => `m${9 - index}`),
    );
    assert.equal(last?.next, null);
    await database.sql.script("analyze messages");
    const read = await rowsRead(
      address,
      (own) => own.conversations.messages(origin.accountId, pageOf(33)),
    );
    assert.ok(read > 0 && read <= 100, `${read} rows`);
  },
};
