// Tests that what was deleted on the server stays away when the agent sends everything again, with a real server.
import assert from "node:assert/strict";
import { join } from "node:path";
import { deletionSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { ADA, GRACE, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { requirePairing } from "../pairing/pairing.ts";
import { findConversation } from "../suggest/conversation_choice.ts";

Deno.test("a message and a person that were deleted on the server do not come back with the agent's next full sync", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  mac.receive(ADA, "At eight");
  mac.receive(GRACE, "Lunch?");
  await mac.sync();
  const client = await mac.client();
  const { token } = await requirePairing(mac.services().pairing);
  const { id } = await findConversation(client, { which: ADA, names: () => new Map() });
  const { messages: [newest] } = await client.messages(id, { pageSize: 1 });
  const remove = (path: string, body?: unknown) =>
    mac.served.app.expect(path, { method: "DELETE", token, body, schema: deletionSchema });
  await remove(pathOf(SERVER_PATHS.message, { id: newest?.id ?? "" }));
  await remove(SERVER_PATHS.people, { address: GRACE });

  // An agent that has lost what it noted sends every message again.
  for (const suffix of ["", "-wal", "-shm"]) {
    await Deno.remove(join(mac.dir, "data", `agent.db${suffix}`)).catch(() => {});
  }
  await mac.sync();
  const { conversations } = await client.conversations({ pageSize: 10 });
  assert.deepEqual(conversations.map((conversation) => conversation.id), [id]);
  const { messages } = await client.messages(id, { pageSize: 10 });
  assert.deepEqual(messages.map(({ text }) => text), ["Dinner?"]);
});
