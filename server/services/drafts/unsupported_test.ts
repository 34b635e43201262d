/** Tests which facts of a draft are marked as said nowhere, in several languages. */
import assert from "node:assert/strict";
import { formatTranscript } from "../../../contract/prompt.ts";
import { unsupportedIn } from "./unsupported.ts";

function promptOf(...them: string[]): string {
  const turns = them.map((text) => ({ speaker: "them" as const, text }));
  return formatTranscript({ system: 'You are chatting with "Ada". Write your next message.', turns });
}

const CASES: readonly [name: string, draft: string, said: string, marked: string[]][] = [
  ["a time that nobody named", "see you at 7:30", "when do we meet?", ["7:30"]],
  ["a time that was named", "7:30 works", "dinner at 7:30?", []],
  ["the same time in another form", "8 pm is fine", "shall we say 20:00?", []],
  ["another time", "let's do 9 pm", "shall we say 20:00?", ["9 pm"]],
  ["an hour for a full time", "8:00 then", "at 8?", []],
  ["a count is no time of day", "15 people came", "at 3?", ["15"]],
  ["a price", "it was $45.50", "how much was it?", ["45.50"]],
  ["a number with separators", "1,000 is a lot", "1.000 Euro", []],
  ["a number in words for digits", "seven is good", "at 7?", []],
  ["digits for a number in words", "ok 7", "at seven?", []],
  ["a number in words", "I have three cats", "do you have pets?", ["three"]],
  ["one is no number", "that one is nice", "which?", []],
  ["a name in the middle", "ask Brandon about it", "who knows?", ["Brandon"]],
  ["a name that was said", "ask brandon or Clara", "Brandon and Clara know", []],
  ["the other's own name", "ok, thanks Ada!", "here you go", []],
  ["a name with its possessive", "at Clara's place", "Clara asked", []],
  ["a place", "I live near Lake Powell", "where?", ["Lake", "Powell"]],
  ["the beginning of sentences", "Sure. Great! Maybe later\nThanks", "ok?", []],
  ["I and shouting", "yeah I'm OK LOL, I think", "ok?", []],
  ["a day", "see you on friday", "when?", ["friday"]],
  ["a day that was said", "Friday it is", "friday?", []],
  ["a month", "in october maybe", "when?", ["october"]],
  ["a verb like a month", "i may march there", "will you?", []],
  ["a link", "see https://evil.example/a1", "where?", ["https://evil.example/a1"]],
  ["a link that was said", "https://good.example/a1 this?", "https://good.example/a1", []],
  ["an address", "write to me@home.example", "how?", ["me@home.example"]],
  ["German times and days, not nouns", "ich komme am Dienstag um 19 Uhr mit dem Zug", "wann kommst du?", [
    "Dienstag",
    "19 Uhr",
  ]],
  ["German numbers in words", "ich bin um acht da", "um 8?", []],
  ["French", "on se voit mardi à 19h30 chez Paul", "quand ?", ["mardi", "19h30", "Paul"]],
  ["French, said", "mardi chez Paul alors", "mardi chez paul ?", []],
  ["Spanish", "nos vemos el jueves en Sevilla a las ocho", "¿cuándo?", ["jueves", "Sevilla", "ocho"]],
  ["Italian", "ci vediamo sabato da Giulia", "dove?", ["sabato", "Giulia"]],
  ["Russian", "буду в среда, спроси Ольгу", "когда?", ["среда", "Ольгу"]],
  ["Arabic digits", "الساعة ٧", "متى؟", ["7"]],
  ["Arabic digits, said", "الساعة ٧", "at 7?", []],
  ["Japanese numbers", "7時に行くね", "何時？", ["7"]],
  ["nothing", "", "hello", []],
];

for (const [name, draft, said, marked] of CASES) {
  Deno.test(`of a draft is marked: ${name}`, () => {
    assert.deepEqual(unsupportedIn(draft, promptOf(said)), marked);
  });
}

Deno.test("a fact is marked once, and few of many", () => {
  assert.deepEqual(unsupportedIn("7 or 7", promptOf("when?")), ["7"]);
  const many = Array.from({ length: 100 }, (_, index) => index + 1_000).join(" ");
  assert.equal(unsupportedIn(many, promptOf("how many?")).length, 20);
});
