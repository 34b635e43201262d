// Tests how likely drafts are said to be sent, on a real database: labels, learning, coverage and deletion.
import assert from "node:assert/strict";
import { createTestDatabase } from "../../../tests/support/postgres/postgres.ts";
import { batch, message, paired } from "../../../tests/support/server/store_rows.ts";
import type { ResponseAction } from "../../store/schema.ts";
import type { Stores } from "../../store/store.ts";
import { createAcceptanceService } from "./acceptance_service.ts";
import type { FeatureSource } from "./draft_features.ts";
import { changeOf, outcomeOf } from "./outcome.ts";

interface Acted {
  text?: string;
  rawConfidence?: number;
  action?: ResponseAction;
  editedResponse?: string;
}

class Account implements AsyncDisposable {
  readonly acceptance;
  private constructor(
    readonly stores: Stores,
    readonly owner: { accountId: string; deviceId: string },
    readonly close: () => Promise<void>,
  ) {
    this.acceptance = createAcceptanceService(stores);
  }

  static async open(): Promise<Account> {
    const home = await createTestDatabase();
    return new Account(home.stores, await paired(home.stores), async () => await home[Symbol.asyncDispose]());
  }

  /** A completed draft for a new message, and what was done with it. */
  async draft(
    { text = "See you there", rawConfidence = 0.5, action, editedResponse }: Acted,
  ): Promise<string> {
    const { stores, owner } = this;
    const guid = crypto.randomUUID();
    const { conversationId } = await stores.ingest.ingestMessages(owner, batch([message(guid)]));
    const latest = await stores.conversations.latestIncoming(owner.accountId, conversationId);
    assert(latest);
    const created = await stores.responses.create({
      ...owner,
      messageId: latest.id,
      sourceMessageIds: [latest.id],
      prompt: PROMPT,
      status: "generating",
    });
    assert(created);
    const completion = {
      response: text,
      confidence: 0.9,
      rawConfidence,
      modelVersion: "test-model",
      tokensUsed: 3,
      unsupported: [],
    };
    await stores.responses.complete(owner.accountId, { responseId: created.id, completion });
    if (action !== undefined) {
      await stores.responses.recordAction(owner.accountId, {
        responseId: created.id,
        action,
        editedResponse,
      });
    }
    return created.id;
  }

  async judge(changes: Partial<FeatureSource> = {}) {
    const draft = {
      prompt: PROMPT,
      response: "See you there",
      rawConfidence: 0.5,
      unsupported: [],
      adapter: null,
    };
    return (await this.acceptance.judgeOf(this.owner.accountId))({ ...draft, ...changes });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const PROMPT = "Them: Fine by me.\nMe:";

Deno.test("what the person does with drafts moves the probability of the next one, and a deletion takes it back", async () => {
  await using account = await Account.open();
  const { confidence: before, suggested, reason } = await account.judge();
  assert.deepEqual([suggested, reason], [true, null]);
  for (let count = 0; count < 12; count++) await account.draft({ action: "accept" });
  const { confidence: accepted } = await account.judge();
  assert.ok(accepted > before + 0.2, `${before} ${accepted}`);
  const { labels, positives, method, ece } = await account.acceptance.calibration(account.owner.accountId);
  assert.deepEqual([labels, positives, method, ece], [12, 12, "prior", null]);
  for (let count = 0; count < 24; count++) await account.draft({ action: "reject" });
  assert.ok((await account.judge()).confidence < accepted - 0.2);
  const calibration = await account.acceptance.calibration(account.owner.accountId);
  assert.deepEqual([calibration.labels, calibration.positives], [36, 12]);
  assert.equal(calibration.bins.reduce((sum, { count }) => sum + count, 0), 36);
  assert.ok(calibration.ece !== null);
  await account.stores.accountDeletion.delete(account.owner.accountId);
  assert.equal((await account.judge()).confidence, before);
});

Deno.test("an account learns from its own drafts alone", async () => {
  await using account = await Account.open();
  const { confidence: before } = await account.judge();
  for (let count = 0; count < 5; count++) await account.draft({ action: "accept" });
  const stranger = await paired(account.stores);
  const judged = (await account.acceptance.judgeOf(stranger.accountId))({
    prompt: PROMPT,
    response: "See you there",
    rawConfidence: 0.5,
    unsupported: [],
    adapter: null,
  });
  assert.equal(judged.confidence, before);
});

Deno.test("of a wanted half, the drafts that are likelier than half of the recent ones are suggested, the others say why not", async () => {
  await using account = await Account.open();
  const { stores, owner } = account;
  await stores.accountSettings.change(owner.accountId, { draftCoverage: 0.5 });
  assert.equal((await account.judge({ rawConfidence: 0.02 })).suggested, true, "too few drafts to tell");
  for (let count = 1; count <= 20; count++) await account.draft({ rawConfidence: count / 25 });
  const suggested = async (rawConfidence: number) => (await account.judge({ rawConfidence })).suggested;
  assert.deepEqual([await suggested(10 / 25), await suggested(11 / 25)], [false, true]);
  const reasonFor = async (text: string) =>
    (await account.judge({ prompt: `Them: ${text}\nMe:`, unsupported: ["1", "2", "3"] })).reason;
  assert.deepEqual(
    await Promise.all(
      ["Fine.", "What's the wifi code?", "Do you like it?", "Kannst du kommen?", "Wo bist du?"].map(
        reasonFor,
      ),
    ),
    ["unsure", "code", "opinion", "commitment", "fact"],
  );
  await stores.accountSettings.change(owner.accountId, { draftCoverage: 1 });
  assert.equal(await suggested(0.01), true);
  await stores.accountSettings.change(owner.accountId, { draftCoverage: 0 });
  assert.equal(await suggested(0.99), false);
});

Deno.test("the outcome of a draft is its action, else what was sent once it was there, and unknown while nothing was", () => {
  const draft = {
    id: "",
    messageId: "",
    conversationId: "",
    status: "completed" as const,
    action: null as ResponseAction | null,
    editedResponse: null as string | null,
    unsupported: null,
    adapter: null,
    completedAt: new Date(1_000),
    response: "See you there at eight!",
    rawConfidence: 0.5,
    prompt: PROMPT,
  };
  const sent = (text: string | null, at = 2_000) => outcomeOf(draft, { text, sentAt: new Date(at) });
  assert.equal(outcomeOf(draft, null), undefined);
  assert.equal(sent("see you there at eight"), 1);
  assert.equal(sent("See you there at nine"), 1, "four of 22 characters");
  assert.equal(sent("No, sorry"), 0);
  assert.equal(sent("No, sorry", 500), undefined, "the draft was not there yet");
  assert.equal(sent(null), undefined, "a picture");
  assert.equal(outcomeOf({ ...draft, action: "accept" }, null), 1);
  assert.equal(
    outcomeOf({ ...draft, action: "reject" }, { text: draft.response, sentAt: new Date(2_000) }),
    0,
  );
  assert.equal(outcomeOf({ ...draft, action: "edit", editedResponse: "See you there at 8" }, null), 0);
  assert.equal(outcomeOf({ ...draft, action: "edit", editedResponse: "See you there by eight" }, null), 1);
  assert.equal(outcomeOf({ ...draft, response: " ", action: "accept" }, null), undefined, "no draft");
  assert.deepEqual([changeOf("", ""), changeOf("", "Hi"), changeOf("Yes", "yes!\n")], [0, 1, 0]);
});
