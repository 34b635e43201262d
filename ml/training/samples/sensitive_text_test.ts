/** Tests which messages are kept out of training, and that everyday ones are not. */
import assert from "node:assert/strict";
import { type SensitiveKind, sensitiveKindOf } from "./sensitive_text.ts";

const SENSITIVE: Record<SensitiveKind, string[]> = {
  one_time_code: [
    "482913",
    "your code is 4821",
    "G-482913 is your verification code",
    "it's 493 201",
    "the pin is 7741",
    "garage code 0417",
    "use 88213 as otp",
    "４８２９１３",
    "٤٨٢٩١٣",
    "here: 559021 quick",
  ],
  credential: [
    "the wifi password is kestrelbridge",
    "password: hunter2",
    "pwd = tulip",
    "our recovery phrase is velvet otter lantern",
    "login is sam.b",
    "try sk-proj4f9a8b7c6d5e4f3a2b1c",
    "ref 7f3a9c2e1b44",
    "mot de passe: soleil",
    "Passwort ist sommerregen",
  ],
  long_number: [
    "call me on 555-014-2233",
    "+44 20 7946 0018",
    "(415) 555 0134 is my new one",
    "4111 1111 1111 1111 exp 09/29",
    "iban de89 3704 0044 0532 0130 00",
    "account 12345678",
    "four one five five five oh one two",
    "06.12.34.56.78",
  ],
  email_address: ["sam@example.com", "write to sam.b+x@mail.example.co.uk pls", "sam (at) example.org"],
  postal_address: [
    "I'm at 221b Baker Street",
    "12 elm st, come round the back",
    "1600 Pennsylvania Avenue",
    "Lindenstraße 14, 3rd floor",
    "10 rue de Rivoli",
    "Calle de Alcala 42",
    "the post code is SW1A 1AA",
    "Springfield, IL 62704",
    "po box 99",
    "apt 4b",
    "84 5th Avenue",
  ],
};

for (const [kind, messages] of Object.entries(SENSITIVE)) {
  Deno.test(`a message with a ${kind} is not learned`, () => {
    for (const message of messages) assert.equal(sensitiveKindOf(message), kind, message);
  });
}

Deno.test("a short number that answers a question for a code is a code", () => {
  assert.equal(sensitiveKindOf("it's 417", { question: "what's the gate code again?" }), "one_time_code");
  assert.equal(sensitiveKindOf("it's 417", { question: "which page are you on?" }), undefined);
});

Deno.test("everyday messages with numbers, places and times are learned", () => {
  const everyday = [
    "ok",
    "be there in 10 on my way",
    "10 minutes drive",
    "see you at 7:30",
    "back by 19.45 or 20:15",
    "born in 1984, class of 2002",
    "it was 1200 dollars",
    "won 3-2 lol",
    "party on 2026-11-25 at 8",
    "12/24/2025 works",
    "24.12.2025?",
    "I ran 5 miles down the road",
    "2 people on the street",
    "there is 1 way to find out",
    "room for 2 or 3 at my place",
    "got 99 problems",
    "100% sure!!! 1000x",
    "haha 8 hours in court, never again",
    "no way",
    "that's the way i like it",
    "i lost my password again",
    "what's the code of conduct",
    "meet @sam later?",
    "covid19 was rough",
    "playing on my ps5, level 42",
    "b4 u go gr8 m8",
    "one two three go",
    "we took the 3 to main street",
    "his 2nd drive was the best",
  ];
  for (const message of everyday) assert.equal(sensitiveKindOf(message), undefined, message);
});

Deno.test("very long messages are checked without backtracking", () => {
  // A pattern that tries every pair of places would not come back from these.
  const repeats = 200_000;
  const hostile = ["a-".repeat(repeats), "a".repeat(repeats), "1 ".repeat(repeats), "12 a ".repeat(repeats)];
  const kinds = hostile.map((message) => sensitiveKindOf(message));
  assert.deepEqual(kinds, [undefined, undefined, "long_number", undefined]);
});

Deno.test("any answer to a question for a password counts as one", () => {
  assert.equal(
    sensitiveKindOf("velvet otter lantern", { question: "whats the wifi password?" }),
    "credential",
  );
  assert.equal(sensitiveKindOf("soleil", { question: "c'est quoi le mot de passe" }), "credential");
  assert.equal(sensitiveKindOf("velvet otter lantern", { question: "what's on the poster?" }), undefined);
});
