/** Tests deletions that a device syncs, and what is recorded of devices that send. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { batch, completedDraft, message, paired } from "../../support/server/store_rows.ts";

const OTHER = { conversationImessageId: "chat-other" };
const PAGE = { page: 1, pageSize: 200, order: "oldest" } as const;

export const deletionTests: StoreTests = {
  "deleted messages are gone, the rest and the conversation's totals stay exact, and repeating it changes nothing":
    async (
      { stores },
    ) => {
      const { ingest, conversations } = stores;
      const origin = await paired(stores);
      const sent = ["keep", "drop", "last"].map((guid, minute) => message(guid, { minute }));
      const { conversationId } = await ingest.ingestMessages(origin, batch(sent));
      assert.deepEqual(await ingest.deleteMessages(origin, ["drop", "last", "last", "never there"]), {
        deleted: 2,
        unknown: 1,
      });
      const left = await conversations.messages(origin.accountId, { ...PAGE, conversationId });
      assert.deepEqual(left?.rows.map(({ imessageGuid }) => imessageGuid), ["keep"]);
      const { messages, lastMessageAt } = await ingest.status(origin.accountId);
      assert.deepEqual([messages, lastMessageAt], [1, left?.rows[0]?.sentAt]);
      assert.deepEqual(await ingest.deleteMessages(origin, ["drop", "last"]), { deleted: 0, unknown: 2 });
    },

  "a conversation that no message is left in goes, and comes back with the next one": async ({ stores }) => {
    const { ingest } = stores;
    const origin = await paired(stores);
    await ingest.ingestMessages(origin, batch([message("alone")], OTHER));
    await ingest.ingestMessages(origin, batch([message("elsewhere")]));
    await ingest.deleteMessages(origin, ["alone"]);
    assert.equal((await ingest.status(origin.accountId)).conversations, 1);
    const { inserted } = await ingest.ingestMessages(origin, batch([message("alone")], OTHER));
    assert.deepEqual([inserted, (await ingest.status(origin.accountId)).conversations], [1, 2]);
  },

  "the drafts and samples of a deleted message go with it": async ({ stores }) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const draft = await completedDraft(stores, origin);
    const { id: responseId } = draft;
    const sample = { input: "in", output: "out", quality: 1 };
    await stores.responses.recordAction(accountId, { responseId, action: "accept", sample });
    const samples = async () => (await stores.samples.list(accountId, { page: 1, pageSize: 10 })).total;
    assert.equal(await samples(), 1);
    const page = await stores.conversations.messages(accountId, {
      ...PAGE,
      conversationId: draft.conversationId,
    });
    await stores.ingest.deleteMessages(origin, page?.rows.map(({ imessageGuid }) => imessageGuid) ?? []);
    assert.equal(await samples(), 0);
    assert.equal(await stores.responses.find(accountId, responseId), undefined);
  },

  "an account's deletions leave the same guid of another account alone": async ({ stores }) => {
    const [mine, theirs] = [await paired(stores), await paired(stores)];
    for (const origin of [mine, theirs]) await stores.ingest.ingestMessages(origin, batch([message("same")]));
    await stores.ingest.deleteMessages(mine, ["same"]);
    const left = [mine, theirs].map(async ({ accountId }) =>
      (await stores.ingest.status(accountId)).messages
    );
    assert.deepEqual(await Promise.all(left), [0, 1]);
  },

  "each device's batches, deletions, heartbeats and lag are reported": async (
    { stores: { ingest, ...stores } },
  ) => {
    const origin = await paired({ ingest, ...stores });
    const device = async () => (await ingest.status(origin.accountId)).devices[0] ?? assert.fail();
    await ingest.noteHeartbeat(origin, { lagRows: 12 });
    const { heartbeatAt, ...first } = await device();
    assert.ok(heartbeatAt);
    assert.deepEqual([first.lastBatchAt, first.batches, first.lagRows, first.capture], [null, 0, 12, null]);
    const capture = { rowsRead: 3, stored: 1, refused: 0, setAside: 2, gaps: 0 };
    await ingest.noteHeartbeat(origin, { lagRows: 12, capture });
    await ingest.noteHeartbeat(origin, { lagRows: 12 });
    assert.deepEqual((await device()).capture, capture, "the last reported one stays");
    await ingest.ingestMessages(origin, batch([message("one"), message("two")], { lagRows: 5 }));
    await ingest.ingestMessages(origin, batch([message("two")]));
    await ingest.deleteMessages(origin, ["one"]);
    const { lastBatchAt, inserted, unchanged, deleted, lagRows } = await device();
    assert.ok(lastBatchAt);
    assert.deepEqual([inserted, unchanged, deleted, lagRows], [2, 1, 1, 5]);
  },
};
