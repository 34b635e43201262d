/** Tests that a service answers only to its own names, and that foreign pages change nothing. */
import assert from "node:assert/strict";
import { silentLogger } from "../log.ts";
import { type AllowedHosts, allowedHosts, allowedHostsSetting } from "./allowed_hosts.ts";
import { createApiApp } from "./app.ts";

const LOCAL = allowedHosts({ host: "127.0.0.1", names: ["assistant.example.com"] });
const NETWORK = allowedHosts({ host: "0.0.0.0", names: [] });

async function ask(url: string, init: RequestInit = {}, hosts: AllowedHosts = LOCAL): Promise<Response> {
  const app = createApiApp({ log: silentLogger(), hosts });
  app.get("/", (c) => c.text("read"));
  app.post("/", (c) => c.text("changed"));
  return await app.request(url, init);
}

const HOSTS: [string, AllowedHosts, boolean][] = [
  ["localhost:3100", LOCAL, true],
  ["127.0.0.1:3100", LOCAL, true],
  ["[::1]:3100", LOCAL, true],
  ["dev.localhost", LOCAL, true],
  ["assistant.example.com", LOCAL, true],
  ["ASSISTANT.example.com.", LOCAL, true],
  ["evil.example.com", LOCAL, false],
  ["assistant.example.com.evil.example", LOCAL, false],
  ["localhost.evil.example", LOCAL, false],
  ["127.0.0.1.evil.example", LOCAL, false],
  ["192.168.1.7", LOCAL, false],
  ["192.168.1.7:3100", NETWORK, true],
  ["[fd00::7]", NETWORK, true],
  [Deno.hostname().toLowerCase(), NETWORK, true],
  ["evil.example.com", NETWORK, false],
];

for (const [host, hosts, isAllowed] of HOSTS) {
  Deno.test(`the host ${host} is ${isAllowed ? "answered" : "refused"} on ${hosts === LOCAL ? "loopback" : "the network"}`, async () => {
    for (const method of ["GET", "POST"]) {
      const response = await ask(`http://${host}/`, { method }, hosts);
      assert.equal(response.status, isAllowed ? 200 : 421);
      if (!isAllowed) assert.equal((await response.json()).code, "host_not_allowed");
    }
  });
}

const ORIGINS: [string, Record<string, string>, number][] = [
  ["a program", {}, 200],
  ["the service's own page", { origin: "http://localhost:3100" }, 200],
  ["a page of a configured host", { origin: "https://assistant.example.com" }, 200],
  ["a foreign page", { origin: "https://evil.example" }, 403],
  ["another service of this machine", { origin: "http://localhost:8080" }, 403],
  ["a page without an origin of its own", { origin: "null" }, 403],
  ["a page that hides its origin", { "sec-fetch-site": "cross-site" }, 403],
];

for (const [who, headers, status] of ORIGINS) {
  Deno.test(`a change that ${who} asks for is answered with ${status}, what it reads with 200`, async () => {
    const url = "http://localhost:3100/";
    assert.equal((await ask(url, { method: "POST", headers })).status, status);
    const read = await ask(url, { headers });
    assert.equal(read.status, 200);
    assert.equal(read.headers.get("access-control-allow-origin"), null);
  });
}

Deno.test("a preflight is answered without permission for anybody", async () => {
  const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
  const response = await ask("http://localhost/", { method: "OPTIONS", headers });
  assert.equal(response.status, 405);
  assert.deepEqual([...response.headers.keys()].filter((name) => name.startsWith("access-control-")), []);
});

Deno.test("HSTS is sent behind TLS only", async () => {
  for (const [url, sent] of [["http://localhost/", false], ["https://localhost/", true]] as const) {
    assert.equal((await ask(url)).headers.has("strict-transport-security"), sent);
  }
});

Deno.test("a method that a path does not have is answered with 405 and those that it has", async () => {
  for (const method of ["DELETE", "PUT", "PROPFIND"]) {
    const response = await ask("http://localhost/", { method });
    assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD, POST"]);
  }
  assert.equal((await ask("http://localhost/nowhere", { method: "DELETE" })).status, 404);
});

Deno.test("the setting takes names without ports and refuses anything else", () => {
  assert.deepEqual(allowedHostsSetting.parse("ml, Assistant.example.com"), ["ml", "assistant.example.com"]);
  for (const raw of ["a:80", "http://a", "a/b", "a b", "*"]) {
    assert.throws(() => allowedHostsSetting.parse(raw), /a list of host names/, raw);
  }
});
