/** Tests the demo's conversation language, and that every conversation of the demo can be read. */
import assert from "node:assert/strict";
import { CONVERSATIONS, PEOPLE } from "./conversations.ts";
import { parseScript, type ScriptedConversation } from "./sample_script.ts";

const NOW = new Date("2026-01-01T12:00:00Z");

function scripted(script: string): ScriptedConversation {
  return { id: "x", service: "iMessage", with: ["ana"], endedMinutesAgo: 10, realReply: "ok", script };
}

Deno.test("time runs backwards from the last bubble", () => {
  const { messages } = parseScript(scripted("ana: one\nana: two\n(+2h) me: three"), NOW);
  const times = messages.map((message) => message.sentAt.toISOString().slice(11, 19));
  assert.deepEqual(times, ["09:49:56", "09:50:00", "11:50:00"]);
});

Deno.test("marks at a line's end are read and leave the text", () => {
  const { messages } = parseScript(scripted("ana: look {picture} {love: me}\nme: wow {edited: wo}"), NOW);
  assert.deepEqual(
    messages.map(({ text, picture, editedFrom, tapbacks }) => ({ text, picture, editedFrom, tapbacks })),
    [
      { text: "look", picture: true, editedFrom: undefined, tapbacks: [{ from: "me", kind: "love" }] },
      { text: "wow", picture: undefined, editedFrom: "wo", tapbacks: [] },
    ],
  );
});

Deno.test("a line that cannot be read is named", () => {
  assert.throws(() => parseScript(scripted("ana says hi"), NOW), /ana says hi/);
  assert.throws(() => parseScript(scripted("ana: hi {sparkle}"), NOW), /sparkle/);
});

Deno.test("every conversation of the demo is among known people and ends with an incoming bubble", () => {
  const known = new Set(PEOPLE.map((person) => person.id));
  for (const conversation of CONVERSATIONS) {
    const { messages } = parseScript(conversation, NOW);
    for (const { from, tapbacks } of messages) {
      for (const id of [from, ...tapbacks.map((tapback) => tapback.from)]) {
        assert.ok(
          id === "me" || (known.has(id) && conversation.with.includes(id)),
          `${conversation.id}: ${id}`,
        );
      }
    }
    assert.notEqual(messages.at(-1)?.from, "me", conversation.id);
  }
});
