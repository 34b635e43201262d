/** Tests whose word on a client's address is believed. */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { NO_PROXIES, originOf, trustedProxies } from "./trusted_proxies.ts";

function message(remoteAddress: string, headers: Record<string, string> = {}): IncomingMessage {
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage;
}

const PROXIES = trustedProxies("10.0.0.0/8, ::1, fd00::/8");

const CASES: [string, string, Record<string, string>, { protocol: string; address: string }][] = [
  ["a stranger's headers", "1.2.3.4", { "x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https" }, {
    protocol: "http",
    address: "1.2.3.4",
  }],
  ["a proxy's headers", "10.1.2.3", { "x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https" }, {
    protocol: "https",
    address: "9.9.9.9",
  }],
  ["what a client wrote before the proxy did", "::1", { "x-forwarded-for": "5.5.5.5, 9.9.9.9" }, {
    protocol: "http",
    address: "9.9.9.9",
  }],
  ["a chain of proxies", "::ffff:10.0.0.1", { "x-forwarded-for": "9.9.9.9, fd00::7" }, {
    protocol: "http",
    address: "9.9.9.9",
  }],
  ["a header that is no address", "10.0.0.1", { "x-forwarded-for": "9.9.9.9, <script>" }, {
    protocol: "http",
    address: "10.0.0.1",
  }],
  ["no header", "10.0.0.1", {}, { protocol: "http", address: "10.0.0.1" }],
];

for (const [what, address, headers, expected] of CASES) {
  Deno.test(`the client's address is read right: ${what}`, () => {
    assert.deepEqual(originOf(message(address, headers), PROXIES), expected);
  });
}

Deno.test("without trusted proxies the connection's address counts", () => {
  const headers = { "x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https" };
  assert.deepEqual(originOf(message("127.0.0.1", headers), NO_PROXIES), {
    protocol: "http",
    address: "127.0.0.1",
  });
});

Deno.test("a list that is none of addresses and networks is refused", () => {
  for (const raw of ["proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "10.0.0.0/-1"]) {
    assert.throws(() => trustedProxies(raw), /a list of addresses/, raw);
  }
});
