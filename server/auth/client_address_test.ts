// By which part of an address a client is counted.
import assert from "node:assert/strict";
import { Hono } from "../../deps.ts";
import { addressKey, connectionAddressOf } from "./client_address.ts";

Deno.test("an IPv4 address counts whole, also when it is written as an IPv6 one", () => {
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
