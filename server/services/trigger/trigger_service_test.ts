/** Tests how likely an answer is said to be, on a real database: learning, the chosen share, accounts apart, deletion. */
import assert from "node:assert/strict";
import { createTestDatabase } from "../../../tests/support/postgres/postgres.ts";
import { batch, message, minutesOn, paired } from "../../../tests/support/server/store_rows.ts";
import type { Stores } from "../../store/store.ts";
import { createTriggerService } from "./trigger_service.ts";

type Owner = Awaited<ReturnType<typeof paired>>;

/** Days apart, so that each talk stands for itself. */
const DAY_MINUTES = 24 * 60;
const IS_QUESTION = [true, true, false, false, true, false, false, true];

class Account {
  readonly now = { at: new Date() };
  readonly trigger;
  #day = 0;

  constructor(readonly stores: Stores, readonly owner: Owner) {
    this.trigger = createTriggerService({ ...stores, now: () => this.now.at });
  }

  /** What somebody writes on a new day, and the answer a minute later if there is one; the conversation's id. */
  async talk(text: string, answer?: string): Promise<string> {
    const minute = this.#day++ * DAY_MINUTES;
    const own = { direction: "outgoing", senderId: null, minute: minute + 1 } as const;
    const sent = [
      message(crypto.randomUUID(), { text, minute }),
      ...(answer === undefined ? [] : [message(crypto.randomUUID(), { ...own, text: answer })]),
    ];
    return (await this.stores.ingest.ingestMessages(this.owner, batch(sent))).conversationId;
  }

  /** So many questions, which are answered, and as many statements, which are not: neither follows from the one before. */
  async learn(count: number): Promise<string> {
    let id = "";
    for (let index = 0; index < 2 * count; index++) {
      id = IS_QUESTION[index % IS_QUESTION.length]
        ? await this.talk(`Will it be number ${index}?`, `It will ${index}`)
        : await this.talk(`This is number ${index} by the way`);
    }
    return id;
  }

  /** What is said of a conversation in which this waits. */
  async expectation(text: string) {
    const id = await this.talk(text);
    const { accountId } = this.owner;
    const row = await this.stores.conversations.find(accountId, id);
    const newest = await this.stores.conversations.newest(accountId, { conversationIds: [id], limit: 10 });
    assert(row);
    const judge = await this.trigger.judgeOf(accountId);
    return judge(row, newest.get(id) ?? []);
  }
}

Deno.test("an account learns from its own answers which messages it answers, and a deletion takes it back", async () => {
  await using home = await createTestDatabase();
  const account = new Account(home.stores, await paired(home.stores));
  const { accountId } = account.owner;
  account.now.at = minutesOn(1);
  assert.equal((await account.expectation("Will it rain?"))?.replyProbability, 0.5, "nothing is known");
  account.now.at = new Date();
  const conversationId = await account.learn(40);
  const [asked, stated] = [
    await account.expectation("Will it be fine?"),
    await account.expectation("This is fine by the way"),
  ];
  assert.ok(asked && stated);
  assert.ok(asked.replyProbability > 0.8 && stated.replyProbability < 0.2, JSON.stringify([asked, stated]));
  assert.deepEqual([asked.replyExpected, stated.replyExpected], [true, true], "all are wanted");
  const { labels, positives, ece, bins } = await account.trigger.calibration(accountId);
  assert.deepEqual([labels, positives], [82, 40]);
  assert.equal(bins.reduce((sum, bin) => sum + bin.count, 0), labels);
  assert.ok(ece !== null && ece < 0.2, `${ece}`);
  const stranger = new Account(home.stores, await paired(home.stores));
  stranger.now.at = minutesOn(1);
  assert.equal((await stranger.expectation("Will it be fine?"))?.replyProbability, 0.5);
  await home.stores.deletions.conversation(accountId, { id: conversationId });
  assert.equal((await account.trigger.calibration(accountId)).labels, 0);
});

Deno.test("of a wanted share, what is likelier to be answered than the rest of the recent ones is expected to be", async () => {
  await using home = await createTestDatabase();
  const account = new Account(home.stores, await paired(home.stores));
  const choose = (automaticCoverage: number) =>
    home.stores.accountSettings.change(account.owner.accountId, { automaticCoverage });
  const expected = async (text: string) => (await account.expectation(text))?.replyExpected;
  const [question, statement] = ["Will it be fine?", "This is fine by the way"];
  await choose(0.3);
  assert.deepEqual([await expected(question), await expected(statement)], [true, true], "too few to tell");
  await account.learn(20);
  assert.equal(await expected(statement), false);
  await choose(0.8);
  assert.equal(await expected(question), true);
  await choose(0);
  assert.equal(await expected(question), false);
  await choose(1);
  assert.equal(await expected(statement), true);
});

Deno.test("nothing is expected where nothing waits", async () => {
  await using home = await createTestDatabase();
  const account = new Account(home.stores, await paired(home.stores));
  const id = await account.talk("Dinner?", "Yes");
  const { accountId } = account.owner;
  const newest = await home.stores.conversations.newest(accountId, { conversationIds: [id], limit: 10 });
  assert.equal(
    (await account.trigger.judgeOf(accountId))({ id, isGroup: false }, newest.get(id) ?? []),
    null,
  );
});

Deno.test("what waits says nothing until it was not answered for six hours; a fit is used for an hour at most", async () => {
  await using home = await createTestDatabase();
  const account = new Account(home.stores, await paired(home.stores));
  const { accountId } = account.owner;
  await account.learn(10);
  const labels = async () => (await account.trigger.calibration(accountId)).labels;
  account.now.at = minutesOn(19 * DAY_MINUTES + 60);
  assert.equal(await labels(), 19);
  account.now.at = minutesOn(19 * DAY_MINUTES + 7 * 60);
  assert.equal(await labels(), 20);
});
