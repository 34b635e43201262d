/** Tests the device endpoints: the documented flow, its answers, and each way a code is refused. */
import assert from "node:assert/strict";
import {
  deviceListSchema,
  deviceResponseSchema,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { CODE_VALIDITY_MS } from "../services/devices/pairing.ts";
import {
  REGISTRATION,
  type ServerAppUnderTest,
  startServerApp,
} from "../../tests/support/server/server_app.ts";

async function register(server: ServerAppUnderTest, address = "192.0.2.7") {
  return await server.expect(SERVER_PATHS.registerDevice, {
    body: REGISTRATION,
    address,
    status: 201,
    schema: registerDeviceResponseSchema,
  });
}

/** Another code of six digits. */
function otherCode(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, "0");
}

Deno.test("a device registers, verifies its code and gets a token for seven days", async () => {
  await using server = await startServerApp();
  const { deviceId, code, expiresAt } = await register(server);
  assert.match(code, /^\d{6}$/);
  assert.equal(new Date(expiresAt).getTime(), server.clock.now.getTime() + 10 * 60_000);
  const verified = await server.expect(SERVER_PATHS.verifyDevice, {
    body: { deviceId, code },
    schema: verifyDeviceResponseSchema,
  });
  const days = (new Date(verified.expiresAt).getTime() - server.clock.now.getTime()) / 86_400_000;
  assert.ok(days > 6.99 && days <= 7, `${days} days`);
  const { device } = await server.expect(SERVER_PATHS.currentDevice, {
    token: verified.token,
    schema: deviceResponseSchema,
  });
  assert.equal(device.id, deviceId);
  assert.deepEqual(
    {
      name: device.name,
      hardwareId: device.hardwareId,
      platform: device.platform,
      osVersion: device.osVersion,
    },
    REGISTRATION,
  );
  assert.deepEqual({ scope: device.scope, status: device.status }, { scope: "full", status: "active" });
});

Deno.test("a pairing code appears in no log line and is not what the database is asked for", async () => {
  await using server = await startServerApp();
  await server.pair();
  const { code } = await register(server);
  const result = await server.store.devices.approve({ codeHash: code, now: server.clock.now });
  assert.equal(result.outcome, "not_found");
  assert.equal(server.logLines.some((line) => line.includes(code)), false);
});

Deno.test("wrong, used, foreign and unknown codes are refused alike", async () => {
  await using server = await startServerApp();
  const mine = await register(server, "a");
  const other = await register(server, "b");
  await server.expect(SERVER_PATHS.verifyDevice, {
    body: { deviceId: other.deviceId, code: other.code },
    address: "b",
    schema: verifyDeviceResponseSchema,
  });
  const messages = new Set<string>();
  for (
    const body of [
      { deviceId: mine.deviceId, code: otherCode(mine.code) },
      { deviceId: other.deviceId, code: other.code },
      { deviceId: mine.deviceId, code: other.code },
      { deviceId: crypto.randomUUID(), code: mine.code },
    ]
  ) {
    const { message } = await server.refuse(SERVER_PATHS.verifyDevice, {
      body,
      address: crypto.randomUUID(),
      status: 400,
      code: "code_invalid",
    });
    messages.add(message);
  }
  assert.equal(messages.size, 1, "one message for all of them helps nobody to guess");
});

Deno.test("a code expires after ten minutes", async () => {
  await using server = await startServerApp();
  const { deviceId, code } = await register(server);
  server.clock.now = new Date(server.clock.now.getTime() + CODE_VALIDITY_MS);
  const { message } = await server.refuse(SERVER_PATHS.verifyDevice, {
    body: { deviceId, code },
    status: 400,
    code: "code_invalid",
  });
  assert.match(message, /expired/);
});

