/** Tests that a device can see, use or change nothing of another account. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema, responseActionResponseSchema } from "../contract/responses.ts";
import {
  type PairedDevice,
  type ServerAppUnderTest,
  startServerApp,
} from "../tests/support/server/server_app.ts";
import { JOHN, sendConversation } from "../tests/support/server/sync_batches.ts";
import { promote, readModels, startJob, trainAdapter } from "../tests/support/server/trainee.ts";

/** Everything that has an id in one account. */
interface World {
  device: PairedDevice;
  conversationId: string;
  messageId: string;
  responseId: string;
  sampleId: string;
  /** A job that is not finished. */
  jobId: string;
  /** Of a job that is. */
  adapterId: string;
}

async function fill(server: ServerAppUnderTest): Promise<World> {
  const device = await server.pair();
  const { token } = device;
  await server.request(SERVER_PATHS.syncContacts, {
    token,
    body: { contacts: [{ phoneNumber: JOHN, displayName: "John" }] },
  });
  const [message] = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner?"]] });
  assert.ok(message);
  const { responseId } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId: message.id },
    schema: generatedResponseSchema,
  });
  const { trainingSampleId } = await server.expect(pathOf(SERVER_PATHS.responseAction, { id: responseId }), {
    token,
    body: { action: "accept" },
    schema: responseActionResponseSchema,
  });
  const adapterId = await trainAdapter({ server, token });
  await promote({ server, token }, adapterId);
  const job = await startJob({ server, token });
  return {
    device,
    conversationId: message.conversationId,
    messageId: message.id,
    responseId,
    sampleId: trainingSampleId ?? "",
    jobId: job.id,
    adapterId,
  };
}

const POST = { method: "POST" };

/** The method and path of each operation of the API document whose path takes an id. */
async function operationsWithId(server: ServerAppUnderTest): Promise<string[]> {
  const document = await (await server.request("/openapi.json")).json();
  return Object.entries(document.paths as Record<string, Record<string, unknown>>)
    .filter(([path]) => path.includes("{"))
    .flatMap(([path, operations]) =>
      Object.keys(operations).map((method) =>
        `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`
      )
    );
}

Deno.test("every endpoint that takes an id answers a stranger as if there were nothing", async (t) => {
  await using server = await startServerApp();
  const world = await fill(server);
  const { token } = await server.pair();
  const requests: [string, string, { method?: string; body?: unknown }][] = [
    [SERVER_PATHS.deactivateDevice, world.device.deviceId, POST],
    [SERVER_PATHS.renameDevice, world.device.deviceId, { body: { name: "Mine" } }],
    [SERVER_PATHS.conversation, world.conversationId, {}],
    [SERVER_PATHS.conversationMessages, world.conversationId, {}],
    [SERVER_PATHS.conversation, world.conversationId, { method: "DELETE" }],
    [SERVER_PATHS.conversation, world.conversationId, { method: "PATCH", body: { drafting: "off" } }],
    [SERVER_PATHS.message, world.messageId, { method: "DELETE" }],
    [SERVER_PATHS.generateResponse, "", { body: { messageId: world.messageId } }],
    [SERVER_PATHS.generateResponse, "", { body: { messageId: world.messageId, async: true } }],
    [SERVER_PATHS.response, world.responseId, {}],
    [SERVER_PATHS.responseAction, world.responseId, { body: { action: "accept" } }],
    [SERVER_PATHS.cancelResponse, world.responseId, POST],
    [SERVER_PATHS.trainingJob, world.jobId, {}],
    [SERVER_PATHS.trainingJobEvents, world.jobId, {}],
    [SERVER_PATHS.cancelTrainingJob, world.jobId, POST],
    [SERVER_PATHS.trainingSample, world.sampleId, { method: "DELETE" }],
    [SERVER_PATHS.promoteAdapter, world.adapterId, POST],
    [SERVER_PATHS.heldOutReplies, world.adapterId, {}],
    [SERVER_PATHS.compareDrafts, world.adapterId, { body: { sampleId: world.sampleId } }],
  ];
  await t.step("no such endpoint is missing here", async () => {
    const tried = requests.map(([path, , { method, body }]) =>
      `${method ?? (body ? "POST" : "GET")} ${path}`
    );
    for (const operation of await operationsWithId(server)) assert.ok(tried.includes(operation), operation);
  });
  for (const [path, id, request] of requests) {
    await t.step(path, async () => {
      const full = pathOf(path, { id, adapterId: id });
      await server.refuse(full, { ...request, token, status: 404, code: "not_found" });
    });
  }
  await t.step("training on another account's sample", async () => {
    await server.refuse(SERVER_PATHS.startTraining, {
      token,
      body: { baseModel: "m", sampleIds: [world.sampleId] },
      status: 400,
      code: "validation_failed",
    });
  });
  const owner = { token: world.device.token };
  assert.equal((await server.request(SERVER_PATHS.currentDevice, owner)).status, 200, "still active");
  const job = await server.request(pathOf(SERVER_PATHS.trainingJob, { id: world.jobId }), owner);
  assert.equal((await job.json()).job.status, "queued", "still live");
  const mine = await readModels({ server, token: world.device.token });
  assert.equal(mine.promotedAdapterId, world.adapterId, "still in use");
});

Deno.test("lists show a stranger nothing", async () => {
  await using server = await startServerApp();
  const world = await fill(server);
  const { token, deviceId } = await server.pair();
  for (
    const path of [
      SERVER_PATHS.conversations,
      SERVER_PATHS.contacts,
      SERVER_PATHS.responses,
      `${SERVER_PATHS.responses}?conversationId=${world.conversationId}`,
      SERVER_PATHS.trainingSamples,
      SERVER_PATHS.trainingJobs,
      `${SERVER_PATHS.search}?q=dinner`,
    ]
  ) {
    const list = await (await server.request(path, { token })).json();
    assert.equal(list.total, 0, path);
  }
  const { devices, total } = await (await server.request(SERVER_PATHS.devices, { token })).json();
  assert.deepEqual([total, devices[0].id], [1, deviceId]);
  assert.deepEqual((await readModels({ server, token })).adapters, []);
  assert.equal(await (await server.request(SERVER_PATHS.exportTrainingSamples, { token })).text(), "");
  const status = await (await server.request(SERVER_PATHS.syncStatus, { token })).json();
  assert.deepEqual([status.messages, status.conversations, status.contacts], [0, 0, 0]);
});

Deno.test("the same message and contact may be in two accounts, each with its own text", async () => {
  await using server = await startServerApp();
  const [first, second] = [await server.pair(), await server.pair()];
  const texts: string[] = [];
  for (const [device, text] of [[first, "mine"], [second, "yours"]] as const) {
    const body = {
      conversationImessageId: "chat",
      isGroup: false,
      participantIds: [JOHN],
      messages: [{ imessageGuid: "guid-1", direction: "incoming", text, sentAt: "2024-01-01T12:00:00Z" }],
    };
    const { token } = device;
    const { conversationId, inserted } =
      await (await server.request(SERVER_PATHS.syncMessages, { token, body }))
        .json();
    assert.equal(inserted, 1);
    const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
    texts.push((await (await server.request(path, { token })).json()).messages[0].text);
  }
  assert.deepEqual(texts, ["mine", "yours"]);
});
