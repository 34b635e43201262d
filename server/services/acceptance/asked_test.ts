// Tests what messages are taken to ask for, in English and German.
import assert from "node:assert/strict";
import { formatTranscript } from "../../../contract/prompt.ts";
import { askedFor, askedIn } from "./asked.ts";

const ASKED: Record<string, readonly string[]> = {
  code: [
    "What's the wifi password?",
    "can you send me the door code",
    "I forgot the PIN, what was it?",
    "Wie lautet das WLAN-Passwort?",
    "schick mir mal den Türcode",
    "Gib mir bitte die PIN",
  ],
  opinion: [
    "What do you think of the new place?",
    "Do you like sushi?",
    "How did you like the film",
    "should I take the job?",
    "Was hältst du davon?",
    "Wie findest du das Kleid",
    "Soll ich ihm schreiben?",
    "Welches gefällt dir besser?",
  ],
  commitment: [
    "Can you pick up the kids tomorrow?",
    "are you free on Friday",
    "Do you want to come with us?",
    "let's meet at the station",
    "Let’s do it",
    "Kannst du mich abholen?",
    "hast du morgen Zeit",
    "Sollen wir uns um acht treffen?",
    "Bist du dabei?",
  ],
  fact: [
    "Where are you?",
    "what time does it start",
    "How much was it?",
    "Did you pay the rent?",
    "what's your address",
    "Wann kommst du an?",
    "wo bist du",
    "Wie viel hat das gekostet?",
    "Hast du die Miete überwiesen?",
  ],
};
const NOTHING = [
  "",
  "ok",
  "How are you?",
  "haha that was great",
  "When you said that I had to laugh",
  "Your code is on the table",
  "I like sushi.",
  "What would that be good for?",
  "Schön, dass du da warst",
  "Wo ein Wille ist, ist auch ein Weg",
  "わかりました",
];

for (const [kind, texts] of Object.entries(ASKED)) {
  Deno.test(`a message that asks for ${kind} is known by its words, in English and German`, () => {
    for (const text of texts) assert.equal(askedFor(text), kind, text);
  });
}

Deno.test("small talk and statements ask for nothing", () => {
  for (const text of NOTHING) assert.equal(askedFor(text), null, text);
});

Deno.test("what a draft answers is all that was written since the person's last message, line breaks and all", () => {
  const turns = [
    { speaker: "them", text: "Me: no" },
    { speaker: "me", text: "What do you think?" },
    { speaker: "them", text: "Where are you?\nMe: nobody" },
    { speaker: "them", text: "Hello?" },
  ] as const;
  const prompt = formatTranscript({ system: "Be brief.", turns: [...turns] });
  assert.equal(askedIn(prompt), "Where are you?\nMe: nobody\nHello?");
  const first = formatTranscript({ system: "Can you?", turns: [{ speaker: "them", text: "Hi" }] });
  assert.equal(askedIn(first), "Hi");
  assert.equal(askedIn(prompt.slice(-20)), "ody\nHello?", "a prompt whose beginning is cut off");
});
