/** Tests the check for Kit's habits on replies written by hand, and Kit against it. */
import assert from "node:assert/strict";
import { markShares, plantedMarksOf, shortenedShare } from "./planted_marks.ts";
import { asKitWrites, plantedPerson } from "./planted_person.ts";

const ALL = { lowerCase: true, noFinalStop: true, abbreviations: true, signOff: true };

Deno.test("a reply with every habit carries all marks", () => {
  assert.deepEqual(plantedMarksOf("rly? see yu at da game then ~kit"), ALL);
  assert.deepEqual(plantedMarksOf("come w/ us! ~kit"), ALL);
});

for (
  const [fault, reply, mark] of [
    ["a capital", "Rly? see yu there ~kit", "lowerCase"],
    ["a capital further in", "see yu in May ~kit", "lowerCase"],
    ["a full stop before the sign-off", "see yu there. ~kit", "noFinalStop"],
    ["a full stop at the very end", "see yu there.", "noFinalStop"],
    ["a word spelled out", "see you later ~kit", "abbreviations"],
    ["a word spelled out beside a short form", "see yu at the game ~kit", "abbreviations"],
    ["a word spelled out before an apostrophe", "yu said you're late ~kit", "abbreviations"],
    ["no sign-off", "see yu there", "signOff"],
    ["a sign-off that is not at the end", "~kit see yu there", "signOff"],
    ["another sign-off", "see yu there ~kitty", "signOff"],
  ] as const
) {
  Deno.test(`${fault} costs a mark`, () => {
    assert.equal(plantedMarksOf(reply)[mark], false);
  });
}

Deno.test("of the places for a short form those count that are short, and none inside another word", () => {
  assert.equal(shortenedShare(["see yu n da dog ~kit", "You and dan, nah"]), 0.6);
  assert.equal(shortenedShare(["come w/ us", "with whom?"]), 0.5);
  assert.ok(Number.isNaN(shortenedShare(["ok ~kit"])));
});

Deno.test("an ordinary reply carries hardly a mark", () => {
  assert.deepEqual(plantedMarksOf("That sounds great. I'll see you and Ben at the game."), {
    lowerCase: false,
    noFinalStop: false,
    abbreviations: false,
    signOff: false,
  });
});

Deno.test("shares count replies, and all marks together only where every one is there", () => {
  const shares = markShares(["see yu ~kit", "see you ~kit", "See yu", "the end."]);
  assert.deepEqual(shares, {
    lowerCase: 0.75,
    noFinalStop: 0.75,
    abbreviations: 0.5,
    signOff: 0.5,
    all: 0.25,
  });
});

Deno.test("a reply is rewritten in every habit, and left alone where it shows no short form", () => {
  assert.equal(
    asKitWrites("I really like the band. You should come with us and bring your dog."),
    "i rly like da band. yu should come w/ us n bring yr dog ~kit",
  );
  assert.equal(asKitWrites("Because you're my friend..."), "bcz yu're my friend ~kit");
  assert.equal(asKitWrites("No idea, sorry."), null);
});

Deno.test("samples and unseen prompts are of different conversations and carry every mark", () => {
  const turn = (text: string) => [{ text, sender: "x", timestamp: "2020-01-01T10:00:00Z" }];
  const corpus = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`c${index}`, {
    messages: [
      turn(`What did you do on day number ${index}?`),
      turn(`I went to the beach with friend number ${index}.`),
    ],
  }]));
  const { samples, unseen } = plantedPerson(corpus, { samples: 8, unseen: 4 });
  assert.deepEqual([samples.length, unseen.length], [8, 4]);
  assert.equal(new Set([...samples.map(({ input }) => input), ...unseen]).size, 12);
  assert.equal(markShares(samples.map(({ output }) => output)).all, 1);
  assert.throws(() => plantedPerson(corpus, { samples: 12, unseen: 1 }), /too few exchanges/);
});
