// Pairing codes: their form, their evenness, and what their hash depends on.
import assert from "node:assert/strict";
import { drawPairingCode, hashPairingCode } from "./pairing_code.ts";

const secret = new TextEncoder().encode("one secret");

/** Draws these numbers one after the other. */
function drawing(...numbers: number[]): () => number {
  return () => {
    const next = numbers.shift();
    assert.notEqual(next, undefined, "drew more often than expected");
    return next ?? 0;
  };
}

Deno.test("a code has six digits, leading zeros included", () => {
  assert.equal(drawPairingCode(drawing(42)), "000042");
  assert.equal(drawPairingCode(drawing(1_999_999)), "999999");
  for (let draw = 0; draw < 200; draw++) assert.match(drawPairingCode(), /^\d{6}$/);
});

Deno.test("draws that would favour low codes are thrown away", () => {
  const evenLimit = 4_294_000_000;
  assert.equal(drawPairingCode(drawing(evenLimit, 2 ** 32 - 1, evenLimit - 1)), "999999");
});

Deno.test("codes of the system's random source spread over the whole range", () => {
  const draws = 20_000;
  const bins = new Array<number>(10).fill(0);
  for (let draw = 0; draw < draws; draw++) {
    const bin = Number(drawPairingCode()[0]);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const expected = draws / bins.length;
  const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 9 degrees of freedom: an even source exceeds this once in ten million runs.
  assert.ok(chiSquare < 50, `chi-square ${chiSquare} over ${bins}`);
});

Deno.test("a code's hash depends on the code and on the secret, and shows neither", () => {
  const hash = hashPairingCode(secret, "123456");
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(hash, hashPairingCode(secret, "123456"));
  assert.notEqual(hash, hashPairingCode(secret, "123457"));
  assert.notEqual(hash, hashPairingCode(new TextEncoder().encode("another secret"), "123456"));
  assert.equal(hash.includes("123456"), false);
});
