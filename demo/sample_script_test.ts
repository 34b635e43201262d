/** Tests the demo's conversation language, and that every conversation of the demo can be read. */
import assert from "node:assert/strict";
import { CONVERSATIONS, PEOPLE } from "./conversations.ts";
import { MIN_HELD_OUT } from "../ml/training/samples/held_out_split.ts";
import { FAMILY, HISTORY } from "./history.ts";
import {
  type EarlierConversation,
  parseConversation,
  parseScript,
  type ScriptedConversation,
} from "./sample_script.ts";

const NOW = new Date("2026-01-01T12:00:00Z");

function scripted(script: string): ScriptedConversation {
  return { with: ["ana"], endedMinutesAgo: 10, realReply: "ok", script };
}

Deno.test("time runs backwards from the last bubble", () => {
  const { messages } = parseScript(scripted("ana: one\nana: two\n(+2h) me: three"), NOW).conversation;
  const times = messages.map((message) => message.sentAt.slice(11, 19));
  assert.deepEqual(times, ["09:49:56", "09:50:00", "11:50:00"]);
});

Deno.test("marks at a line's end are parsed and removed from the text", () => {
  const script = "ana: look {picture} {love: me}\nme: wow {edited: wo}";
  const [first, second] = parseScript(scripted(script), NOW).conversation.messages;
  assert.deepEqual(first?.bubbles, ["look"]);
  assert.equal(first?.files?.length, 1);
  assert.deepEqual(first?.tapbacks, [{ from: "me", kind: "love" }]);
  assert.deepEqual(second?.bubbles, ["wo"]);
  assert.equal(second?.edited?.text, "wow");
});

Deno.test("an error names the line that cannot be parsed", () => {
  assert.throws(() => parseScript(scripted("ana says hi"), NOW), /ana says hi/);
  assert.throws(() => parseScript(scripted("ana: hi {sparkle}"), NOW), /sparkle/);
});

/** Who speaks, in order. @throws an assertion where somebody is not known or does not belong there */
function speakersOf(scripted: EarlierConversation): string[] {
  const known = new Set([...PEOPLE, ...FAMILY].map((person) => person.key));
  const { messages, participants } = parseConversation(scripted, NOW);
  for (const { from, tapbacks } of messages) {
    for (const key of [from, ...(tapbacks ?? []).map((tapback) => tapback.from)]) {
      assert.ok(key === "me" || (known.has(key) && participants.includes(key)), key);
    }
  }
  return messages.map(({ from }) => from);
}

Deno.test("every conversation of the demo is among known people, and those that wait end with an incoming bubble", () => {
  for (const scripted of CONVERSATIONS) assert.notEqual(speakersOf(scripted).at(-1), "me");
  for (const scripted of HISTORY) assert.equal(speakersOf(scripted).at(-1), "me");
});

Deno.test("the history alone has so many replies that enough are held out for the gate to judge", () => {
  const replies = HISTORY.flatMap((scripted) => {
    const speakers = speakersOf(scripted);
    return speakers.filter((speaker, index) => speaker === "me" && speakers[index - 1] !== "me");
  });
  assert.ok(replies.length >= 4 * MIN_HELD_OUT, `${replies.length} replies`);
});
