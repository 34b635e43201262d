/** Tests cursors; pages are tested by the store suite. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeCursor, encodeCursor } from "./paging.ts";

const times = fc.date({
  min: new Date("0001-01-01"),
  max: new Date("9999-12-31T23:59:59.999Z"),
  noInvalidDate: true,
});

Deno.test("a cursor gives back the position it was made of, and is safe in a URL", () => {
  fc.assert(fc.property(times, fc.uuid(), (at, id) => {
    const cursor = encodeCursor({ at, id });
    assert.match(cursor, /^[\w-]+$/);
    assert.deepEqual(decodeCursor(cursor), { at, id });
  }));
});

Deno.test("what is no cursor is no position, and never an error", () => {
  const inside = (text: string) => btoa(text).replace(/=+$/, "");
  const id = crypto.randomUUID();
  const made = [
    "",
    "!",
    "a",
    "x".repeat(1_000),
    inside("1.2"),
    inside(`.${id}`),
    inside(`1.${id}x`),
    inside(`-.${id}`),
  ];
  const outOfRange = [inside(`999999999999999.${id}`), inside(`-99999999999999.${id}`)];
  for (const text of [...made, ...outOfRange]) assert.equal(decodeCursor(text), undefined, text);
  fc.assert(fc.property(fc.string(), (text) => {
    const position = decodeCursor(text);
    assert(position === undefined || encodeCursor(position) !== "");
  }));
});
