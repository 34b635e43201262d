/** Tests deleting a person: all addresses, conversations, and what they wrote and reacted with in groups. */
import assert from "node:assert/strict";
import { z } from "zod";
import { deletionSchema, messageListSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { responseActionResponseSchema } from "../../contract/responses.ts";
import { syncContactsResponseSchema } from "../../contract/sync.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  sendBatch,
  type Sender,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";
import { draftFor } from "../../tests/support/server/trainee.ts";

const MAIL = "john@example.com";
const EVE = "+15550102";
const BY_MAIL = { conversationImessageId: MAIL, participantIds: [MAIL] };
const GROUP = { conversationImessageId: "group", isGroup: true, participantIds: [JOHN, EVE] };
const CONTACTS = {
  contacts: [
    { phoneNumber: JOHN, displayName: "John", personId: "p" },
    { email: MAIL, displayName: "John", personId: "p" },
    { phoneNumber: EVE, displayName: "Eve" },
  ],
};

const at = (minute: number) => new Date(Date.UTC(2024, 0, 1, 12, minute)).toISOString();
const liked = (senderId: string | null) => ({ kind: "like" as const, senderId });

const BATCHES = [
  syncBatch([syncMessage({ text: "Dinner?" })]),
  syncBatch([syncMessage({ senderId: MAIL, text: "By mail?" })], BY_MAIL),
  syncBatch([
    syncMessage({ text: "All of us?", sentAt: at(0) }),
    syncMessage({ senderId: EVE, text: "I will come", sentAt: at(1), reactions: [liked(JOHN), liked(null)] }),
  ], GROUP),
];

async function sendAll(sender: Sender) {
  const { server, token } = sender;
  const schema = syncContactsResponseSchema;
  const contacts = await server.expect(SERVER_PATHS.syncContacts, { token, body: CONTACTS, schema });
  const sent = [];
  for (const batch of BATCHES) sent.push(await sendBatch(sender, batch));
  return { contacts, sent, groupId: sent.at(-1)?.conversationId ?? "" };
}

async function messagesOf({ server, token }: Sender, id: string) {
  const path = pathOf(SERVER_PATHS.conversationMessages, { id });
  return (await server.expect(path, { token, schema: messageListSchema })).messages;
}

async function remove({ server, token }: Sender, body: unknown) {
  return await server.expect(SERVER_PATHS.people, { method: "DELETE", token, body, schema: deletionSchema });
}

async function totalsOf({ server, token }: Sender): Promise<number[]> {
  const schema = z.object({ total: z.int() });
  const lists = [SERVER_PATHS.conversations, SERVER_PATHS.contacts, SERVER_PATHS.responses];
  const answers = [];
  for (const path of [...lists, SERVER_PATHS.trainingSamples]) {
    answers.push((await server.expect(path, { token, schema })).total);
  }
  return answers;
}

Deno.test("a person goes with all addresses, conversations and words in groups, and does not come back", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const { token } = sender;
  const { groupId } = await sendAll(sender);
  const [eves] = await messagesOf(sender, groupId);
  assert.equal(eves?.reactions.length, 2);
  // Its prompt has John's message.
  const { responseId } = await draftFor(sender, eves?.id ?? "");
  const path = pathOf(SERVER_PATHS.responseAction, { id: responseId });
  await server.expect(path, { token, body: { action: "accept" }, schema: responseActionResponseSchema });
  assert.deepEqual(await totalsOf(sender), [3, 3, 1, 1]);

  const gone = {
    messages: 3,
    responses: 1,
    samples: 1,
    taintedAdapterIds: [],
    conversations: 2,
    contacts: 2,
  };
  assert.deepEqual(await remove(sender, { address: MAIL.toUpperCase(), dryRun: true }), gone);
  assert.deepEqual(await totalsOf(sender), [3, 3, 1, 1]);
  assert.deepEqual(await remove(sender, { address: MAIL.toUpperCase() }), gone);
  assert.deepEqual(await totalsOf(sender), [1, 1, 0, 0]);

  const again = await sendAll(sender);
  assert.deepEqual(again.contacts, { inserted: 0, updated: 0, unchanged: 3 });
  assert.deepEqual(again.sent.map(({ inserted, updated }) => inserted + updated), [0, 0, 0]);
  assert.deepEqual(await totalsOf(sender), [1, 1, 0, 0]);
  const [left, ...others] = await messagesOf(sender, groupId);
  assert.deepEqual([left?.text, left?.reactions, others], ["I will come", [liked(null)], []]);

  const older = syncMessage({ text: "never sent before", sentAt: at(-5) });
  assert.equal((await sendBatch(sender, syncBatch([older], GROUP))).inserted, 0);
  const fresh = syncMessage({ sentAt: new Date().toISOString() });
  assert.equal((await sendBatch(sender, syncBatch([fresh], GROUP))).inserted, 1);
});

Deno.test("an address of which nothing is known is not deleted, nor kept away later", async () => {
  await using server = await startServerApp();
  const [sender, stranger] = [{ server, ...await server.pair() }, { server, ...await server.pair() }];
  const refused = { method: "DELETE", status: 404, code: "not_found" } as const;
  await server.refuse(SERVER_PATHS.people, { ...refused, token: sender.token, body: { address: JOHN } });
  await sendAll(sender);
  assert.deepEqual(await totalsOf(sender), [3, 3, 0, 0]);
  await server.refuse(SERVER_PATHS.people, { ...refused, token: stranger.token, body: { address: JOHN } });
  assert.deepEqual(await totalsOf(sender), [3, 3, 0, 0]);
});
