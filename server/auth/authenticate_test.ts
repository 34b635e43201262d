/** Tests authentication over HTTP: only pairing and signing in answer a request without a valid token or session. */
import assert from "node:assert/strict";
import { deviceResponseSchema } from "../../contract/devices.ts";
import type { ErrorCode } from "../../contract/errors.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  type ServerAppUnderTest,
  startServerApp,
  TEST_SECRET,
} from "../../tests/support/server/server_app.ts";
import { Hono } from "../../deps.ts";
import {
  addressKey,
  connectionAddressOf,
  createTokens,
  SESSION_COOKIE,
  TOKEN_VALIDITY_MS,
} from "./authenticate.ts";

const OPEN: ReadonlySet<string> = new Set([
  SERVER_PATHS.health,
  SERVER_PATHS.ready,
  SERVER_PATHS.metrics,
  SERVER_PATHS.registerDevice,
  SERVER_PATHS.verifyDevice,
  SERVER_PATHS.refreshDevice,
  SERVER_PATHS.restore,
]);
const PROTECTED = Object.values(SERVER_PATHS).filter((path) => !OPEN.has(path));

function encode(value: unknown): string {
  return new TextEncoder().encode(JSON.stringify(value)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}

function altered(token: string): string {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const claims = JSON.parse(
    new TextDecoder().decode(Uint8Array.fromBase64(payload, { alphabet: "base64url" })),
  );
  return `${header}.${encode({ ...claims, sub: crypto.randomUUID() })}.${signature}`;
}

function unsigned(token: string): string {
  return `${encode({ alg: "none", typ: "JWT" })}.${token.split(".")[1]}.`;
}

async function foreign(deviceId: string): Promise<string> {
  const secret = new TextEncoder().encode("the secret of another server, as long");
  const tokens = createTokens({ secret, now: () => new Date() });
  return (await tokens.issue({ deviceId, tokenId: crypto.randomUUID() })).token;
}

async function assertRefused(
  server: ServerAppUnderTest,
  { path, token, headers, code }: {
    path: string;
    token?: string;
    headers?: Record<string, string>;
    code: ErrorCode;
  },
): Promise<void> {
  for (const method of path === SERVER_PATHS.session ? ["GET", "DELETE"] : ["GET", "POST"]) {
    const body = method === "POST" ? {} : undefined;
    const response = await server.request(path, { method, token, headers, body });
    const answer = await response.json();
    assert.deepEqual(
      { path, status: response.status, code: answer.code },
      { path, status: code === "device_deactivated" ? 403 : 401, code },
    );
  }
}

Deno.test("every endpoint but those of pairing, of a new server and of health refuses a request without a good token", async (t) => {
  await using server = await startServerApp();
  const device = await server.pair();
  const id = crypto.randomUUID();
  const bad: [string, string | undefined][] = [
    ["no token", undefined],
    ["a foreign key", await foreign(device.deviceId)],
    ["alg none", unsigned(device.token)],
    ["an altered payload", altered(device.token)],
    ["nonsense", "nonsense"],
  ];
  for (const [what, token] of bad) {
    await t.step(what, async () => {
      for (const template of PROTECTED) {
        await assertRefused(server, {
          path: pathOf(template, { id, adapterId: id }),
          token,
          code: "unauthorized",
        });
      }
    });
  }
  await t.step("a cookie of no session", async () => {
    for (const template of PROTECTED) {
      await assertRefused(server, {
        path: pathOf(template, { id, adapterId: id }),
        headers: { cookie: `${SESSION_COOKIE}=${device.token}`, origin: "http://localhost" },
        code: "unauthorized",
      });
    }
  });
  await t.step("a scheme other than Bearer", async () => {
    const headers = { authorization: `Basic ${device.token}` };
    await assertRefused(server, { path: SERVER_PATHS.devices, headers, code: "unauthorized" });
  });
  await t.step("an expired token", async () => {
    server.clock.now = new Date(server.clock.now.getTime() + TOKEN_VALIDITY_MS);
    const { token } = device;
    for (const template of PROTECTED) {
      await assertRefused(server, {
        path: pathOf(template, { id, adapterId: id }),
        token,
        code: "token_expired",
      });
    }
  });
});

Deno.test("a packed body is not unpacked for a stranger", async () => {
  await using server = await startServerApp();
  const noGzip = { headers: { "content-encoding": "gzip" }, body: {} };
  const path = SERVER_PATHS.syncMessages;
  await server.refuse(path, { ...noGzip, status: 401, code: "unauthorized" });
  const { token } = await server.pair();
  await server.refuse(path, { ...noGzip, token, status: 400, code: "malformed_json" });
});

Deno.test("without a token, paths that do not exist look like all others", async () => {
  await using server = await startServerApp();
  await server.refuse("/api/secrets", { status: 401, code: "unauthorized" });
  const { token } = await server.pair();
  await server.refuse("/api/secrets", { token, status: 404, code: "not_found" });
});

Deno.test("a token whose jti is not the device's current one is dead, though it is signed and not expired", async () => {
  await using server = await startServerApp();
  const { deviceId, token } = await server.pair();
  await server.expect(SERVER_PATHS.currentDevice, { token, schema: deviceResponseSchema });
  const tokens = createTokens({ secret: TEST_SECRET, now: () => server.clock.now });
  const replaced = await tokens.issue({ deviceId, tokenId: crypto.randomUUID() });
  await server.refuse(SERVER_PATHS.currentDevice, {
    token: replaced.token,
    status: 401,
    code: "unauthorized",
  });
});

Deno.test("a signed token that pairs one device's jti with another device is refused", async () => {
  await using server = await startServerApp();
  const [first, second] = [await server.pair(), await server.pair()];
  const tokens = createTokens({ secret: TEST_SECRET, now: () => server.clock.now });
  const { tokenId } = await tokens.verify(first.token);
  const mixed = await tokens.issue({ deviceId: second.deviceId, tokenId });
  await server.refuse(SERVER_PATHS.currentDevice, { token: mixed.token, status: 401, code: "unauthorized" });
});

Deno.test("a device is noted as seen, to the minute", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const seenAt = async () => {
    const { device } = await server.expect(SERVER_PATHS.currentDevice, {
      token,
      schema: deviceResponseSchema,
    });
    return device.lastSeenAt;
  };
  const first = await seenAt();
  assert.ok(first);
  server.clock.now = new Date(server.clock.now.getTime() + 60_000);
  assert.equal(await seenAt(), first);
  server.clock.now = new Date(server.clock.now.getTime() + 1_000);
  assert.equal(await seenAt(), server.clock.now.toISOString());
});

