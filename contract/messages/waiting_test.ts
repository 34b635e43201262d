// Tests of what waits for an answer: codes, companies and reactions in many languages, and what counts as an answer.
import assert from "node:assert/strict";
import {
  isAutomatedMessage,
  isAutomatedSender,
  isOneTimeCode,
  isReactionText,
} from "./message_classifier.ts";
import { type JudgedMessage, messagesToAnswer, roleOf } from "./waiting.ts";

const CODES = [
  "Your verification code is 482913",
  "482913 is your Uber code. Never share this code with anyone.",
  "Your Uber code is 1234",
  "G-482913 is your Google verification code.",
  "Use code 482-913 to verify your account",
  "Your OTP is 482913. Valid for 10 minutes.",
  "Your Signal verification code: 482-913",
  "Security code: AB12CD",
  "WhatsApp code 482-913. Don't share this code with others",
  "Your login code is 482 913",
  "Ihr Bestätigungscode lautet 482913",
  "482913 ist dein Facebook-Code",
  "Ihre mTAN 482913 für die Überweisung",
  "Votre code de vérification est 482913",
  "482913 est votre code",
  "Tu código de verificación es 482913",
  "Su código es 482913",
  "Il tuo codice di verifica è 482913",
  "Seu código de verificação é 482913",
  "Je verificatiecode is 482913",
  "Din verifieringskod är 482913",
  "Din engangskode er 482913",
  "Vahvistuskoodi: 482913",
  "Twój kod weryfikacyjny to 482913",
  "Váš ověřovací kód je 482913",
  "Ваш код подтверждения: 482913",
  "Код для входа 482913. Никому не сообщайте его",
  "Ваш код підтвердження 482913",
  "Doğrulama kodunuz: 482913",
  "Ο κωδικός επαλήθευσης είναι 482913",
  "【淘宝】您的验证码是482913,请勿泄露",
  "驗證碼 482913",
  "認証コード: 482913",
  "[네이버] 인증번호 [482913]",
  "Mã xác nhận của bạn là 482913",
  "Kode verifikasi Anda 482913",
  "รหัสยืนยันของคุณคือ 482913",
  "आपका सत्यापन कोड 482913 है",
  "رمز التحقق الخاص بك هو 482913",
  "קוד האימות שלך הוא 482913",
  "Enter this in the app.\n\n@example.com #482913",
  "Seu código WhatsApp: 482-913",
  "Je code voor DigiD is 482913",
  "Hasło SMS: 482913",
  "Şifreniz: 482913",
  "Il codice è 482913, non condividerlo",
  "Votre code secret: 482913",
  "Code: 482913. Valid for 10 min",
  "Code 4829, gültig für 10 Minuten",
  "Koden din er 482913",
  "Your login code is 482913. Wasn't you? Change your password",
  "Código de verificación: 482913 ¿No fuiste tú?",
];

const NO_CODES = [
  "The door code is 4821",
  "Your gate code is 482913, call me when you are here",
  "Can you send me the code that you got?",
  "Dinner at 1930?",
  "I am at 1234 Main Street",
  "Call me on 5550100001",
  "Der Code für die Tür ist 4821",
  "El código de la puerta es 4821",
  "What is your code review saying?",
  "Did you get the verification code?",
  "Meet 2026-11-28 at 18:30",
  "The access is through the back, number 1200",
  "Mon code postal est 75011",
  "I owe you 12,500",
  "玄関の暗証番号は1234です",
  "Did your OTP 4829 arrive?",
  "Is 482913 the login code that you got?",
  "The tickets are valid for 90 minutes, seat 1204",
];

Deno.test("a one-time code is known by its words in every language, from whatever number it comes", () => {
  for (const text of CODES) {
    assert.ok(isOneTimeCode(text), text);
    assert.ok(isAutomatedMessage({ senderId: "+15550100001", text }), text);
  }
});

Deno.test("what a friend writes with a number in it is no one-time code", () => {
  for (const text of NO_CODES) {
    assert.ok(!isAutomatedMessage({ senderId: "+15550100001", text }), text);
  }
});

