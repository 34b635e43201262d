/** Tests that a draft knows what its person wrote from another address, and nothing that anybody else wrote. */
import assert from "node:assert/strict";
import { deletionSchema, messageListSchema } from "../../contract/conversations.ts";
import { parseTranscript } from "../../contract/prompt.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { generatedResponseSchema } from "../../contract/responses.ts";
import { type SyncContact, syncContactsResponseSchema, type SyncMessagesInput } from "../../contract/sync.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { sendBatch, syncBatch, syncMessage } from "../../tests/support/server/sync_batches.ts";

const PHONE = "+15550100";
const MAIL = "Ada@Example.com";
const ADA: SyncContact[] = [
  { phoneNumber: PHONE, displayName: "Ada", personId: "ada" },
  { email: MAIL.toLowerCase(), displayName: "Ada", personId: "ada" },
];

type Said = readonly [minute: number, who: string, text: string];

interface Talk {
  server: ServerAppUnderTest;
  token: string;
  say(said: readonly Said[], change?: Partial<SyncMessagesInput>): Promise<string>;
  /** The turns from which a reply to the newest message of a conversation is drafted. */
  turns(conversationId: string, context?: Record<string, unknown>): Promise<string[]>;
}

async function startTalk(contacts: readonly SyncContact[]): Promise<Talk & AsyncDisposable> {
  const server = await startServerApp({ settings: { DRAFT_EXAMPLES: "off" } });
  const { token } = await server.pair();
  const say: Talk["say"] = async (said, change) => {
    const messages = said.map(([minute, who, text]) =>
      syncMessage({
        senderId: who === "me" ? null : who,
        direction: who === "me" ? "outgoing" : "incoming",
        text,
        sentAt: new Date(Date.UTC(2024, 0, 1, 12, minute)).toISOString(),
      })
    );
    const other = said.find(([, who]) => who !== "me")?.[1] ?? PHONE;
    const place = { conversationImessageId: other, conversationDisplayName: null, participantIds: [other] };
    return (await sendBatch({ server, token }, syncBatch(messages, { ...place, ...change }))).conversationId;
  };
  const turns: Talk["turns"] = async (conversationId, context = {}) => {
    const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
    const { messages: [latest] } = await server.expect(path, { token, schema: messageListSchema });
    const body = { messageId: latest?.id, context };
    await server.expect(SERVER_PATHS.generateResponse, { token, body, schema: generatedResponseSchema });
    const transcript = parseTranscript(server.ml.generated.at(-1)?.prompt ?? "");
    return transcript?.turns.map(({ speaker, text }) => `${speaker}: ${text}`) ?? [];
  };
  const body = { contacts };
  await server.expect(SERVER_PATHS.syncContacts, { token, body, schema: syncContactsResponseSchema });
  return { server, token, say, turns, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

Deno.test("a draft is made from both histories of a person whose card has both addresses, in the order of time", async () => {
  await using talk = await startTalk(ADA);
  await talk.say([[1, PHONE, "one"], [3, "me", "three"], [7, PHONE, "after it"]]);
  const mail = await talk.say([[2, MAIL, "two"], [4, MAIL, "four"]]);
  const all = ["them: one", "them: two", "me: three", "them: four"];
  assert.deepEqual(await talk.turns(mail), all);
  assert.deepEqual(await talk.turns(mail, { maxHistory: 2 }), all.slice(1), "the budget is the same");
  assert.deepEqual(await talk.turns(mail, { maxHistory: 0 }), all.slice(3));
  const unnamed = await talk.turns(mail, { includeContactInfo: false });
  assert.deepEqual(unnamed, ["them: two", "them: four"], "that they are one person is contact information");
});

Deno.test("a draft never has what a namesake, a group, another person or another account wrote", async (t) => {
  const namesakes = [
    { phoneNumber: PHONE, displayName: "Ada" },
    { email: MAIL, displayName: "Ada" },
    { phoneNumber: "+15550109", displayName: "Ada", personId: "another Ada" },
  ];
  const cases: Record<string, [SyncContact[], Partial<SyncMessagesInput>]> = {
    "a namesake without a person": [namesakes, {}],
    "a namesake of another card": [[ADA, { ...ADA[1], personId: "another Ada" }].flat(), {}],
    "a group of the person": [ADA, { isGroup: true, conversationImessageId: "group" }],
    "a conversation that somebody else takes part in": [ADA, { participantIds: [PHONE, "+15550108"] }],
    "a conversation whose people are not known": [ADA, { participantIds: [] }],
  };
  for (const [name, [contacts, elsewhere]] of Object.entries(cases)) {
    await t.step(name, async () => {
      await using talk = await startTalk(contacts);
      const other = await talk.say([[1, PHONE, "a secret"]], elsewhere);
      const mail = await talk.say([[2, MAIL, "two"], [4, MAIL, "four"]]);
      assert.deepEqual(await talk.turns(mail), ["them: two", "them: four"]);
      assert.equal((await talk.turns(other)).length, 1, "nor the other way round");
    });
  }
  await t.step("another account", async () => {
    await using talk = await startTalk(ADA);
    const stranger = await talk.server.pair();
    const said = syncBatch([syncMessage({ senderId: PHONE, text: "a secret" })], { participantIds: [PHONE] });
    await sendBatch({ server: talk.server, token: stranger.token }, said);
    assert.deepEqual(await talk.turns(await talk.say([[4, MAIL, "four"]])), ["them: four"]);
  });
});

Deno.test("a draft goes with the other conversation that it was made from, and with a message of it", async () => {
  await using talk = await startTalk(ADA);
  const { server, token } = talk;
  const phone = await talk.say([[1, PHONE, "one"], [2, PHONE, "two"]]);
  const mail = await talk.say([[4, MAIL, "four"]]);
  const remove = (path: string) => server.expect(path, { method: "DELETE", token, schema: deletionSchema });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: phone });
  const { messages } = await server.expect(path, { token, schema: messageListSchema });
  const message = messages.find(({ text }) => text === "one");
  assert.deepEqual(await talk.turns(mail), ["them: one", "them: two", "them: four"]);
  const gone = await remove(pathOf(SERVER_PATHS.message, { id: message?.id ?? "" }));
  assert.deepEqual([gone.messages, gone.responses], [1, 1]);
  assert.deepEqual(await talk.turns(mail), ["them: two", "them: four"]);
  const all = await remove(pathOf(SERVER_PATHS.conversation, { id: phone }));
  assert.deepEqual([all.messages, all.responses], [1, 1]);
  assert.deepEqual(await talk.turns(mail), ["them: four"]);
});
