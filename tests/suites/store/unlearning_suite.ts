/** Tests deleting for good: what is removed too, what does not come back, and concurrent deletions. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { batch, message, minutesOn, paired } from "../../support/server/store_rows.ts";
import { draftCachePrefix } from "../../../server/store/messages/deletion.ts";
import type { BatchOrigin } from "../../../server/store/messages/ingest_statements.ts";
import type { Message } from "../../../server/store/schema.ts";
import type { Stores } from "../../../server/store/store.ts";

const PAGE = { page: 1, pageSize: 200 };
const CHAT = { conversationImessageId: "chat" };
const NOTHING = { messages: 0, responses: 0, samples: 0, taintedAdapterIds: [] };

/** A conversation of so many messages with these guids, oldest first. */
async function conversationOf(
  stores: Stores,
  { origin, guids }: { origin: BatchOrigin; guids: readonly string[] },
): Promise<readonly [Message, ...Message[]]> {
  const sent = guids.map((guid, minute) => message(guid, { minute }));
  const { conversationId } = await stores.ingest.ingestMessages(origin, batch(sent, CHAT));
  const page = await stores.conversations.messages(origin.accountId, {
    ...PAGE,
    conversationId,
    order: "oldest",
  });
  const [first, ...rest] = page?.rows ?? [];
  assert(first);
  return [first, ...rest];
}

/** An accepted draft made from some messages, the last of which it answers. */
async function actedDraft(
  stores: Stores,
  { origin, sources }: { origin: BatchOrigin; sources: readonly Message[] },
): Promise<{ responseId: string; sampleId: string }> {
  const { accountId, deviceId } = origin;
  const sourceMessageIds = sources.map(({ id }) => id);
  const messageId = sourceMessageIds.at(-1) ?? "";
  const draft = await stores.responses.create({
    accountId,
    deviceId,
    messageId,
    sourceMessageIds,
    prompt: "a prompt",
    status: "generating",
  });
  assert(draft);
  const completion = { response: "Hi!", confidence: 0.5, modelVersion: "test-model", tokensUsed: 3 };
  await stores.responses.complete(accountId, { responseId: draft.id, completion });
  const sample = { input: "a prompt", output: "Hi!", quality: 1 };
  const acted = await stores.responses.recordAction(accountId, {
    responseId: draft.id,
    action: "accept",
    sample,
  });
  assert(acted.outcome === "recorded" && acted.sample);
  return { responseId: draft.id, sampleId: acted.sample.id };
}

async function counts({ responses, samples, ingest }: Stores, accountId: string) {
  const { messages, conversations } = await ingest.status(accountId);
  return {
    messages,
    conversations,
    responses: (await responses.list(accountId, PAGE)).total,
    samples: (await samples.list(accountId, PAGE)).total,
  };
}

