/** Tests tokens that carry parts of characters: text comes in whole ones. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { TokenText } from "./streaming_detokenizer.ts";

/** A tokenizer whose tokens are bytes. */
function bytesToText(tokens: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(tokens));
}

function spell(bytes: Uint8Array): { pieces: string[]; text: string } {
  const text = new TokenText(bytesToText);
  const pieces = [...bytes].map((byte) => text.push(byte));
  pieces.push(text.end());
  return { pieces, text: pieces.join("") };
}

Deno.test("a character shows when its last byte is there", () => {
  assert.deepEqual(spell(new TextEncoder().encode("a😀é")).pieces, ["a", "", "", "", "😀", "", "é", ""]);
});

Deno.test("any text made of one-byte tokens comes out as it was", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (value) => {
    assert.equal(spell(new TextEncoder().encode(value)).text, value);
  }));
});

Deno.test("a character that is never finished is left out", () => {
  const bytes = new TextEncoder().encode("ok 😀");
  assert.equal(spell(bytes.subarray(0, -1)).text, "ok ");
});

Deno.test("bytes that are no character do not hold up the text after them", () => {
  const text = new TokenText(bytesToText);
  const pieces = [0xff, 0xff, 0xff, 0xff, 0x61].map((byte) => text.push(byte));
  assert.equal(pieces.at(-1), "a");
});
