/** Tests of fitting strings into the contract's bounds. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { labelSchema, textSchema } from "../../contract/scalars.ts";
import { digestOf, fitLabel, fitText } from "./wire_text.ts";

const anyString = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
  .map((units) => String.fromCharCode(...units));

Deno.test("any string becomes text that the contract accepts, and text that it accepts stays as it is", () => {
  fc.assert(fc.property(anyString, fc.integer({ min: 1, max: 60 }), (text, maxLength) => {
    const fitted = fitText(text, maxLength);
    assert.ok(textSchema(maxLength).safeParse(fitted).success);
    if (textSchema(maxLength).safeParse(text).success) assert.equal(fitted, text);
  }));
});

Deno.test("a cut never splits a character in two", () => {
  assert.equal(fitText("ab😀", 3), "ab");
  assert.equal(fitText("ab😀", 4), "ab😀");
  assert.equal(fitText("a\0b\ud800", 10), "ab\ufffd");
});

Deno.test("any string becomes a label that the contract accepts, or null when nothing is left of it", () => {
  fc.assert(fc.property(anyString, fc.integer({ min: 34, max: 60 }), (text, maxLength) => {
    const label = fitLabel(text, maxLength);
    if (label === null) assert.equal(text.replaceAll("\0", ""), "");
    else assert.ok(labelSchema(maxLength).safeParse(label).success);
  }));
  assert.equal(fitLabel(null, 40), null);
});

Deno.test("labels that are too long stay different from one another and the same for themselves", () => {
  const long = "x".repeat(300);
  assert.equal(fitLabel(`${long}a`, 256), fitLabel(`${long}a`, 256));
  assert.notEqual(fitLabel(`${long}a`, 256), fitLabel(`${long}b`, 256));
  assert.equal(fitLabel(`${long}a`, 256)?.length, 256);
});

Deno.test("a digest is the beginning of SHA-256, so it reveals nothing of the value", () => {
  assert.equal(digestOf("abc"), "ba7816bf8f01cfea414140de5dae2223");
});
