/** Tests of `agent devices`, `agent devices approve` and `agent unpair`, against a real server. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { deviceListSchema, registerDeviceResponseSchema } from "../../contract/devices.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createClient } from "../../lib/http/client.ts";
import { SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { REGISTRATION } from "../../tests/support/server/server_app.ts";

/** Registers a browser that waits for its approval, and returns its code. */
async function waitingBrowser(mac: SuggestingMac, name: string): Promise<string> {
  const client = createClient({ baseUrl: mac.served.url });
  const body = { ...REGISTRATION, name, join: true };
  const schema = registerDeviceResponseSchema;
  return (await client.request("POST", SERVER_PATHS.registerDevice, { body, schema })).code;
}

async function linesOf(mac: SuggestingMac, ...args: string[]): Promise<string[]> {
  return (await mac.run(...args)).stdout.trimEnd().split("\n");
}

async function token(mac: SuggestingMac): Promise<string> {
  return (await Deno.readTextFile(join(mac.dir, "data/token"))).trim();
}

Deno.test("the agent lists the account's devices and lets in the one that shows a code", async () => {
  await using mac = await SuggestingMac.create();
  const code = await waitingBrowser(mac, "Kitchen\u001b[2J");
  assert.deepEqual((await linesOf(mac, "devices")).map((line) => line.split("  ")[0]), ["active"]);
  const approved = await mac.run("devices", "approve", code);
  assert.equal(approved.code, 0, approved.stderr);
  assert.equal(approved.stdout, `"Kitchen\\u{1b}[2J" is approved: it can continue on its side now.\n`);
  const [browser, own] = await linesOf(mac, "devices");
  assert.match(browser ?? "", /^pending {6}full {2}seen never +Kitchen\\u\{1b\}\[2J$/);
  assert.match(own ?? "", /^active .* \(this device\)$/);
  const { devices } = JSON.parse((await mac.run("devices", "--json")).stdout);
  assert.equal(devices.length, 2);
});

Deno.test("a code that is none, and one that no device shows, are refused with a sentence", async () => {
  await using mac = await SuggestingMac.create();
  const mistyped = await mac.run("devices", "approve", "12345");
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.stderr, /six digits/);
  const unknown = await mac.run("devices", "approve", "000000");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /No device shows this code/);
});

Deno.test("an agent that joins a server with an owner names the command that approves it there", async () => {
  await using mac = await SuggestingMac.create({ pairing: "approve" });
  await mac.served.app.pair();
  const { code, stdout: text } = await mac.run("pair");
  assert.equal(code, 1);
  const shown = /Code: (\d{6})/.exec(text)?.[1];
  assert.ok(text.includes(`\`agent devices approve ${shown}\``), text);
  assert.ok(text.includes(`\`deno task server devices approve ${shown}\``), text);
});

Deno.test("unpairing shuts the device out on the server and forgets its tokens", async () => {
  await using mac = await SuggestingMac.create();
  const owner = await mac.served.app.pair();
  const old = await token(mac);
  const run = await mac.run("unpair");
  assert.equal(run.code, 0, run.stderr);
  await mac.served.app.refuse(SERVER_PATHS.devices, { token: old, status: 403, code: "device_deactivated" });
  await assert.rejects(token(mac), Deno.errors.NotFound);
  await assert.rejects(Deno.readTextFile(join(mac.dir, "data/refresh_token")), Deno.errors.NotFound);
  assert.match((await mac.run("sync", "--once")).stderr, /This device is not paired with a server/);
  assert.equal((await mac.run("unpair")).code, 1);
  const { devices } = await mac.served.app.expect(SERVER_PATHS.devices, {
    token: owner.token,
    schema: deviceListSchema,
  });
  assert.equal(devices.length, 1, "another account is another account");
  assert.match((await mac.run("pair")).stdout, /owner must let this device in/);
});

Deno.test("a server that is away keeps the pairing, unless it is forced", async () => {
  await using mac = await SuggestingMac.create();
  await mac.served.shutdown();
  const run = await mac.run("unpair");
  assert.equal(run.code, 1);
  assert.match(run.stderr, /Cannot reach the server/);
  assert.ok(await token(mac));
  assert.equal((await mac.run("unpair", "--force")).code, 0);
  await assert.rejects(token(mac), Deno.errors.NotFound);
});