Deno.test("of many devices that verify one code at once exactly one gets a token", async () => {
  await using server = await startServerApp();
  const { deviceId, code } = await register(server);
  const answers = await Promise.all(
    Array.from({ length: 5 }, (_, client) =>
      server.request(SERVER_PATHS.verifyDevice, {
        body: { deviceId, code },
        address: `client-${client}`,
      })),
  );
  const statuses = await Promise.all(answers.map(async (answer) => {
    await answer.body?.cancel();
    return answer.status;
  }));
  assert.deepEqual(statuses.sort(), [200, 400, 400, 400, 400]);
});

Deno.test("a deactivated device is shut out at once, and the owner's other device sees it so", async () => {
  await using server = await startServerApp();
  const owner = await server.pair();
  const second = await register(server);
  await server.expect(SERVER_PATHS.linkDevice, {
    token: owner.token,
    body: { code: second.code },
    schema: deviceResponseSchema,
  });
  const { token } = await server.expect(SERVER_PATHS.verifyDevice, {
    body: { deviceId: second.deviceId, code: second.code },
    schema: verifyDeviceResponseSchema,
  });
  await server.expect(SERVER_PATHS.currentDevice, { token, schema: deviceResponseSchema });
  const path = pathOf(SERVER_PATHS.deactivateDevice, { id: second.deviceId });
  for (const _ of ["first", "repeated"]) {
    const { device } = await server.expect(path, {
      method: "POST",
      token: owner.token,
      schema: deviceResponseSchema,
    });
    assert.equal(device.status, "deactivated");
  }
  await server.refuse(SERVER_PATHS.currentDevice, { token, status: 403, code: "device_deactivated" });
  await server.refuse(SERVER_PATHS.syncStatus, { token, status: 403, code: "device_deactivated" });
  const { devices, total } = await server.expect(SERVER_PATHS.devices, {
    token: owner.token,
    schema: deviceListSchema,
  });
  assert.equal(total, 2);
  assert.deepEqual(devices.map(({ id, status }) => [id, status]), [
    [second.deviceId, "deactivated"],
    [owner.deviceId, "active"],
  ]);
});

Deno.test("an unknown device cannot be deactivated", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  await server.refuse(pathOf(SERVER_PATHS.deactivateDevice, { id: crypto.randomUUID() }), {
    method: "POST",
    token,
    status: 404,
    code: "not_found",
  });
  const { details } = await server.refuse(pathOf(SERVER_PATHS.deactivateDevice, { id: "first" }), {
    method: "POST",
    token,
    status: 400,
    code: "validation_failed",
  });
  assert.deepEqual(details, [{ path: "id", message: "must be a UUID" }]);
});

const BAD_REGISTRATIONS: [string, Record<string, unknown>, string][] = [
  ["no name", { name: undefined }, "name"],
  ["an empty name", { name: "" }, "name"],
  ["a name of 10 kB", { name: "x".repeat(10_000) }, "name"],
  ["a NUL", { hardwareId: "a\0b" }, "hardwareId"],
  ["a lone surrogate", { name: "\ud800" }, "name"],
  ["an unknown platform", { platform: "amiga" }, "platform"],
  ["a number for a text", { osVersion: 14 }, "osVersion"],
  ["an unknown scope", { scope: "admin" }, "scope"],
];

Deno.test("a faulty registration is refused with the path of its fault", async (t) => {
  await using server = await startServerApp();
  for (const [what, change, path] of BAD_REGISTRATIONS) {
    await t.step(what, async () => {
      const { details } = await server.refuse(SERVER_PATHS.registerDevice, {
        body: { ...REGISTRATION, ...change },
        status: 400,
        code: "validation_failed",
      });
      assert.equal(details?.[0]?.path, path);
    });
  }
});

Deno.test("a verification with a code or an id of the wrong form is refused before it counts", async () => {
  await using server = await startServerApp();
  const { deviceId } = await register(server);
  for (
    const body of [{ deviceId, code: "12345" }, { deviceId, code: 123456 }, { deviceId: "x", code: "123456" }]
  ) {
    for (let repeat = 0; repeat < 6; repeat++) {
      await server.refuse(SERVER_PATHS.verifyDevice, { body, status: 400, code: "validation_failed" });
    }
  }
});
