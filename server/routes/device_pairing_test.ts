/** Tests who may join: approval, linking, and the limits on attempts and registrations. */
import assert from "node:assert/strict";
import { conversationListSchema } from "../../contract/conversations.ts";
import {
  deviceResponseSchema,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { syncMessagesResponseSchema } from "../../contract/sync.ts";
import { hashPairingCode } from "../services/devices/pairing.ts";
import {
  REGISTRATION,
  type ServerAppUnderTest,
  startServerApp,
  TEST_SECRET,
} from "../../tests/support/server/server_app.ts";
import { createTestDatabase } from "../../tests/support/postgres/postgres.ts";

interface Registered {
  deviceId: string;
  code: string;
}

async function register(
  server: ServerAppUnderTest,
  { address = "192.0.2.7", scope }: { address?: string; scope?: string } = {},
): Promise<Registered> {
  const { deviceId, code } = await server.expect(SERVER_PATHS.registerDevice, {
    body: { ...REGISTRATION, scope },
    address,
    status: 201,
    schema: registerDeviceResponseSchema,
  });
  return { deviceId, code };
}

function otherCode(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, "0");
}

async function verify(server: ServerAppUnderTest, body: Registered, address = "192.0.2.8"): Promise<string> {
  const { token } = await server.expect(SERVER_PATHS.verifyDevice, {
    body,
    address,
    schema: verifyDeviceResponseSchema,
  });
  return token;
}

/** Tries a wrong code and returns how it was refused. */
async function tryWrongCode(server: ServerAppUnderTest, device: Registered, address: string) {
  const response = await server.request(SERVER_PATHS.verifyDevice, {
    body: { deviceId: device.deviceId, code: otherCode(device.code) },
    address,
  });
  const { code } = await response.json();
  return { status: response.status, code, retryAfter: response.headers.get("retry-after") };
}

Deno.test("with open pairing each device that verifies itself gets an account of its own", async () => {
  await using server = await startServerApp({ pairing: "open" });
  const [first, second] = [await server.pair(), await server.pair()];
  await server.expect(SERVER_PATHS.syncMessages, {
    token: first.token,
    body: { conversationImessageId: "chat", isGroup: false, participantIds: [], messages: [] },
    schema: syncMessagesResponseSchema,
  });
  const seen = await server.expect(SERVER_PATHS.conversations, {
    token: second.token,
    schema: conversationListSchema,
  });
  assert.equal(seen.total, 0);
});

Deno.test("with pairing by approval the first device claims the server and later ones wait for it", async () => {
  await using server = await startServerApp({ pairing: "approve" });
  const owner = await server.pair();
  const guest = await register(server);
  for (let attempt = 0; attempt < 7; attempt++) {
    await server.refuse(SERVER_PATHS.verifyDevice, {
      body: guest,
      status: 403,
      code: "pairing_required",
    });
  }
  const { device } = await server.expect(SERVER_PATHS.linkDevice, {
    token: owner.token,
    body: { code: guest.code },
    schema: deviceResponseSchema,
  });
  assert.deepEqual({ id: device.id, status: device.status }, { id: guest.deviceId, status: "pending" });
  const token = await verify(server, guest);
  await server.expect(SERVER_PATHS.syncMessages, {
    token: owner.token,
    body: { conversationImessageId: "chat", isGroup: false, participantIds: [], messages: [] },
    schema: syncMessagesResponseSchema,
  });
  const seen = await server.expect(SERVER_PATHS.conversations, { token, schema: conversationListSchema });
  assert.equal(seen.total, 1, "the linked device sees its owner's account");
});

Deno.test("the operator's approval lets a device into the account that claimed the server", async () => {
  await using server = await startServerApp({ pairing: "approve" });
  const owner = await server.pair();
  const guest = await register(server);
  const codeHash = hashPairingCode(TEST_SECRET, guest.code);
  const { outcome } = await server.store.devices.approve({ codeHash, now: server.clock.now });
  assert.equal(outcome, "linked");
  const token = await verify(server, guest);
  const { devices } = await (await server.request(SERVER_PATHS.devices, { token: owner.token })).json();
  assert.equal(devices.length, 2);
  assert.ok(token);
});

Deno.test("linking needs a code that a device shows right now", async () => {
  await using server = await startServerApp();
  const owner = await server.pair();
  const guest = await register(server);
  const link = (code: string) =>
    server.refuse(SERVER_PATHS.linkDevice, {
      token: owner.token,
      body: { code },
      address: crypto.randomUUID(),
      status: 400,
      code: "code_invalid",
    });
  await link(otherCode(guest.code));
  server.clock.now = new Date(server.clock.now.getTime() + 10 * 60_000);
  await link(guest.code);
});

