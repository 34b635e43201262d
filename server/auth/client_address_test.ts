// By which part of an address a client is counted.
import assert from "node:assert/strict";
import { addressKey } from "./client_address.ts";

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
