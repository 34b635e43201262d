// Checks the reading of Apple's times: seconds, nanoseconds, never, and values outside four-digit years.
import assert from "node:assert/strict";
import fc from "fast-check";
import { unixMsOf } from "./sql_value.ts";

const APPLE_EPOCH_MS = Date.parse("2001-01-01T00:00:00Z");

Deno.test("a time of El Capitan counts seconds and a later one nanoseconds", () => {
  assert.equal(unixMsOf(486_000_000n), Date.parse("2016-05-27T00:00:00Z"));
  assert.equal(unixMsOf(739_200_000_250_000_000n), Date.parse("2024-06-04T13:20:00.250Z"));
});

Deno.test("NULL, 0 and the greatest integer mean never", () => {
  for (const never of [null, undefined, 0n, 0, 9_223_372_036_854_775_807n, "x"]) {
    assert.equal(unixMsOf(never), null);
  }
});

Deno.test("times outside the years 1 to 9999 mean never, and 1708 is a time", () => {
  assert.equal(unixMsOf(999_999_999_999n), null);
  assert.equal(unixMsOf(-999_999_999_999n), null);
  assert.equal(new Date(unixMsOf(-9_223_372_036_854_775_807n) ?? 0).getUTCFullYear(), 1708);
});

Deno.test("every millisecond from 2001 to 2200 survives both units exactly", () => {
  const ms = fc.integer({ min: 1_000, max: 6_279_000_000_000 });
  fc.assert(fc.property(ms, (sinceEpochMs) => {
    const asNanoseconds = BigInt(sinceEpochMs) * 1_000_000n;
    if (asNanoseconds >= 1_000_000_000_000n) {
      assert.equal(unixMsOf(asNanoseconds), APPLE_EPOCH_MS + sinceEpochMs);
      assert.equal(unixMsOf(asNanoseconds + 999_999n), APPLE_EPOCH_MS + sinceEpochMs);
    }
    const seconds = Math.floor(sinceEpochMs / 1_000);
    assert.equal(unixMsOf(BigInt(seconds)), APPLE_EPOCH_MS + seconds * 1_000);
  }));
});

Deno.test("a time stored as a floating-point number is read like an integer", () => {
  assert.equal(unixMsOf(486_000_000.7), Date.parse("2016-05-27T00:00:00Z"));
});