Deno.test("a device of scope sync may send and ask for its own state, and nothing else", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair({ scope: "sync" });
  for (const path of [SERVER_PATHS.currentDevice, SERVER_PATHS.syncStatus]) {
    assert.equal((await server.request(path, { token })).status, 200);
  }
  const batch = { conversationImessageId: "chat", isGroup: false, participantIds: [], messages: [] };
  await server.expect(SERVER_PATHS.syncMessages, { token, body: batch, schema: syncMessagesResponseSchema });
  assert.equal(
    (await server.request(SERVER_PATHS.syncContacts, { token, body: { contacts: [] } })).status,
    200,
  );
  const refused = { token, status: 403, code: "scope_insufficient" } as const;
  for (
    const path of [
      SERVER_PATHS.devices,
      SERVER_PATHS.conversations,
      SERVER_PATHS.contacts,
      SERVER_PATHS.responses,
      SERVER_PATHS.trainingSamples,
      SERVER_PATHS.exportTrainingSamples,
      SERVER_PATHS.trainingJobs,
      pathOf(SERVER_PATHS.trainingJobEvents, { id: crypto.randomUUID() }),
      SERVER_PATHS.accountModels,
      `${SERVER_PATHS.conversations}/${crypto.randomUUID()}`,
    ]
  ) await server.refuse(path, refused);
  for (
    const path of [
      SERVER_PATHS.linkDevice,
      SERVER_PATHS.generateResponse,
      SERVER_PATHS.startTraining,
      SERVER_PATHS.importTrainingSamples,
      SERVER_PATHS.rollBackAdapter,
      pathOf(SERVER_PATHS.promoteAdapter, { adapterId: "some-adapter" }),
      pathOf(SERVER_PATHS.renameDevice, { id: crypto.randomUUID() }),
      pathOf(SERVER_PATHS.deactivateDevice, { id: crypto.randomUUID() }),
    ]
  ) await server.refuse(path, { ...refused, body: {} });
  for (const path of [SERVER_PATHS.trainingSample, SERVER_PATHS.conversation, SERVER_PATHS.message]) {
    await server.refuse(pathOf(path, { id: crypto.randomUUID() }), { ...refused, method: "DELETE" });
  }
});

Deno.test("the sixth attempt on a device within 15 minutes is refused, whoever makes it, restarts included", async () => {
  await using database = await createTestDatabase();
  const store = database.stores;
  const start = new Date();
  let device: Registered;
  {
    await using server = await startServerApp({ store });
    server.clock.now = start;
    device = await register(server);
    for (let attempt = 0; attempt < 5; attempt++) {
      assert.equal((await tryWrongCode(server, device, `attacker-${attempt}`)).code, "code_invalid");
    }
  }
  await using restarted = await startServerApp({ store });
  restarted.clock.now = new Date(start.getTime() + 60_000);
  const sixth = await tryWrongCode(restarted, device, "attacker-6");
  assert.deepEqual(sixth, { status: 429, code: "too_many_attempts", retryAfter: String(14 * 60) });
  await restarted.refuse(SERVER_PATHS.verifyDevice, {
    body: device,
    address: "192.0.2.99",
    status: 429,
    code: "too_many_attempts",
  });
});

Deno.test("the sixth attempt of an address within 15 minutes is refused, whatever device it tries", async () => {
  await using server = await startServerApp();
  const devices = await Promise.all(
    Array.from({ length: 7 }, (_, number) => register(server, { address: `home-${number}` })),
  );
  const statuses: number[] = [];
  for (const device of devices.slice(0, 6)) {
    statuses.push((await tryWrongCode(server, device, "attacker")).status);
  }
  assert.deepEqual(statuses, [400, 400, 400, 400, 400, 429]);
  const spared = devices[6];
  assert.ok(spared);
  await verify(server, spared, "home-6");
  server.clock.now = new Date(server.clock.now.getTime() + 15 * 60_000);
  const late = await register(server, { address: "home-8" });
  assert.equal((await tryWrongCode(server, late, "attacker")).status, 400);
});

Deno.test("an address has at most 20 devices waiting to be verified", async () => {
  await using server = await startServerApp();
  const waiting: Registered[] = [];
  for (let count = 0; count < 20; count++) waiting.push(await register(server, { address: "busy" }));
  const response = await server.request(SERVER_PATHS.registerDevice, { body: REGISTRATION, address: "busy" });
  assert.equal(response.status, 429);
  assert.equal((await response.json()).code, "too_many_requests");
  assert.equal(response.headers.get("retry-after"), "600");
  await register(server, { address: "another" });
  const [first] = waiting;
  assert.ok(first);
  await verify(server, first);
  await register(server, { address: "busy" });
  server.clock.now = new Date(server.clock.now.getTime() + 10 * 60_000);
  await register(server, { address: "busy" });
});