Deno.test("companies are known by short codes, names in place of numbers, business chats and addresses without replies", () => {
  const automated = [
    "262966",
    "55555",
    "789",
    "AMAZON",
    "DHL-Info",
    "VM-HDFCBK",
    "Три",
    "urn:biz:1b2c",
    "info(smsfp)",
    "72-000",
    "22 000",
    "10690123456789",
    "+8610690123456789",
  ];
  for (
    const sender of [
      ...automated,
      "noreply@example.com",
      "no-reply@example.com",
      "do-not-reply@x.example",
      "Notifications@x.example",
    ]
  ) {
    assert.ok(isAutomatedSender(sender), sender);
  }
  const people = [
    "+15550100001",
    "5550100001",
    "+4917112345",
    "ada@example.com",
    "nora@example.com",
    "doris@example.com",
    "+15550100(smsfp)",
    "555-0100",
    "10 66 55 44",
    null,
  ];
  for (const sender of people) assert.ok(!isAutomatedSender(sender), String(sender));
});

Deno.test("texts that companies must mark, or that nobody reads an answer to, are automated from any number", () => {
  for (
    const text of [
      "20% off today! Reply STOP to unsubscribe",
      "Your appointment is tomorrow. Txt STOP 2 end",
      "This is an automated message. Please do not reply.",
      "Soldes! STOP au 36173",
      "Abmelden mit STOP an 12345",
      "Promoción. Envía BAJA para no recibir más",
      "优惠活动,退订回T",
    ]
  ) assert.ok(isAutomatedMessage({ senderId: "+15550100001", text }), text);
  for (const text of ["Please stop", "Stop it!", "When does the bus stop?", "Can you reply to this?"]) {
    assert.ok(!isAutomatedMessage({ senderId: "+15550100001", text }), text);
  }
});

const REACTIONS = [
  "Ha aggiunto un cuore a “ciao”",
  "Vond ‘hoi’ leuk",
  'Vond "hoi" leuk',
  "Vindt ‘hoi’ niet leuk",
  "Zaśmiał się z „cześć”",
  "“안녕”을(를) 좋아함",
  "'안녕'을(를) 좋아합니다",
  "“了解”を「いいね」しました",
  "「好的」表示喜歡",
  "对“好的”表示强调",
  "Liked “See you at 7 then”",
  'Loved "See you"',
  "Disliked “meh”",
  "Laughed at an image",
  "Loved a video",
  "Emphasized “Don’t\nforget”",
  "Emphasised “x”",
  "Questioned “Dinner at 8?”",
  "Removed a heart from “See you”",
  "Removed a like from an image",
  "Reacted 🎉 to “We won”",
  "Reacted with a sticker to “We won”",
  "👍 to “See you at 7”",
  "❤️ to “ See you ”",
  "\u200a\u200b👍🏽\u200b to “\u200a See you \u200a”",
  "👨‍👩‍👧 to “family”",
  "Gefällt „Bis um 7“",
  "Liebt „Bis um 7“",
  "Lachte über „Bis um 7“",
  "„Bis um 7“ mit „Gefällt mir“ markiert",
  "😂 auf „Bis um 7“",
  "A adoré « à demain »",
  "N’a pas aimé « bof »",
  "A ri de « trop drôle… »",
  "A mis en évidence « RDV 18h »",
  "A réagi avec 🔥 à « x »",
  "Le encantó “hola”",
  "Le gustó “hola”",
  "Le dio risa “hola”",
  "Exclamó por “hola”",
  "Reaccionó con 🔥 a “hola”",
  "Le encantó una imagen",
  "Ha riso di “ciao”",
  "Ha messo “Mi piace” a “ciao”",
  "Gostou de “oi”",
  "Riu de “oi”",
  "Lachte om ‘hoi’",
  "Gillade ”hej”",
  "Likte «hei»",
  "Nie lubi „cześć”",
  "Понравилось «привет»",
  "「了解」に「いいね」しました",
  "赞了“好的”",
  "喜欢“好的”",
];

Deno.test("reactions that were sent as texts are known in the languages in which Messages and Android write them", () => {
  for (const text of REACTIONS) assert.ok(isReactionText(text), text);
});

Deno.test("what a person writes is no reaction, even with a quotation or the same first word", () => {
  for (
    const text of [
      "Liked it a lot",
      "Loved the photos!",
      "He said “see you”",
      "Loved “Dune” so much that I saw it twice",
      "😂😂",
      "👍",
      "👍 to everyone",
      "Bonjour « toi »",
      "A aimé ça",
      "J’ai adoré « le film »",
      "Me gusta",
      "“See you”",
      "",
    ]
  ) assert.ok(!isReactionText(text), text);
});

