/** Tests which people of a corpus are chosen, and how their replies are divided. */
import assert from "node:assert/strict";
import type { Corpus } from "../../demo/corpus.ts";
import { choosePeople } from "./corpus_people.ts";

/** A conversation in which a person answers three questions. */
function talk(person: string, day: number, answer: (index: number) => string[]): Corpus[string] {
  const at = (minute: number) => `2020-01-${String(day).padStart(2, "0")}T10:0${minute}:00Z`;
  const turn = (sender: string, minute: number, texts: string[]) =>
    texts.map((text) => ({ text, sender, timestamp: at(minute) }));
  return {
    messages: [0, 1, 2].flatMap((index) => [
      turn(`partner ${day} of ${person}`, 2 * index, [`question ${day} ${index}?`]),
      turn(person, 2 * index + 1, answer(index)),
    ]),
  };
}

function corpusOf(answers: Record<string, (index: number) => string[]>): Corpus {
  const corpus: Corpus = {};
  for (const [person, answer] of Object.entries(answers)) {
    // The later conversation stands first in the file.
    for (const day of [3, 2, 1]) corpus[`${person}${day}`] = talk(person, day, answer);
  }
  return corpus;
}

const OPTIONS = { people: 3, train: 4, heldOut: 3 };

Deno.test("people range from the most formal to the least, and those with too few replies are excluded", () => {
  const corpus = corpusOf({
    casual: (index) => [`nah ${index}`],
    formal: (index) => [`No, ${index}.`],
    middle: (index) => [`No ${index}`],
  });
  corpus.few = talk("few", 1, (index) => [`So ${index}`]);
  assert.deepEqual(choosePeople(corpus, OPTIONS).map(({ id }) => id), ["formal", "middle", "casual"]);
});

Deno.test("the earliest replies train, and no held-out reply is of a conversation that trained", () => {
  const [person] = choosePeople(corpusOf({ one: (index) => [`first ${index}`, "second"] }), OPTIONS);
  assert.deepEqual(person?.train.map(({ output }) => output), [
    "first 0\nsecond",
    "first 1\nsecond",
    "first 2\nsecond",
    "first 0\nsecond",
  ]);
  assert.ok(person?.train.at(-1)?.input.includes("question 2 0?"));
  assert.ok(person?.heldOut.every(({ input }) => input.includes("question 3")));
});

Deno.test("a prompt is the server's own and shows no more than four turns", () => {
  const [person] = choosePeople(corpusOf({ one: (index) => [`answer ${index}`] }), OPTIONS);
  const last = person?.train[2]?.input ?? "";
  assert.deepEqual(last.split("\n").slice(1), [
    "Me: answer 0",
    "Them: question 1 1?",
    "Me: answer 1",
    "Them: question 1 2?",
    "Me:",
  ]);
  assert.match(last, /^System: You are chatting with someone you know\./);
});
