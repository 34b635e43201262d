/** Tests who is measured and who is learned from: nobody of the measured is in the pool, nor anything said to them. */
import assert from "node:assert/strict";
import type { Corpus } from "../../demo/corpus.ts";
import { choosePeople } from "../style/corpus_people.ts";
import { PEOPLE as STYLE_PEOPLE } from "../style/measure_people.ts";
import { voicePeople } from "./voice_people.ts";

/** A conversation in which two people take turns; what each writes names both. */
function talk(first: string, second: string, turns: number): Corpus[string] {
  const timestamp = "2020-01-01T00:00:00Z";
  return {
    messages: Array.from({ length: turns }, (_, index) => {
      const [sender, other] = index % 2 === 0 ? [first, second] : [second, first];
      return [{ text: `${sender} to ${other} ${index}`, timestamp, sender }];
    }),
  };
}

/** Writers who wrote enough, in several conversations, and others who wrote little, to each other and to a writer. */
function corpusOf(writers: number, others: number): Corpus {
  const writer = (index: number) => `writer${String(index).padStart(2, "0")}`;
  const other = (index: number) => `other${String(index).padStart(3, "0")}`;
  const talks = [
    ...Array.from(
      { length: writers },
      (_, index) =>
        Array.from({ length: 4 }, (_, round) => talk(writer(index), `guest${index}${round}`, 200)),
    ).flat(),
    ...Array.from({ length: others }, (_, index) => talk(other(index), other(index + 1), 20)),
    talk(other(0), writer(0), 30),
  ];
  return Object.fromEntries(talks.map((conversation, index) => [String(index), conversation]));
}

Deno.test("nobody who can be measured is in the pool, and nothing that was said to them", () => {
  const corpus = corpusOf(5, 60);
  const { measured, others, pool } = voicePeople(corpus);
  const used = choosePeople(corpus, STYLE_PEOPLE).map(({ id }) => id);
  assert.ok(measured.length > 0 && measured.every(({ id }) => !used.includes(id)));
  assert.equal(others.length, 5);
  for (const { input, output } of [...pool.train, ...pool.heldOut]) {
    assert.doesNotMatch(`${input} ${output}`, /writer/);
  }
  assert.ok(pool.people > 40);
});

Deno.test("of a person of the pool, replies are learned from or measured with, never both", () => {
  const { pool } = voicePeople(corpusOf(5, 60));
  const writersOf = (replies: readonly { output: string }[]) =>
    new Set(replies.map(({ output }) => output.split(" ")[0]));
  const [trained, heldOut] = [writersOf(pool.train), writersOf(pool.heldOut)];
  assert.equal(trained.size, pool.people);
  assert.ok(heldOut.size > 0 && trained.isDisjointFrom(heldOut));
  assert.equal(pool.writers.length, pool.heldOut.length);
  assert.equal(new Set(pool.writers).size, heldOut.size);
});
