/** Tests of devices that join: none of them gets an account of its own but the first, from the right place. */
import assert from "node:assert/strict";
import {
  type DeviceList,
  deviceListSchema,
  deviceResponseSchema,
  type RegisterDeviceResponse,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  REGISTRATION,
  type ServerAppUnderTest,
  startServerApp,
  TEST_SECRET,
} from "../../tests/support/server/server_app.ts";
import { setupCodeOf } from "../services/devices/pairing.ts";

const HERE = "127.0.0.1";
const ELSEWHERE = "192.0.2.30";

async function register(server: ServerAppUnderTest, changes: object = {}): Promise<RegisterDeviceResponse> {
  return await server.expect(SERVER_PATHS.registerDevice, {
    body: { ...REGISTRATION, join: true, ...changes },
    address: crypto.randomUUID(),
    status: 201,
    schema: registerDeviceResponseSchema,
  });
}

interface Attempt {
  address: string;
  setupCode?: string;
}

function bodyOf({ deviceId, code }: RegisterDeviceResponse, { setupCode }: Attempt) {
  return { deviceId, code, setupCode };
}

async function verify(server: ServerAppUnderTest, device: RegisterDeviceResponse, attempt: Attempt) {
  const { address } = attempt;
  const body = bodyOf(device, attempt);
  const schema = verifyDeviceResponseSchema;
  return (await server.expect(SERVER_PATHS.verifyDevice, { body, address, schema })).token;
}

async function refused(server: ServerAppUnderTest, device: RegisterDeviceResponse, attempt: Attempt) {
  const { address } = attempt;
  const response = await server.request(SERVER_PATHS.verifyDevice, {
    body: bodyOf(device, attempt),
    address,
  });
  const { code } = await response.json();
  return `${response.status} ${code}`;
}

async function devicesOf(server: ServerAppUnderTest, token: string): Promise<DeviceList> {
  return await server.expect(SERVER_PATHS.devices, { token, schema: deviceListSchema });
}

Deno.test("a device that joins waits for the owner also where pairing is open, and then is in the owner's account", async () => {
  await using server = await startServerApp({ pairing: "open" });
  const owner = await verify(server, await register(server), { address: HERE });
  const guest = await register(server, { name: "Phone" });
  assert.equal(guest.approveCommand, `deno task server devices approve ${guest.code}`);
  for (const address of [HERE, ELSEWHERE]) {
    assert.equal(await refused(server, guest, { address }), "403 pairing_required");
  }
  const { message } = await server.refuse(SERVER_PATHS.verifyDevice, {
    body: bodyOf(guest, { address: HERE }),
    status: 403,
    code: "pairing_required",
  });
  assert.match(message, /`deno task server devices approve`/);
  const body = { code: guest.code };
  await server.expect(SERVER_PATHS.linkDevice, { token: owner, body, schema: deviceResponseSchema });
  const token = await verify(server, guest, { address: ELSEWHERE });
  assert.deepEqual((await devicesOf(server, token)).devices.map(({ name }) => name), [
    "Phone",
    "MacBook Pro",
  ]);
  // One that does not ask to join still gets an account of its own, as the reference has it.
  const { token: stranger } = await server.pair();
  assert.equal((await devicesOf(server, stranger)).total, 1);
});

Deno.test("nobody's server on loopback is claimed from its own machine, and from elsewhere with the setup code", async () => {
  for (const pairing of ["open", "approve"] as const) {
    await using server = await startServerApp({ pairing });
    const device = await register(server);
    assert.equal(await refused(server, device, { address: ELSEWHERE }), "403 setup_code_required");
    assert.ok(await verify(server, device, { address: HERE }));
    await using proxied = await startServerApp({ pairing });
    const setupCode = setupCodeOf(TEST_SECRET);
    assert.ok(await verify(proxied, await register(proxied), { address: ELSEWHERE, setupCode }));
  }
});

Deno.test("on a network the first device needs the setup code, wherever it is and whether it joins or not", async () => {
  await using server = await startServerApp({ host: "0.0.0.0", pairing: "approve" });
  for (const join of [true, false]) {
    const device = await register(server, { join });
    assert.equal(await refused(server, device, { address: HERE }), "403 setup_code_required");
  }
  const setupCode = setupCodeOf(TEST_SECRET);
  assert.match(setupCode, /^[A-Z2-9]{5}-[A-Z2-9]{5}$/);
  const typed = setupCode.toLowerCase().replace("-", " ");
  const owner = await verify(server, await register(server), { address: ELSEWHERE, setupCode: typed });
  // Once somebody owns the server, the code lets nobody in.
  const guest = await register(server);
  assert.equal(await refused(server, guest, { address: ELSEWHERE, setupCode }), "403 pairing_required");
  assert.equal((await devicesOf(server, owner)).total, 1);
  assert.equal(server.logLines.join("\n").includes(setupCode), false);
});

Deno.test("guessing the setup code is limited like guessing pairing codes", async () => {
  await using server = await startServerApp({ host: "0.0.0.0", pairing: "approve" });
  const device = await register(server);
  const guess = { address: ELSEWHERE, setupCode: "ABCDE-FGHJK" };
  for (let tries = 0; tries < 5; tries++) {
    assert.equal(await refused(server, device, guess), "403 setup_code_required");
  }
  const right = { address: ELSEWHERE, setupCode: setupCodeOf(TEST_SECRET) };
  assert.equal(await refused(server, device, right), "429 too_many_attempts");
});

Deno.test("of devices that join at the same moment one claims the server", async () => {
  await using server = await startServerApp();
  const devices = await Promise.all(Array.from({ length: 5 }, () => register(server)));
  const answers = await Promise.all(
    devices.map((device) =>
      server.request(SERVER_PATHS.verifyDevice, { body: bodyOf(device, { address: HERE }), address: HERE })
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 403, 403, 403, 403]);
});

Deno.test("a device of the account is renamed, and a name that is none is refused", async () => {
  await using server = await startServerApp();
  const { token, deviceId } = await server.pair();
  const path = pathOf(SERVER_PATHS.renameDevice, { id: deviceId });
  const name = `<b>Kitchen</b> "'`;
  const { device } = await server.expect(path, { token, body: { name }, schema: deviceResponseSchema });
  assert.equal(device.name, name);
  assert.deepEqual((await devicesOf(server, token)).devices.map((one) => one.name), [name]);
  await server.refuse(path, { token, body: { name: "" }, status: 400, code: "validation_failed" });
});
