// Checks the reader of binary property lists: all that summaries hold, and no exception or hang on anything else.
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodePlist, Real } from "../../../tests/support/chat_db/binary_plist_writer.ts";
import { decodePlist } from "./binary_plist.ts";

Deno.test("every kind of value that a summary holds is read", () => {
  const long = "x".repeat(300);
  const root = {
    yes: true,
    no: false,
    small: 7,
    large: 5_000_000_000,
    seconds: new Real(725505920.689707),
    text: "Zoë 🎉",
    [long]: long,
    bytes: new Uint8Array([1, 2, 3]),
    list: [1, [2, { three: 3 }]],
  };
  assert.deepEqual(
    decodePlist(encodePlist(root)),
    new Map<string, unknown>([
      ["yes", true],
      ["no", false],
      ["small", 7],
      ["large", 5_000_000_000],
      ["seconds", 725505920.689707],
      ["text", "Zoë 🎉"],
      [long, long],
      ["bytes", new Uint8Array([1, 2, 3])],
      ["list", [1, [2, new Map([["three", 3]])]]],
    ]),
  );
});

Deno.test("a list within a larger buffer is read within its own bounds", () => {
  const list = encodePlist({ ep: [0] });
  const padded = new Uint8Array(list.length + 20).fill(0xff);
  padded.set(list, 10);
  assert.deepEqual(decodePlist(padded.subarray(10, 10 + list.length)), new Map([["ep", [0]]]));
});

Deno.test("any bytes are read without an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodePlist(bytes);
      decodePlist(Uint8Array.from([...new TextEncoder().encode("bplist00"), ...bytes]));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a changed or shortened list is read without an exception", () => {
  const list = encodePlist({
    otr: { 0: { lo: 0, le: 5 } },
    ec: { 0: [{ d: new Real(7.5), t: new Uint8Array(9) }] },
  });
  fc.assert(
    fc.property(fc.nat(list.length - 1), fc.nat(255), (at, byte) => {
      decodePlist(list.with(at, byte));
      decodePlist(list.slice(0, at));
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("a list that contains itself, or one array a million times over, gives null", () => {
  assert.equal(decodePlist(forged([[0xa1, 0]])), null);
  const doubling = Array.from({ length: 15 }, (_, index) => [0xa2, index + 1, index + 1]);
  assert.equal(
    decodePlist(forged([...doubling, [0xaf, 0x10, 200, ...Array(200).fill(16)], [0x10, 1]])),
    null,
  );
  assert.equal(decodePlist(forged([[0x4f, 0x1f, ...Array(40).fill(255)]])), null);
});

/** A list of these objects, of which the first is the root. */
function forged(objects: number[][]): Uint8Array {
  const offsets = objects.map((_, index) => 8 + objects.slice(0, index).flat().length);
  const tableAt = 8 + objects.flat().length;
  const trailer = [0, 0, 0, 0, 0, 0, 2, 1, ...big(objects.length, 8), ...big(0, 8), ...big(tableAt, 8)];
  const table = offsets.flatMap((offset) => big(offset, 2));
  return Uint8Array.from([...new TextEncoder().encode("bplist00"), ...objects.flat(), ...table, ...trailer]);
}

function big(value: number, sizeBytes: number): number[] {
  return Array.from(
    { length: sizeBytes },
    (_, index) => Math.floor(value / 256 ** (sizeBytes - 1 - index)) & 0xff,
  );
}
