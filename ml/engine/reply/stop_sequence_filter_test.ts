/** Tests growing text: however it is cut into pieces, what is shown is the reply, and stop strings end it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ReplyText } from "./stop_sequence_filter.ts";

const STOP = ["\nThem:", "\nMe:", "END"];

interface Shown {
  shown: string;
  text: string;
  stoppedAt: number | null;
}

function grow(pieces: string[], stop: readonly string[] = STOP): Shown {
  const reply = new ReplyText({ stop });
  let shown = "";
  for (const piece of pieces) shown += reply.push(piece);
  shown += reply.end();
  return { shown, text: reply.text, stoppedAt: reply.stoppedAt };
}

Deno.test("white space at both ends is not part of a reply", () => {
  assert.equal(grow([" ", "\n", " hello", " ", "there", " \n "]).text, "hello there");
});

Deno.test("a stop string ends the reply, also when it comes in pieces", () => {
  assert.deepEqual(grow(["ok", "\n", "Th", "em", ": hi"]), { shown: "ok", text: "ok", stoppedAt: 2 });
  assert.equal(grow(["ok\nThen what"]).text, "ok\nThen what");
  assert.equal(grow(["ok\nTh"]).text, "ok\nTh");
  assert.equal(grow(["EN", "D"]).text, "");
});

Deno.test("of two stop strings the earlier one counts", () => {
  assert.equal(grow(["a\nMe: b\nThem: c"]).text, "a");
});

Deno.test("what may begin a stop string is held back until it is decided", () => {
  const reply = new ReplyText({ stop: ["\nMe:"] });
  assert.equal(reply.push("fine\nM"), "fine");
  assert.equal(reply.push("aybe"), "\nMaybe");
});

Deno.test("a cleaner sees runs of white space whole", () => {
  const reply = new ReplyText({ stop: STOP, clean: (text) => text.replaceAll("\n  ", "\n") });
  const shown = ["one", "\n", " ", " two", "\n  th", "ree"].map((piece) => reply.push(piece)).join("");
  assert.equal(shown + reply.end(), "one\ntwo\nthree");
});

Deno.test("the shown pieces are the same text, however the reply was cut", () => {
  const word = fc.constantFrom("a", " ", "\n", "\nT", "hem:", "\nMe", ":", "E", "N", "D", "😀", "é");
  fc.assert(fc.property(fc.array(word, { maxLength: 30 }), (pieces) => {
    const whole = grow([pieces.join("")]);
    const cut = grow(pieces);
    assert.equal(cut.shown, cut.text);
    assert.equal(cut.text, whole.text);
    const expected = pieces.join("").split(/\nThem:|\nMe:|END/)[0]?.trim();
    assert.equal(whole.text, expected);
  }));
});
