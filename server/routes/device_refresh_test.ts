/** Tests refresh tokens: a pairing lasts while they are used, survives a lost answer, and ends when one is copied. */
import assert from "node:assert/strict";
import { deviceResponseSchema, verifyDeviceResponseSchema } from "../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  type PairedDevice,
  type ServerAppUnderTest,
  startServerApp,
} from "../../tests/support/server/server_app.ts";
import { REFRESH_VALIDITY_MS, TOKEN_VALIDITY_MS } from "../auth/authenticate.ts";

async function refresh(
  server: ServerAppUnderTest,
  { deviceId, refreshToken }: PairedDevice,
): Promise<PairedDevice> {
  const answer = await server.expect(SERVER_PATHS.refreshDevice, {
    body: { refreshToken },
    schema: verifyDeviceResponseSchema.required(),
  });
  return { ...answer, deviceId };
}

async function assertWorks(server: ServerAppUnderTest, { deviceId, token }: PairedDevice): Promise<void> {
  const { device } = await server.expect(SERVER_PATHS.currentDevice, { token, schema: deviceResponseSchema });
  assert.equal(device.id, deviceId);
}

async function assertShutOut(server: ServerAppUnderTest, { refreshToken }: PairedDevice): Promise<void> {
  const refused = { status: 403, code: "device_deactivated" } as const;
  await server.refuse(SERVER_PATHS.refreshDevice, { body: { refreshToken }, ...refused });
}

function passTime(server: ServerAppUnderTest, ms: number): void {
  server.clock.now = new Date(server.clock.now.getTime() + ms);
}

Deno.test("a pairing that is refreshed outlives its first token and its first refresh token", async () => {
  await using server = await startServerApp();
  const first = await server.pair();
  let held = first;
  for (let month = 0; month < 5; month++) {
    passTime(server, REFRESH_VALIDITY_MS - 1_000);
    held = await refresh(server, held);
    await assertWorks(server, held);
  }
  const { token } = first;
  await server.refuse(SERVER_PATHS.currentDevice, { token, status: 401, code: "token_expired" });
});

Deno.test("a device that was away for 90 days must pair again", async () => {
  await using server = await startServerApp();
  const { refreshToken } = await server.pair();
  passTime(server, REFRESH_VALIDITY_MS);
  const expired = { status: 401, code: "token_expired" } as const;
  await server.refuse(SERVER_PATHS.refreshDevice, { body: { refreshToken }, ...expired });
});

Deno.test("a refresh token whose answers were lost works until one that it gave is used", async () => {
  await using server = await startServerApp();
  const first = await server.pair();
  const [lost, held] = [await refresh(server, first), await refresh(server, first)];
  const next = await refresh(server, held);
  await assertWorks(server, next);
  await refresh(server, held);
  await assertShutOut(server, lost);
  await server.refuse(SERVER_PATHS.currentDevice, {
    token: next.token,
    status: 403,
    code: "device_deactivated",
  });
});

Deno.test("reusing a replaced refresh token shuts the device out, whoever of the two uses it second", async () => {
  await using server = await startServerApp();
  for (const secondIsThief of [true, false]) {
    const stolen = await server.pair();
    const [first, second] = [await refresh(server, stolen), await refresh(server, stolen)];
    const [owner, thief] = secondIsThief ? [first, second] : [second, first];
    const used = await refresh(server, secondIsThief ? owner : thief);
    await assertShutOut(server, secondIsThief ? thief : owner);
    await assertShutOut(server, used);
  }
});

Deno.test("the same refresh token sent twice at once shuts nobody out", async () => {
  await using server = await startServerApp();
  const first = await server.pair();
  const answers = await Promise.all([1, 2, 3, 4].map(() => refresh(server, first)));
  assert.equal(new Set(answers.map(({ refreshToken }) => refreshToken)).size, 4);
  const [, held] = answers;
  assert.ok(held);
  await assertWorks(server, await refresh(server, held));
});

Deno.test("a refresh token ends with its device, and an unknown one is refused", async () => {
  await using server = await startServerApp();
  const device = await server.pair();
  const { token, deviceId } = device;
  await server.request(pathOf(SERVER_PATHS.deactivateDevice, { id: deviceId }), { method: "POST", token });
  await assertShutOut(server, device);
  const unknown = { body: { refreshToken: "x".repeat(43) }, status: 401, code: "unauthorized" } as const;
  await server.refuse(SERVER_PATHS.refreshDevice, unknown);
});

Deno.test("refreshing leaves the token before valid to its end, for requests that are under way", async () => {
  await using server = await startServerApp();
  const first = await server.pair();
  await refresh(server, first);
  passTime(server, TOKEN_VALIDITY_MS - 1_000);
  await assertWorks(server, first);
});
