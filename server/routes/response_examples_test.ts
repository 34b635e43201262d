/** Tests the examples of drafts: the person's own replies, nobody else's words, and gone with their messages. */
import assert from "node:assert/strict";
import { deletionSchema, messageListSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { parseTranscript } from "../../contract/prompt.ts";
import { generatedResponseSchema } from "../../contract/responses.ts";
import type { SyncMessagesInput } from "../../contract/sync.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { sendBatch, syncBatch, syncMessage } from "../../tests/support/server/sync_batches.ts";
import { draftFor, promote, startWithSamples, trainAdapter } from "../../tests/support/server/trainee.ts";

const ADA = "+15550100";
const BOB = "+15550101";
const EVE = "+15550102";

type Said = readonly [minute: number, who: string, text: string, change?: Record<string, unknown>];

interface Talk extends AsyncDisposable {
  server: ServerAppUnderTest;
  token: string;
  /** Syncs messages of a conversation with a person; returns its id. */
  say(person: string, said: readonly Said[], change?: Partial<SyncMessagesInput>): Promise<string>;
  /** The prompt from which a reply to the newest message of a conversation is drafted. */
  prompt(conversationId: string, context?: Record<string, unknown>): Promise<string>;
}

async function startTalk(settings: Record<string, string> = {}): Promise<Talk> {
  const server = await startServerApp({ settings });
  const { token } = await server.pair();
  return {
    server,
    token,
    say: async (person, said, change) => {
      const messages = said.map(([minute, who, text, more]) =>
        syncMessage({
          senderId: who === "me" ? null : who,
          direction: who === "me" ? "outgoing" : "incoming",
          text,
          sentAt: new Date(Date.UTC(2024, 0, 1, 12, minute)).toISOString(),
          ...more,
        })
      );
      const place = {
        conversationImessageId: person,
        conversationDisplayName: null,
        participantIds: [person],
      };
      return (await sendBatch({ server, token }, syncBatch(messages, { ...place, ...change })))
        .conversationId;
    },
    prompt: async (conversationId, context = { maxHistory: 0 }) => {
      const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
      const { messages: [latest] } = await server.expect(path, { token, schema: messageListSchema });
      const body = { messageId: latest?.id, context };
      const schema = generatedResponseSchema;
      const { exampleCount } = await server.expect(SERVER_PATHS.generateResponse, { token, body, schema });
      const prompt = server.ml.generated.at(-1)?.prompt ?? "";
      // Without a history, each turn of the owner is an example.
      const own = turnsOf(prompt).filter((turn) => turn.startsWith("me: "));
      if (context.maxHistory === 0) assert.equal(exampleCount, own.length);
      return prompt;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function turnsOf(prompt: string): string[] {
  return parseTranscript(prompt)?.turns.map(({ speaker, text }) => `${speaker}: ${text}`) ?? [];
}

const DINNER: Said[] = [
  [1, ADA, "what shall we have for dinner"],
  [2, "me", "tacos obviously lol"],
  [20, ADA, "did you see the match"],
  [21, "me", "nah fell asleep"],
  [120, ADA, "dinner on friday then?"],
];

Deno.test("the most similar exchange with the same person comes last, just before the conversation", async () => {
  await using talk = await startTalk();
  assert.deepEqual(turnsOf(await talk.prompt(await talk.say(ADA, DINNER))), [
    "them: did you see the match",
    "me: nah fell asleep",
    "them: what shall we have for dinner",
    "me: tacos obviously lol",
    "them: dinner on friday then?",
  ]);
});

Deno.test("what is never to be learned from is an example for its own person alone", async () => {
  await using talk = await startTalk();
  const { server, token } = talk;
  const saidTo = (who: string): Said[] => [[1, who, "dinner"], [2, "me", "tacos lol"], [120, who, "dinner?"]];
  const bob = await talk.say(BOB, saidTo(BOB));
  await talk.say(EVE, saidTo(EVE));
  const ada = await talk.say(ADA, [[90, ADA, "dinner?"]]);
  assert.deepEqual(turnsOf(await talk.prompt(ada)), ["them: …", "me: tacos lol", "them: dinner?"]);
  for (const id of [bob, await talk.say(EVE, [])]) {
    const path = pathOf(SERVER_PATHS.conversation, { id });
    await server.request(path, { method: "PATCH", token, body: { neverTrain: true } });
  }
  assert.deepEqual(turnsOf(await talk.prompt(ada)), ["them: dinner?"]);
  assert.deepEqual(turnsOf(await talk.prompt(bob)), ["them: dinner", "me: tacos lol", "them: dinner?"]);
});

Deno.test("examples stay the same while a talk goes on, and are chosen again after a pause", async () => {
  await using talk = await startTalk();
  const ada = await talk.say(ADA, DINNER);
  const first = turnsOf(await talk.prompt(ada));
  await talk.say(ADA, [[121, "me", "sure"], [122, ADA, "and the match?"]]);
  const second = turnsOf(await talk.prompt(ada));
  assert.deepEqual(second, [...first.slice(0, -1), "them: and the match?"]);
  await talk.say(ADA, [[240, ADA, "the match again?"]]);
  assert.deepEqual(turnsOf(await talk.prompt(ada)).slice(-3), [
    "them: did you see the match",
    "me: nah fell asleep",
    "them: the match again?",
  ]);
});

Deno.test("examples stay the same in a talk that is longer than the prompt's history", async () => {
  await using talk = await startTalk();
  await talk.say(ADA, [[-200, ADA, "and what for dinner?"], [-199, "me", "soup again"]]);
  const ada = await talk.say(ADA, DINNER);
  const [examples, history] = [["them: and what for dinner?", "me: soup again"], { maxHistory: 4 }];
  // The first prompt of the talk shows the end of the talk before.
  assert.deepEqual(turnsOf(await talk.prompt(ada, history)).slice(0, 2), examples);
  for (let minute = 121; minute < 140; minute += 4) {
    await talk.say(
      ADA,
      [0, 2].flatMap((later): Said[] => [
        [minute + later, "me", `dinner ${minute + later}`],
        [minute + later + 1, ADA, `dinner ${minute + later + 1}`],
      ]),
    );
    const turns = turnsOf(await talk.prompt(ada, history));
    assert.deepEqual(turns.slice(0, 2), examples, `minute ${minute + 3}`);
    assert.equal(turns.length, 2 + history.maxHistory + 1, `minute ${minute + 3}`);
  }
});

Deno.test("what the prompt shows already is no example", async () => {
  await using talk = await startTalk();
  const conversation = await talk.say(ADA, DINNER);
  assert.equal(turnsOf(await talk.prompt(conversation, {})).length, DINNER.length);
  assert.equal(turnsOf(await talk.prompt(conversation, { maxHistory: 2 })).length, DINNER.length);
});

Deno.test("of another contact only the own reply is shown, and only words written to several", async () => {
  await using talk = await startTalk();
  await talk.say(BOB, [
    [1, BOB, "lunch at the harbour?"],
    [2, "me", "sounds good mate"],
    [10, BOB, "bring the documents"],
    [11, "me", "sure, the documents from Clara"],
  ]);
  await talk.say(EVE, [[3, EVE, "cinema?"], [4, "me", "good good, sounds fun mate"]]);
  const ada = await talk.say(ADA, [[60, ADA, "lunch tomorrow?"]]);
  assert.deepEqual(turnsOf(await talk.prompt(ada)), [
    "them: …",
    "me: sounds good mate",
    "them: lunch tomorrow?",
  ]);
});

Deno.test("replies in groups are examples in groups alone", async () => {
  await using talk = await startTalk();
  const group = { isGroup: true, conversationImessageId: "group", participantIds: [BOB, EVE] };
  const said: Said[] = [[1, BOB, "who is in?"], [2, "me", "me me me"], [90, EVE, "who is in tonight?"]];
  const club = await talk.say("group", said, group);
  const ada = await talk.say(ADA, [[60, ADA, "who is in?"]]);
  assert.deepEqual(turnsOf(await talk.prompt(ada)), ["them: who is in?"]);
  assert.ok(turnsOf(await talk.prompt(club)).includes("me: me me me"));
});

Deno.test("what was unsent, edited, failed, a reaction, a code or a wordless message is no example", async () => {
  await using talk = await startTalk();
  const at = (minute: number) => new Date(Date.UTC(2024, 0, 1, 13, minute)).toISOString();
  const ada = await talk.say(ADA, [
    [1, ADA, "dinner one"],
    [2, "me", "reply unsent", { retractedAt: at(1) }],
    [3, ADA, "dinner two"],
    [4, "me", "reply edited", { editedAt: at(2) }],
    [5, ADA, "dinner three"],
    [6, "me", "reply failed", { failed: true }],
    [7, ADA, "dinner four"],
    [8, "me", "Loved “dinner four”"],
    [9, ADA, "Your verification code is 482913"],
    [10, "me", "reply to a code"],
    [11, ADA, "dinner five"],
    [12, "me", "https://example.com/dinner"],
    [120, ADA, "dinner?"],
  ]);
  assert.deepEqual(turnsOf(await talk.prompt(ada)), ["them: dinner?"]);
});

Deno.test("a deleted message leaves the examples at once", async () => {
  await using talk = await startTalk();
  const { server, token } = talk;
  const ada = await talk.say(ADA, DINNER);
  assert.match(await talk.prompt(ada), /tacos/);
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: ada });
  const { messages } = await server.expect(path, { token, schema: messageListSchema });
  for (const words of ["what shall we have for dinner", "nah fell asleep"]) {
    const id = messages.find(({ text }) => text === words)?.id ?? "";
    const deletion = pathOf(SERVER_PATHS.message, { id });
    await server.expect(deletion, { method: "DELETE", token, schema: deletionSchema });
  }
  const turns = turnsOf(await talk.prompt(ada));
  assert.ok(!turns.join().includes("what shall we have") && !turns.join().includes("asleep"), turns.join());
});

Deno.test("of 100 secrets between the person and others none is in a draft's prompt", async () => {
  await using talk = await startTalk();
  const secrets: string[] = [];
  for (let index = 0; index < 50; index++) {
    const person = `+1555${String(1_000 + index)}`;
    const [theirs, own] = [`zanzib${index}ar`, `quillo${index}x`];
    const [spelled, mine] = [theirs, own].map((word) =>
      word.replace(/\d/g, (digit) => "abcdefghij"[Number(digit)] ?? "")
    );
    secrets.push(spelled ?? "", mine ?? "");
    await talk.say(person, [
      [1, person, `dinner? the password is ${spelled}`],
      [2, "me", `haha ok dinner sounds good, ${spelled} it is`],
      [5, person, `and what is yours for dinner`],
      [6, "me", `sounds good, mine is ${mine}`],
      [9, person, "dinner tomorrow then?"],
      [10, "me", "sounds good haha"],
    ]);
  }
  const ada = await talk.say(ADA, [[60, ADA, "dinner? what was the password?"]]);
  const prompt = await talk.prompt(ada, {});
  assert.deepEqual(secrets.filter((secret) => prompt.includes(secret)), []);
  assert.match(prompt, /Me: sounds good haha/, "the examples themselves are there");
  assert.equal(await talk.prompt(ada, {}), prompt, "and the same each time");
});

Deno.test("the setting leaves examples out, and a promoted adapter does unless they are wanted always", async () => {
  await using off = await startTalk({ DRAFT_EXAMPLES: "off" });
  assert.equal(turnsOf(await off.prompt(await off.say(ADA, DINNER))).length, 1);
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [messageId = ""] = trainee.messageIds;
  await promote(trainee, await trainAdapter(trainee));
  await draftFor(trainee, messageId);
  assert.doesNotMatch(server.ml.generated.at(-1)?.prompt ?? "", /…/);
});
