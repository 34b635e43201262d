/** Tests the sessions of browsers: how one starts, what its cookie may do, and what ends it. */
import assert from "node:assert/strict";
import { deviceListSchema } from "../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { sessionCodeSchema, sessionSchema } from "../../contract/session.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { SESSION_CODE_VALIDITY_MS, SESSION_VALIDITY_MS } from "../services/devices/sessions.ts";

/** The origin of the app's own pages; requests of tests are sent to it. */
const ORIGIN = "http://localhost";
const PATH = SERVER_PATHS.session;

/** Signs in and returns the answer's Set-Cookie header, with the `Cookie` header that a browser makes of it. */
async function signIn(
  server: ServerAppUnderTest,
  body: { token: string } | { code: string },
): Promise<{ setCookie: string; cookie: string }> {
  const response = await server.request(PATH, { body });
  assert.equal(response.status, 200, await response.clone().text());
  const setCookie = response.headers.get("set-cookie") ?? "";
  return { setCookie, cookie: setCookie.split(";")[0] ?? "" };
}

async function sessionCode(server: ServerAppUnderTest, token: string): Promise<string> {
  const expected = { method: "POST", token, status: 201, schema: sessionCodeSchema };
  return (await server.expect(SERVER_PATHS.sessionCodes, expected)).code;
}

function passTime(server: ServerAppUnderTest, ms: number): void {
  server.clock.now = new Date(server.clock.now.getTime() + ms);
}

Deno.test("a token signs a browser in as its device, by a cookie that no script and no other site gets", async () => {
  await using server = await startServerApp();
  const { token, deviceId } = await server.pair();
  const { setCookie, cookie } = await signIn(server, { token });
  for (const attribute of ["HttpOnly", "SameSite=Strict", "Path=/"]) {
    assert.match(setCookie, new RegExp(`; ${attribute}(;|$)`));
  }
  assert.doesNotMatch(setCookie, /Secure/);
  assert.ok(!setCookie.includes(token));
  const session = await server.expect(PATH, { headers: { cookie }, schema: sessionSchema });
  assert.equal(session.device.id, deviceId);
  const list = await server.expect(SERVER_PATHS.devices, { headers: { cookie }, schema: deviceListSchema });
  assert.deepEqual(list.devices.map(({ id }) => id), [deviceId]);
});

Deno.test("behind TLS the cookie is Secure", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const response = await server.send(`https://localhost${PATH}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token }),
  });
  assert.match(response.headers.get("set-cookie") ?? "", /; Secure(;|$)/);
});

Deno.test("a code signs in one browser, once, within its 60 seconds", async () => {
  await using server = await startServerApp();
  const { token, deviceId } = await server.pair();
  const code = await sessionCode(server, token);
  const { cookie } = await signIn(server, { code });
  const session = await server.expect(PATH, { headers: { cookie }, schema: sessionSchema });
  assert.equal(session.device.id, deviceId);
  const refused = { status: 400, code: "code_invalid" } as const;
  await server.refuse(PATH, { body: { code }, ...refused });
  await server.refuse(PATH, { body: { code: "x".repeat(43) }, ...refused });
  const late = await sessionCode(server, token);
  passTime(server, SESSION_CODE_VALIDITY_MS);
  await server.refuse(PATH, { body: { code: late }, ...refused });
});

Deno.test("of two browsers that use one code at once, one is signed in", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const code = await sessionCode(server, token);
  const answers = await Promise.all([1, 2, 3, 4].map(() => server.request(PATH, { body: { code } })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400, 400]);
});

Deno.test("what a session changes must come from a page of this server", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const { cookie } = await signIn(server, { token });
  const post = { method: "POST", status: 403, code: "forbidden" } as const;
  const path = SERVER_PATHS.sessionCodes;
  await server.refuse(path, { ...post, headers: { cookie } });
  for (
    const origin of ["null", "http://evil.example", "http://localhost:8080", "http://localhost.evil.example"]
  ) {
    await server.refuse(path, { ...post, headers: { cookie, origin } });
  }
  const headers = { cookie, origin: ORIGIN };
  await server.expect(path, { method: "POST", headers, status: 201, schema: sessionCodeSchema });
});

Deno.test("signing out ends the session and leaves the device and its other sessions", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const { cookie } = await signIn(server, { token });
  const other = await signIn(server, { token });
  const ended = await server.request(PATH, { method: "DELETE", headers: { cookie, origin: ORIGIN } });
  assert.deepEqual(await ended.json(), { ended: true });
  assert.match(ended.headers.get("set-cookie") ?? "", /Max-Age=0/);
  await server.refuse(PATH, { headers: { cookie }, status: 401, code: "unauthorized" });
  await server.expect(PATH, { headers: { cookie: other.cookie }, schema: sessionSchema });
  await server.expect(PATH, { token, schema: sessionSchema });
});

Deno.test("a session and a code end with the device that vouched for them", async () => {
  await using server = await startServerApp();
  const { token, deviceId } = await server.pair();
  const { cookie } = await signIn(server, { token });
  const code = await sessionCode(server, token);
  await server.request(pathOf(SERVER_PATHS.deactivateDevice, { id: deviceId }), { method: "POST", token });
  const refused = { status: 403, code: "device_deactivated" } as const;
  await server.refuse(PATH, { headers: { cookie }, ...refused });
  await server.refuse(PATH, { body: { code }, ...refused });
  await server.refuse(PATH, { body: { token }, ...refused });
});

Deno.test("a session outlives the token it began with, and ends 90 days after it was last read", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const { cookie } = await signIn(server, { token });
  passTime(server, SESSION_VALIDITY_MS - 1_000);
  await server.refuse(PATH, { token, status: 401, code: "token_expired" });
  await server.expect(PATH, { headers: { cookie }, schema: sessionSchema });
  passTime(server, SESSION_VALIDITY_MS - 1_000);
  await server.expect(PATH, { headers: { cookie }, schema: sessionSchema });
  passTime(server, SESSION_VALIDITY_MS);
  await server.refuse(PATH, { headers: { cookie }, status: 401, code: "unauthorized" });
});

Deno.test("a session of a device that may only sync gets no further than it, and its device makes no codes", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair({ scope: "sync" });
  const refused = { status: 403, code: "scope_insufficient" } as const;
  await server.refuse(SERVER_PATHS.sessionCodes, { method: "POST", token, ...refused });
  const { cookie } = await signIn(server, { token });
  await server.refuse(SERVER_PATHS.conversations, { headers: { cookie }, ...refused });
});

Deno.test("neither a code nor the secret of a cookie is stored or logged", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const code = await sessionCode(server, token);
  assert.equal(await server.store.sessions.useCode(code, server.clock.now), undefined);
  const { cookie } = await signIn(server, { code });
  const secret = cookie.split("=")[1] ?? "";
  assert.equal(await server.store.sessions.find(secret, server.clock.now), undefined);
  const log = server.logLines.join("\n");
  assert.ok(!log.includes(code) && !log.includes(secret));
});