Deno.test("all of an IPv4 address counts, also when it is written as an IPv6 one", () => {
  assert.equal(addressKey("203.0.113.7"), "203.0.113.7");
  assert.equal(addressKey("::ffff:203.0.113.7"), "203.0.113.7");
});

Deno.test("IPv6 addresses of one /64 count as one client, however they are written", () => {
  const key = "2001:db8:0:1::/64";
  for (
    const address of [
      "2001:db8:0:1::7",
      "2001:db8:0:1:ffff:ffff:ffff:ffff",
      "2001:0DB8:0000:0001:0:0:0:1",
      "2001:db8:0:1:2:3:4:5%eth0",
    ]
  ) assert.equal(addressKey(address), key);
  assert.notEqual(addressKey("2001:db8:0:2::7"), key);
});

Deno.test("short forms with a gap in the first half are written out", () => {
  assert.equal(addressKey("::1"), "0:0:0:0::/64");
  assert.equal(addressKey("fe80::1"), "fe80:0:0:0::/64");
  assert.equal(addressKey("2001::5:6:7:8"), "2001:0:0:0::/64");
});

Deno.test("a client's address is that of its connection, whatever its headers say", async () => {
  const app = new Hono().get("/", (c) => c.text(connectionAddressOf(c)));
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, {
    headers: { "x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7", "x-real-ip": "203.0.113.7" },
  });
  assert.equal(await response.text(), "127.0.0.1");
});
