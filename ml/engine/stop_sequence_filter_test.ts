/** Tests stop sequences and trimming: the emitted text is the reply, however the input is split. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { StopSequenceFilter } from "./reply_builder.ts";

const STOP = ["\nThem:", "\nMe:", "END"];

interface Shown {
  shown: string;
  text: string;
  stoppedAt: number | null;
}

function grow(pieces: string[], stop: readonly string[] = STOP): Shown {
  const reply = new StopSequenceFilter({ stop });
  let shown = "";
  for (const piece of pieces) shown += reply.push(piece);
  shown += reply.end();
  return { shown, text: reply.text, stoppedAt: reply.stoppedAt };
}

Deno.test("white space at both ends is not part of a reply", () => {
  assert.equal(grow([" ", "\n", " hello", " ", "there", " \n "]).text, "hello there");
});

Deno.test("a stop sequence ends the reply, even when it arrives in pieces", () => {
  assert.deepEqual(grow(["ok", "\n", "Th", "em", ": hi"]), { shown: "ok", text: "ok", stoppedAt: 2 });
  assert.equal(grow(["ok\nThen what"]).text, "ok\nThen what");
  assert.equal(grow(["ok\nTh"]).text, "ok\nTh");
  assert.equal(grow(["EN", "D"]).text, "");
});

Deno.test("of two stop sequences the earlier one counts", () => {
  assert.equal(grow(["a\nMe: b\nThem: c"]).text, "a");
});

Deno.test("a partial stop sequence is buffered until it is decided", () => {
  const reply = new StopSequenceFilter({ stop: ["\nMe:"] });
  assert.equal(reply.push("fine\nM"), "fine");
  assert.equal(reply.push("aybe"), "\nMaybe");
});

Deno.test("a verbatim reply keeps its outer white space, and a stop sequence still ends it", () => {
  const reply = new StopSequenceFilter({ stop: ["END"], verbatim: true });
  assert.deepEqual(["  a ", "\n", "b \n", "EN", "D c"].map((piece) => reply.push(piece)), [
    "  a ",
    "\n",
    "b \n",
    "",
    "",
  ]);
  assert.equal(reply.end(), "");
  assert.equal(reply.text, "  a \nb \n");
});

Deno.test("a cleaner sees complete runs of white space", () => {
  const reply = new StopSequenceFilter({ stop: STOP, clean: (text) => text.replaceAll("\n  ", "\n") });
  const shown = ["one", "\n", " ", " two", "\n  th", "ree"].map((piece) => reply.push(piece)).join("");
  assert.equal(shown + reply.end(), "one\ntwo\nthree");
});

Deno.test("the emitted text is the same, however the reply was split", () => {
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
