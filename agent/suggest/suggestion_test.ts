// Tests of the choice of the message to answer, also against a second way of saying what it is.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Message } from "../../contract/conversations.ts";
import { messagesToAnswer } from "../../contract/messages/waiting.ts";

type Kind = "mine" | "theirs" | "picture" | "unsent" | "blank" | "system";

function message(kind: Kind, index: number): Message {
  const words: Record<Kind, string | null> = {
    mine: "mine",
    theirs: "theirs",
    picture: null,
    unsent: "gone",
    blank: " \n",
    system: "left",
  };
  return {
    id: String(index),
    conversationId: "c",
    imessageGuid: String(index),
    senderId: null,
    direction: kind === "mine" ? "outgoing" : "incoming",
    messageType: kind === "system" ? "system" : kind === "picture" ? "image" : "text",
    text: words[kind],
    sentAt: "2026-01-01T10:00:00.000Z",
    editedAt: null,
    retractedAt: kind === "unsent" ? "2026-01-01T10:00:00.000Z" : null,
    replyToGuid: null,
    reactions: [],
    attachments: [],
  };
}

/** Index of the message to answer among kinds, newest first; -1 for none. */
function chosen(...kinds: Kind[]): number {
  return Number(messagesToAnswer(kinds.map(message)).at(-1)?.id ?? -1);
}

Deno.test("the newest readable message since the owner's last is answered, and none when the owner spoke last", () => {
  assert.equal(chosen("theirs", "theirs", "mine"), 0);
  assert.equal(chosen("mine", "theirs"), -1);
  assert.equal(chosen("picture", "theirs", "mine"), 1);
  assert.equal(chosen("unsent", "blank", "mine", "theirs"), -1);
  assert.equal(chosen("system", "mine", "theirs"), -1, "a note of the system is not somebody's word");
  assert.equal(chosen("system", "theirs"), 1);
  assert.equal(chosen(), -1);
});

Deno.test("for any conversation the choice is the same as that of a walk backwards in time", () => {
  const kinds = fc.constantFrom<Kind>("mine", "theirs", "picture", "unsent", "blank", "system");
  fc.assert(fc.property(fc.array(kinds, { maxLength: 12 }), (newestFirst) => {
    let waiting = -1;
    for (let index = newestFirst.length - 1; index >= 0; index--) {
      if (newestFirst[index] === "mine") waiting = -1;
      if (newestFirst[index] === "theirs") waiting = index;
    }
    assert.equal(chosen(...newestFirst), waiting);
  }));
});

Deno.test("several messages in a row wait together, in the order in which they were written, and only those with words", () => {
  const waiting = messagesToAnswer(
    (["theirs", "picture", "theirs", "system", "theirs", "mine", "theirs"] as const)
      .map(message),
  );
  assert.deepEqual(waiting.map(({ id }) => id), ["4", "2", "0"]);
});
