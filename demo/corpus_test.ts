/** Tests which conversations are chosen from a corpus, and where they are cut. */
import assert from "node:assert/strict";
import { chooseFromCorpus, type Corpus } from "./corpus.ts";

function turn(sender: string, minute: number, ...texts: string[]): Corpus[string]["messages"][number] {
  return texts.map((text) => ({
    text,
    sender,
    timestamp: `2020-01-01T10:${String(minute).padStart(2, "0")}:00Z`,
  }));
}

function talk(partner: string): Corpus[string] {
  return {
    messages: [
      turn("owner", 0, "hi", "there"),
      turn(partner, 1, "hello"),
      turn("owner", 2, "how are you"),
      turn(partner, 3, "fine"),
      turn("owner", 4, "good"),
      turn(partner, 5, "what will you do tomorrow?"),
      turn("owner", 6, "sleep", "all day"),
      turn(partner, 7, "ok"),
    ],
  };
}

Deno.test("a conversation ends before a real reply of its owner, which is returned beside it", () => {
  const { people, conversations } = chooseFromCorpus({ a: talk("ann"), b: talk("ben"), c: talk("ann") });
  assert.deepEqual(people.map((person) => person.key), ["partner0", "partner1", "earlier0"]);
  for (const [index, { conversation, realReply }] of conversations.entries()) {
    assert.equal(realReply, "sleep\nall day");
    assert.deepEqual(conversation.participants, [`partner${index}`]);
    assert.deepEqual(conversation.messages.at(-1)?.bubbles, ["what will you do tomorrow?"]);
    assert.deepEqual(conversation.messages[0], {
      from: "me",
      sentAt: "2020-01-01T10:00:00Z",
      bubbles: ["hi", "there"],
    });
  }
});

Deno.test("what is not cut before a reply is there to learn from, complete, but not what others wrote among themselves", () => {
  const others = { messages: [turn("ann", 0, "hi"), turn("ben", 1, "hello")] };
  const { earlier } = chooseFromCorpus({ a: talk("ann"), b: others, c: talk("ann") });
  assert.deepEqual(earlier?.map(({ participants, messages }) => [participants, messages.length]), [
    [["earlier0"], 8],
  ]);
});