Deno.test("a text that quotes another message of its conversation is a reaction in any language", () => {
  const others = [null, "See you at 7 then", "Where shall we meet tomorrow evening?"];
  assert.ok(isReactionText("Xyzzy “See you at 7 then”", others));
  assert.ok(isReactionText("“Where shall we meet…” xyzzy", others));
  assert.ok(!isReactionText("Xyzzy “See you at 8 then”", others));
  assert.ok(!isReactionText("“See you at 7 then”", others), "a bare quotation says something");
});

const FRIEND = "+15550100001";

function message(changes: Partial<JudgedMessage>): JudgedMessage {
  return {
    direction: "incoming",
    messageType: "text",
    senderId: FRIEND,
    text: "Dinner?",
    retractedAt: null,
    ...changes,
  };
}
const own = (changes: Partial<JudgedMessage> = {}) =>
  message({ direction: "outgoing", senderId: "+15550100000", text: "Yes", ...changes });
const TAPBACK = [{ kind: "like" as const, senderId: null }];
const THEIR_TAPBACK = [{ kind: "like" as const, senderId: FRIEND }];

const CASES: [what: string, newestFirst: JudgedMessage[], waiting: string[]][] = [
  ["a friend's message", [message({})], ["Dinner?"]],
  ["an own message answers", [own(), message({})], []],
  ["an own picture answers", [own({ text: null, messageType: "image" }), message({})], []],
  ["an own message that failed does not answer", [own({ failed: true }), message({})], ["Dinner?"]],
  ["an own message that was unsent does not answer", [
    own({ retractedAt: "2026-01-01T00:00:00Z" }),
    message({}),
  ], ["Dinner?"]],
  ["an own note of an app does not answer", [
    own({ messageType: "system", text: "closed all three rings" }),
    message({}),
  ], ["Dinner?"]],
  [
    "a note of an app waits for nothing",
    [message({ messageType: "system", text: "closed all three rings" })],
    [],
  ],
  ["a note of an app hides nothing", [message({ messageType: "system", text: "x" }), message({})], [
    "Dinner?",
  ]],
  ["an own tapback answers", [message({ reactions: TAPBACK })], []],
  ["an own tapback on a picture answers what is above", [
    message({ text: null, messageType: "image", reactions: TAPBACK }),
    message({}),
  ], []],
  ["a tapback of somebody else is no answer", [message({ reactions: THEIR_TAPBACK })], ["Dinner?"]],
  ["what came after an own tapback waits", [message({ text: "At 7?" }), message({ reactions: TAPBACK })], [
    "At 7?",
  ]],
  ["an own reaction sent as a text answers", [own({ text: "Liked “Dinner?”" }), message({})], []],
  ["a reaction of a friend waits for nothing", [message({ text: "Liked “Yes”" }), own(), message({})], []],
  ["a reaction in an unknown language to an own message", [
    message({ text: "Xyzzy “Yes please”" }),
    own({ text: "Yes please" }),
  ], []],
  ["a code waits for nothing", [message({ senderId: "262966", text: "Your code is 482913" })], []],
  ["a code from an ordinary number waits for nothing", [
    message({ text: "Your verification code is 482913" }),
  ], []],
  ["a company waits for nothing", [message({ senderId: "AMAZON", text: "Your parcel is here" })], []],
  ["a message that was unsent waits for nothing", [message({ retractedAt: "2026-01-01T00:00:00Z" })], []],
  ["pictures wait for nothing, and hide no words", [
    message({ text: "\ufffc", messageType: "image" }),
    message({}),
  ], ["Dinner?"]],
  ["several in a row wait in their order", [
    message({ text: "At 7?" }),
    message({}),
    own(),
    message({ text: "old" }),
  ], ["Dinner?", "At 7?"]],
  ["nothing", [], []],
];

for (const [what, newestFirst, waiting] of CASES) {
  Deno.test(`waiting for an answer: ${what}`, () => {
    assert.deepEqual(messagesToAnswer(newestFirst).map(({ text }) => text), waiting);
  });
}

Deno.test("each message has one role, whoever sent it", () => {
  assert.equal(roleOf(own({ text: "Your verification code is 482913" })), "words", "the owner is no machine");
  assert.equal(roleOf(own({ failed: true })), "failed");
  assert.equal(roleOf(own({ text: "Loved “Dinner?”" })), "reaction");
  assert.equal(roleOf(message({ text: " " })), "wordless");
});
