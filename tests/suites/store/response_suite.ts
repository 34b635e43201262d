/** Tests drafts and the actions on them. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { completedDraft, paired } from "../../support/server/store_rows.ts";
import type { ActionRequest } from "../../../server/store/drafts/response_action.ts";
import type { Stores } from "../../../server/store/store.ts";

const PAGE = { page: 1, pageSize: 50 };
const COMPLETION = { response: "Hi!", confidence: 0.25, modelVersion: "test-model", tokensUsed: 3 };
const SAMPLE = { input: "Them: Hello!\nMe:", output: "Hi!", quality: 1 };

/** A queued draft. */
async function queued(stores: Stores) {
  const origin = await paired(stores);
  const { messageId } = await completedDraft(stores, origin);
  const draft = await stores.responses.create({
    ...origin,
    messageId,
    sourceMessageIds: [messageId],
    prompt: "a prompt",
    status: "queued",
  });
  assert(draft);
  return { ...origin, draft, responseId: draft.id };
}

export const responseTests: StoreTests = {
  "a draft goes from queued to completed, and ends only once": async ({ stores: { responses }, stores }) => {
    const { accountId, responseId, draft } = await queued(stores);
    assert.deepEqual([draft.status, draft.response, draft.completedAt], ["queued", null, null]);
    assert.equal(await responses.requeue(accountId, responseId), undefined);
    assert.equal((await responses.begin(accountId, responseId))?.status, "generating");
    assert.equal(await responses.begin(accountId, responseId), undefined);
    assert.equal((await responses.requeue(accountId, responseId))?.status, "queued");
    assert((await responses.listUnfinished()).some(({ id }) => id === responseId));
    const timings = {
      queue_ms: 1,
      prompt_ms: 2.5,
      prompt_tokens: 3,
      cached_tokens: 4,
      generate_ms: 5,
      tokens_per_second: 6,
    };
    const completed = await responses.complete(accountId, {
      responseId,
      completion: { ...COMPLETION, timings },
    });
    assert(completed?.completedAt instanceof Date);
    assert.deepEqual(await responses.find(accountId, responseId), completed);
    assert.deepEqual(
      [completed.status, completed.response, completed.confidence, completed.timings],
      ["completed", "Hi!", 0.25, timings],
    );
    assert.equal(await responses.complete(accountId, { responseId, completion: COMPLETION }), undefined);
    assert.equal(await responses.fail(accountId, { responseId, error: "late" }), undefined);
    assert.equal(await responses.cancel(accountId, responseId), undefined);
    assert(!(await responses.listUnfinished()).some(({ id }) => id === responseId));
  },

  "a cancelled draft takes no answer any more": async ({ stores }) => {
    const { accountId, responseId } = await queued(stores);
    assert.equal((await stores.responses.cancel(accountId, responseId))?.status, "cancelled");
    assert.equal(
      await stores.responses.complete(accountId, { responseId, completion: COMPLETION }),
      undefined,
    );
    assert.equal((await stores.responses.find(accountId, responseId))?.response, null);
  },

  "a model's text that PostgreSQL cannot hold is stored with replacement characters": async ({ stores }) => {
    const { accountId, responseId } = await queued(stores);
    const completion = { ...COMPLETION, response: "a\0b\ud800c" };
    const completed = await stores.responses.complete(accountId, { responseId, completion });
    assert.equal(completed?.response, "a\uFFFDb\uFFFDc");
  },

  "a draft belongs to its account, and so must its message": async ({ stores: { responses }, stores }) => {
    const { draft, responseId } = await queued(stores);
    const other = await paired(stores);
    const { messageId } = draft;
    const foreign = { ...other, messageId, sourceMessageIds: [], prompt: "", status: "queued" } as const;
    assert.equal(await responses.create(foreign), undefined);
    assert.equal(await responses.find(other.accountId, responseId), undefined);
    assert.equal(await responses.begin(other.accountId, responseId), undefined);
    assert.equal(await responses.cancel(other.accountId, responseId), undefined);
    assert.equal((await responses.list(other.accountId, PAGE)).total, 0);
    const acted = await responses.recordAction(other.accountId, { responseId, action: "accept" });
    assert.deepEqual(acted, { outcome: "not_found" });
  },

  "drafts are listed newest first, of one conversation or of all": async ({ stores }) => {
    const { accountId, draft, ...origin } = await queued(stores);
    const elsewhere = await completedDraft(stores, { accountId, ...origin });
    const all = await stores.responses.list(accountId, PAGE);
    assert.deepEqual([all.total, all.rows[0]?.id], [3, elsewhere.id]);
    const { conversationId } = draft;
    const one = await stores.responses.list(accountId, { ...PAGE, conversationId });
    assert.deepEqual([one.total, one.rows[0]?.id], [2, draft.id]);
  },

  "an action is recorded with its sample, and repeating it changes nothing": async ({ stores }) => {
    const origin = await paired(stores);
    const draft = await completedDraft(stores, origin);
    const request: ActionRequest = {
      responseId: draft.id,
      action: "edit",
      editedResponse: "Hey!",
      sample: { ...SAMPLE, output: "Hey!", rejectedOutput: "Hi!" },
    };
    const first = await stores.responses.recordAction(origin.accountId, request);
    assert(first.outcome === "recorded" && first.sample);
    assert.deepEqual([first.response.action, first.response.editedResponse], ["edit", "Hey!"]);
    assert(first.response.actedAt instanceof Date);
    const { source, responseId, conversationId, messageId, output, rejectedOutput } = first.sample;
    assert.deepEqual(
      { source, responseId, conversationId, messageId, output, rejectedOutput },
      {
        source: "edit",
        responseId: draft.id,
        conversationId: draft.conversationId,
        messageId: draft.messageId,
        output: "Hey!",
        rejectedOutput: "Hi!",
      },
    );
    const again = await stores.responses.recordAction(origin.accountId, request);
    assert.deepEqual(again, { ...first, outcome: "repeated" });
    const others: ActionRequest[] = [
      { ...request, editedResponse: "Hello!" },
      { responseId: draft.id, action: "accept", sample: SAMPLE },
      { responseId: draft.id, action: "reject", rejectionReason: "Too formal" },
    ];
    for (const other of others) {
      const refused = await stores.responses.recordAction(origin.accountId, other);
      assert.deepEqual(refused, { outcome: "conflict", response: first.response });
    }
    assert.equal((await stores.samples.list(origin.accountId, PAGE)).total, 1);
  },

  "of different actions at the same moment exactly one is recorded": async ({ stores }) => {
    const origin = await paired(stores);
    const { id: responseId } = await completedDraft(stores, origin);
    const actions = Array.from({ length: 10 }, (_, n) =>
      stores.responses.recordAction(origin.accountId, {
        responseId,
        action: "edit",
        editedResponse: `Edit ${n}`,
        sample: SAMPLE,
      }));
    const outcomes = (await Promise.all(actions)).map((result) => result.outcome).sort();
    assert.deepEqual(outcomes, [...Array(9).fill("conflict"), "recorded"]);
    assert.equal((await stores.samples.list(origin.accountId, PAGE)).total, 1);
  },

  "an action whose sample cannot be stored is not recorded either": async ({ stores }) => {
    const origin = await paired(stores);
    const { id: responseId } = await completedDraft(stores, origin);
    const sample = { ...SAMPLE, quality: 2 };
    await assert.rejects(
      stores.responses.recordAction(origin.accountId, { responseId, action: "accept", sample }),
    );
    assert.equal((await stores.responses.find(origin.accountId, responseId))?.action, null);
    assert.equal((await stores.samples.list(origin.accountId, PAGE)).total, 0);
  },

  "only a completed draft can be acted on": async ({ stores }) => {
    const { accountId, responseId } = await queued(stores);
    const result = await stores.responses.recordAction(accountId, {
      responseId,
      action: "accept",
      sample: SAMPLE,
    });
    assert.equal(result.outcome, "not_completed");
    assert.equal((await stores.samples.list(accountId, PAGE)).total, 0);
  },
};
