/** Tests what an account is shown of its queue and of the server: places, an ml that is away, the disk, and the capture. */
import assert from "node:assert/strict";
import { z } from "../../deps.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  generatedResponseSchema,
  responseListSchema,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { statusSchema } from "../../contract/status.ts";
import { VERSION } from "../../lib/version.ts";
import { openEvents } from "../../tests/support/server/event_client.ts";
import { serveApp } from "../../tests/support/server/served_app.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import { JOHN, sendConversation } from "../../tests/support/server/sync_batches.ts";

Deno.test("a queued draft shows its place and since when ml is away, and neither once it is made", async () => {
  await using served = await serveApp();
  const { app: server, url } = served;
  const { token } = await server.pair();
  const [message] = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner?"]] });
  await using client = await openEvents(url, { token });
  await server.ml.goDown();
  const body = { messageId: message?.id, async: true };
  const schema = generatedResponseSchema;
  const first = await server.expect(SERVER_PATHS.generateResponse, { token, body, status: 202, schema });
  const read = async () =>
    await server.expect(pathOf(SERVER_PATHS.response, { id: first.responseId }), {
      token,
      schema: responseRecordSchema,
    });
  // Each try of the job is a `response:generating`; after the first one it waits and says why.
  await client.find("response:generating");
  let waiting = await read();
  while (waiting.position !== 1 || typeof waiting.mlOfflineSince !== "string") waiting = await read();
  const second = await server.expect(SERVER_PATHS.generateResponse, { token, body, status: 202, schema });
  assert.equal(typeof second.mlOfflineSince, "string");
  const { responses } = await server.expect(SERVER_PATHS.responses, { token, schema: responseListSchema });
  // One that is just being tried has no place.
  for (const { position } of responses) {
    assert.ok([1, 2, null, undefined].includes(position), String(position));
  }
  const away = await server.expect(SERVER_PATHS.status, { token, schema: statusSchema });
  assert.deepEqual([away.ml.state, away.queue.queued + away.queue.generating], ["unavailable", 2]);
  assert.ok(away.ml.offlineSince !== null && away.ml.offlineSince <= (waiting.mlOfflineSince ?? ""));
  await server.ml.comeBack();
  for (const _ of responses) await client.find("response:completed");
  const made = await read();
  assert.deepEqual([made.status, made.position, made.mlOfflineSince], ["completed", undefined, undefined]);
});

Deno.test("the status tells version, ml, queue, disk and the capture of each device, of its own account alone", async () => {
  await using server = await startServerApp();
  const { token, deviceId } = await server.pair();
  const stranger = await server.pair();
  await sendConversation({ server, token }, { lines: [[JOHN, "One"], [JOHN, "Two"]] });
  await server.request(SERVER_PATHS.syncHeartbeat, { token, body: { lagRows: 7 } });
  const read = async (token: string) =>
    await server.expect(SERVER_PATHS.status, { token, schema: statusSchema });
  const warning = "This machine has an NVIDIA GPU";
  server.ml.health = { ...server.ml.health, backend: { device: "cpu", gpu_layers: 0, warning } };
  const status = await read(token);
  assert.deepEqual([status.version, status.ml], [VERSION, {
    state: "ready",
    offlineSince: null,
    model: "test-model",
    reason: null,
    backend: { device: "cpu", gpuLayers: 0, warning },
    queueLength: 0,
  }]);
  assert.deepEqual(status.queue, { queued: 0, generating: 0, training: 0 });
  assert.ok(
    (status.disk.freeBytes ?? 0) > 0 && (status.disk.totalBytes ?? 0) >= (status.disk.freeBytes ?? 0),
  );
  assert.ok(status.disk.databaseBytes > 0);
  const [device, ...others] = status.devices;
  assert.deepEqual([device?.deviceId, device?.stored, device?.unchanged, device?.lagRows], [
    deviceId,
    2,
    0,
    7,
  ]);
  assert.ok(device?.lastBatchAt && device.lastHeartbeatAt && device.lastSeenAt);
  assert.deepEqual(others, []);
  const { devices } = await read(stranger.token);
  assert.deepEqual(devices.map(({ deviceId, stored }) => [deviceId, stored]), [[stranger.deviceId, 0]]);
});

Deno.test("what a device says of its rows is shown as it last said it, and an agent that says nothing of them is heard", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const heartbeat = async (body: unknown, status = 200) =>
    await server.expect(SERVER_PATHS.syncHeartbeat, { token, body, status, schema: z.unknown() });
  const read = async () => {
    const { devices: [device] } = await server.expect(SERVER_PATHS.status, { token, schema: statusSchema });
    return { lagRows: device?.lagRows, capture: device?.capture };
  };
  assert.deepEqual(await read(), { lagRows: null, capture: null });
  await heartbeat({ lagRows: 3 });
  assert.deepEqual(await read(), { lagRows: 3, capture: null });
  const capture = { rowsRead: 10, stored: 7, refused: 1, setAside: 2, gaps: 4 };
  await heartbeat({ lagRows: 0, capture });
  assert.deepEqual(await read(), { lagRows: 0, capture });
  await heartbeat({ lagRows: 5 });
  assert.deepEqual(await read(), { lagRows: 5, capture });
  await heartbeat({ lagRows: 0, capture: { ...capture, gaps: -1 } }, 400);
  await heartbeat({ lagRows: 0, capture: { ...capture, gaps: 0 } });
  assert.deepEqual(await read(), { lagRows: 0, capture: { ...capture, gaps: 0 } });
});

Deno.test("the API document names the token and the session's cookie as alternatives, wherever either is needed", async () => {
  await using server = await startServerApp();
  const document = await (await server.request("/openapi.json")).json();
  const { type, in: place, name } = document.components.securitySchemes.session;
  assert.deepEqual([type, place, name], ["apiKey", "cookie", "assistant_session"]);
  assert.deepEqual(document.paths[SERVER_PATHS.status].get.security, [{ bearer: [] }, { session: [] }]);
  assert.deepEqual(document.paths[SERVER_PATHS.session].post.security, []);
  assert.equal(document.paths[SERVER_PATHS.registerDevice].post.security, undefined);
});
