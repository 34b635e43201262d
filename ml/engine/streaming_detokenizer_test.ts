/** Tests tokens that hold parts of characters: text is emitted in whole characters. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { StreamingDetokenizer } from "./reply_builder.ts";

/** A tokenizer whose tokens are bytes. */
function bytesToText(tokens: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(tokens));
}

function spell(bytes: Uint8Array): { pieces: string[]; text: string } {
  const text = new StreamingDetokenizer(bytesToText);
  const pieces = [...bytes].map((byte) => text.push(byte));
  pieces.push(text.end());
  return { pieces, text: pieces.join("") };
}

Deno.test("a character is emitted with its last byte", () => {
  assert.deepEqual(spell(new TextEncoder().encode("a😀é")).pieces, ["a", "", "", "", "😀", "", "é", ""]);
});

Deno.test("any text made of one-byte tokens comes out as it was", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (value) => {
    assert.equal(spell(new TextEncoder().encode(value)).text, value);
  }));
});

Deno.test("an incomplete last character is dropped", () => {
  const bytes = new TextEncoder().encode("ok 😀");
  assert.equal(spell(bytes.subarray(0, -1)).text, "ok ");
});

Deno.test("invalid bytes do not block the text after them", () => {
  const text = new StreamingDetokenizer(bytesToText);
  const pieces = [0xff, 0xff, 0xff, 0xff, 0x61].map((byte) => text.push(byte));
  assert.equal(pieces.at(-1), "a");
});
