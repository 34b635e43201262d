/** Tests which candidates a person gets to choose from, and in which order. */
import assert from "node:assert/strict";
import { rankCandidates, similarityOf } from "./candidates.ts";

const PROMPT = "System: You are Sam.\nThem: are we still on for dinner tomorrow?\n" +
  "Me: sure thing, looking forward to it\nThem: where do you want to go?\nMe:";
const CONTEXT = { prompt: PROMPT, labels: [] };

function reply(response: string, finish: "stop" | "length" = "stop") {
  return { response, confidence: 0.5, tokens_used: 5, finish_reason: finish };
}

function textsOf(...replies: (string | ReturnType<typeof reply>)[]): string[] {
  const candidates = replies.map((one) => typeof one === "string" ? reply(one) : one);
  return rankCandidates(candidates, CONTEXT).map(({ text }) => text);
}

Deno.test("candidates are numbered from the best, with what each of them states", () => {
  const ranked = rankCandidates(
    [reply("the thai place?"), reply("Luigi's at 7, see you there Carla")],
    CONTEXT,
  );
  assert.deepEqual(ranked.map(({ id }) => id), [1, 2]);
  const luigi = ranked.find(({ text }) => text.startsWith("Luigi"));
  assert.deepEqual(luigi?.unsupported, ["7", "Carla"]);
});

Deno.test("what others say too comes first, then what the model is surer of", () => {
  assert.deepEqual(textsOf("pizza", "the thai place tonight", "let's try the thai place").at(-1), "pizza");
  const surer = { ...reply("you choose"), confidence: 0.9 };
  assert.deepEqual(textsOf("the thai place?", surer), ["you choose", "the thai place?"]);
});

Deno.test("near-duplicates are left out, whatever their capitals and marks", () => {
  assert.equal(textsOf("the thai place?", "The Thai place!", "the thai place").length, 1);
  assert.equal(textsOf("👍", "👍", "😂").length, 2);
  assert.equal(textsOf("the thai place?", "how about pizza", "you choose").length, 3);
  assert.equal(textsOf("...", "?!").length, 2);
});

Deno.test("what repeats the conversation or itself, is cut or empty gives way to any other", () => {
  const faulty = [
    "sure thing, looking forward to it",
    "Where do you want to go?",
    "how about pizza? how about pizza?",
    "how about pizza\nhow about pizza",
    "",
  ];
  for (const text of faulty) assert.deepEqual(textsOf(text, "you choose"), ["you choose"], text);
  assert.deepEqual(textsOf(reply("how about we go and", "length"), "you choose"), ["you choose"]);
  // Cut after a sentence it reads as any other.
  assert.equal(textsOf(reply("how about pizza.", "length"), "you choose").length, 2);
  // Short answers are said again and again.
  assert.equal(textsOf("sure thing", "you choose").length, 2);
});

Deno.test("where all are faulty there is still a draft, as with a single one", () => {
  assert.deepEqual(
    new Set(textsOf("where do you want to go?", "")),
    new Set(["where do you want to go?", ""]),
  );
  assert.deepEqual(textsOf(""), [""]);
  assert.deepEqual(textsOf(reply("how about we go and", "length")), ["how about we go and"]);
});

Deno.test("a sentence or a line that a draft says again is kept once", () => {
  const again = "I would be able to get a good workout.";
  assert.deepEqual(textsOf(`${again}\n${again} ${again}`), [again]);
  assert.deepEqual(textsOf("how about pizza? yes! yes! how about pizza"), ["how about pizza? yes! yes!"]);
  assert.deepEqual(textsOf(reply(`${again} ${again} I would be able to`, "length")), [again]);
  for (const text of ["haha haha haha", "at 7.30\n\nor 8.30 or so…", "ok, see you", "?!"]) {
    assert.deepEqual(textsOf(text), [text]);
  }
});

Deno.test("a sender's name is cut before a candidate, and before a line that it repeats", () => {
  const prompt = "Them: Ann: who can drive on sunday?\nMe:";
  const context = { prompt, labels: ["Ann"] };
  const ranked = rankCandidates([reply("Ann: who can drive on sunday?"), reply("Ann: I can")], context);
  assert.deepEqual(ranked.map(({ text }) => text), ["I can"]);
});

Deno.test("similarity is 1 for equal texts, 0 for texts with nothing in common, and symmetric", () => {
  assert.equal(similarityOf("see you at eight", "See you, at eight!"), 1);
  assert.equal(similarityOf("abc", "xyz"), 0);
  const [a, b] = ["see you at eight", "see you there"];
  assert.equal(similarityOf(a, b), similarityOf(b, a));
  assert.ok(similarityOf(a, b) > 0 && similarityOf(a, b) < 1);
  assert.equal(similarityOf("", ""), 1);
});