export const unlearningTests: StoreTests = {
  "a message goes with every draft and sample whose prompt has it, and with no other": async ({ stores }) => {
    const [origin, other] = [await paired(stores), await paired(stores)];
    const { accountId } = origin;
    const [a, b, c] = await conversationOf(stores, { origin, guids: ["a", "b", "c"] });
    assert(b && c);
    const before = await actedDraft(stores, { origin, sources: [a] });
    await actedDraft(stores, { origin, sources: [a, b] });
    await actedDraft(stores, { origin, sources: [a, b, c] });
    assert.equal(await stores.deletions.message(other.accountId, { id: b.id }), undefined);
    assert.deepEqual(await stores.deletions.message(accountId, { id: b.id }), {
      messages: 1,
      responses: 2,
      samples: 2,
      taintedAdapterIds: [],
    });
    assert.deepEqual(await counts(stores, accountId), {
      messages: 2,
      conversations: 1,
      responses: 1,
      samples: 1,
    });
    assert(await stores.responses.find(accountId, before.responseId));
    assert.equal((await stores.samples.findMany(accountId, [before.sampleId])).length, 1);
    assert.equal(await stores.deletions.message(accountId, { id: b.id }), undefined);
  },

  "an imported sample goes with any message of its prompt or its reply": async ({ stores }) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const guids = ["question", "reply 1", "reply 2", "unrelated"];
    const [question, first, second, unrelated] = await conversationOf(stores, { origin, guids });
    assert(first && second && unrelated);
    const sourceMessageIds = [question.id, first.id, second.id];
    const imported = { messageId: first.id, input: "in", output: "out", quality: 1, sourceMessageIds };
    assert.equal(await stores.samples.import(accountId, [imported]), 1);
    assert.equal((await stores.deletions.message(accountId, { id: unrelated.id }))?.samples, 0);
    assert.equal((await stores.deletions.message(accountId, { id: second.id }))?.samples, 1);
    assert.equal(await stores.samples.import(accountId, [imported]), 0, "one of its messages is gone");
    assert.equal((await counts(stores, accountId)).samples, 0);
  },

  "a draft or sample is not made from a message that is gone": async ({ stores }) => {
    const origin = await paired(stores);
    const [a, b] = await conversationOf(stores, { origin, guids: ["a", "b"] });
    assert(b);
    await stores.deletions.message(origin.accountId, { id: a.id });
    const { accountId, deviceId } = origin;
    const draft = { accountId, deviceId, messageId: b.id, prompt: "", status: "queued" } as const;
    assert.equal(await stores.responses.create({ ...draft, sourceMessageIds: [a.id, b.id] }), undefined);
    assert(await stores.responses.create({ ...draft, sourceMessageIds: [b.id] }));
  },

  "a deleted message is not stored again however often a device sends it, also as the only one of its conversation":
    async ({ stores }) => {
      const origin = await paired(stores);
      const { accountId } = origin;
      const [only] = await conversationOf(stores, { origin, guids: ["only"] });
      assert.equal((await stores.deletions.message(accountId, { id: only.id }))?.messages, 1);
      const edited = message("only", { editedAt: minutesOn(9).toISOString() });
      for (const sent of [message("only"), edited]) {
        const { inserted, updated, unchanged } = await stores.ingest.ingestMessages(
          origin,
          batch([sent], CHAT),
        );
        assert.deepEqual([inserted, updated, unchanged], [0, 0, 1]);
        assert.deepEqual(await counts(stores, accountId), {
          messages: 0,
          conversations: 0,
          responses: 0,
          samples: 0,
        });
      }
      const elsewhere = batch([message("only")], { conversationImessageId: "merged" });
      assert.equal((await stores.ingest.ingestMessages(origin, elsewhere)).inserted, 0);
      const next = batch([message("only"), message("new")], CHAT);
      assert.equal((await stores.ingest.ingestMessages(origin, next)).inserted, 1);
      const other = await paired(stores);
      assert.equal((await stores.ingest.ingestMessages(other, batch([message("only")], CHAT))).inserted, 1);
    },

  "a conversation is deleted with all that was made from it; only newer messages are stored again": async (
    { stores },
  ) => {
    const [origin, other] = [await paired(stores), await paired(stores)];
    const { accountId } = origin;
    const sources = await conversationOf(stores, { origin, guids: ["a", "b"] });
    await stores.ingest.ingestMessages(origin, batch([message("x")], { conversationImessageId: "kept" }));
    await actedDraft(stores, { origin, sources });
    const { conversationId } = sources[0];
    assert.equal(await stores.deletions.conversation(other.accountId, { id: conversationId }), undefined);
    assert.deepEqual(await stores.deletions.conversation(accountId, { id: conversationId }), {
      messages: 2,
      responses: 1,
      samples: 1,
      taintedAdapterIds: [],
    });
    assert.equal(await stores.conversations.find(accountId, conversationId), undefined);
    assert.equal(await stores.deletions.conversation(accountId, { id: conversationId }), undefined);
    const again = [message("a"), message("b"), message("never sent before", { minute: -60 })];
    assert.equal((await stores.ingest.ingestMessages(origin, batch(again, CHAT))).inserted, 0);
    assert.equal((await counts(stores, accountId)).conversations, 1);
    const fresh = message("fresh", { sentAt: new Date().toISOString() });
    assert.equal((await stores.ingest.ingestMessages(origin, batch([...again, fresh], CHAT))).inserted, 1);
    assert.deepEqual(await counts(stores, accountId), {
      messages: 2,
      conversations: 2,
      responses: 0,
      samples: 0,
    });
  },

  "a deletion clears the account's cached drafts in ml": async ({ stores }) => {
    const origin = await paired(stores);
    const [only] = await conversationOf(stores, { origin, guids: ["only"] });
    const target = `${draftCachePrefix(origin.accountId)}*`;
    const orders = async () =>
      (await stores.mlOutbox.list({ after: 0, limit: 10_000 })).filter((order) => order.target === target);
    assert.equal((await orders()).length, 0);
    await stores.deletions.message(origin.accountId, { id: only.id });
    assert.deepEqual((await orders()).map(({ kind }) => kind), ["clear_cache"]);
  },

  "a conversation goes with every draft and sample whose prompt has a message of it, whatever conversation they answer":
    async ({ stores }) => {
      const origin = await paired(stores);
      const { accountId } = origin;
      const [a, b] = await conversationOf(stores, { origin, guids: ["a", "b"] });
      assert(b);
      const elsewhere = { conversationImessageId: "the same person's e-mail" };
      const { conversationId } = await stores.ingest.ingestMessages(
        origin,
        batch([message("question", { minute: 5 })], elsewhere),
      );
      const question = await stores.conversations.latestIncoming(accountId, conversationId);
      assert(question);
      await actedDraft(stores, { origin, sources: [a, question] });
      const kept = await actedDraft(stores, { origin, sources: [question] });
      assert.deepEqual(await stores.deletions.conversation(accountId, { id: a.conversationId }), {
        messages: 2,
        responses: 1,
        samples: 1,
        taintedAdapterIds: [],
      });
      assert(await stores.responses.find(accountId, kept.responseId));
      assert.deepEqual(await counts(stores, accountId), {
        messages: 1,
        conversations: 1,
        responses: 1,
        samples: 1,
      });
    },

  "what a device deletes takes along the drafts and samples whose prompts have it": async ({ stores }) => {
    const origin = await paired(stores);
    const sources = await conversationOf(stores, { origin, guids: ["a", "b"] });
    await actedDraft(stores, { origin, sources });
    assert.deepEqual(await stores.ingest.deleteMessages(origin, ["a"]), { deleted: 1, unknown: 0 });
    const { responses, samples, messages } = await counts(stores, origin.accountId);
    assert.deepEqual([messages, responses, samples], [1, 0, 0]);
  },

  "whatever happens at the same time, nothing made from a deleted message is left": async ({ stores }) => {
    for (let round = 0; round < 10; round++) {
      const origin = await paired(stores);
      const { accountId, deviceId } = origin;
      const sources = await conversationOf(stores, { origin, guids: ["a", "b"] });
      const [a, b] = sources;
      assert(b);
      await actedDraft(stores, { origin, sources });
      const sourceMessageIds = [a.id, b.id];
      const draft = { accountId, deviceId, messageId: b.id, sourceMessageIds, prompt: "" };
      const imported = { messageId: b.id, input: "in", output: "out", quality: 1, sourceMessageIds };
      await Promise.all([
        stores.responses.create({ ...draft, status: "queued" }),
        stores.samples.import(accountId, [imported]),
        round % 2 === 0
          ? stores.deletions.message(accountId, { id: a.id })
          : stores.deletions.conversation(accountId, { id: a.conversationId }),
        stores.ingest.ingestMessages(origin, batch([message("a"), message("b")], CHAT)),
        stores.responses.create({ ...draft, status: "queued" }),
      ]);
      const { responses, samples } = await counts(stores, accountId);
      assert.deepEqual([responses, samples], [0, 0]);
      const left = await stores.conversations.histories(accountId, { messageIds: [a.id], limit: 0 });
      assert.equal(left.size, 0);
    }
  },

  "deletions at once find each thing once": async ({ stores }) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const sources = await conversationOf(stores, { origin, guids: ["a", "b"] });
    const { sampleId } = await actedDraft(stores, { origin, sources });
    const [a] = sources;
    const deletions = await Promise.all([
      stores.samples.delete(accountId, { id: sampleId }),
      stores.deletions.message(accountId, { id: a.id }),
      stores.deletions.conversation(accountId, { id: a.conversationId }),
      stores.deletions.message(accountId, { id: a.id }),
      stores.samples.delete(accountId, { id: sampleId }),
    ]);
    const total = deletions.map((deletion) => deletion ?? NOTHING);
    const sum = (name: "messages" | "responses" | "samples") =>
      total.reduce((all, deletion) => all + deletion[name], 0);
    assert.deepEqual([sum("messages"), sum("responses"), sum("samples")], [2, 1, 1]);
    assert.equal((await counts(stores, accountId)).conversations, 0);
  },
};
