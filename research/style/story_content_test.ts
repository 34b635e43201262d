/** Tests a corpus person's conversations as a sample Mac's: earlier ones complete, later ones cut before a reply. */
import assert from "node:assert/strict";
import type { Corpus } from "../../demo/corpus.ts";
import { storyContent } from "./story_content.ts";

function talk(day: number): Corpus[string] {
  const turn = (sender: string, minute: number, ...texts: string[]) =>
    texts.map((text) => ({ text, sender, timestamp: `2020-01-0${day}T10:0${minute}:00Z` }));
  return {
    messages: [
      turn("other", 0, "hi"),
      turn("owner-1", 1, "hey", " "),
      turn("other", 2, `what will you do on day ${day}?`),
      turn("owner-1", 3, `sleep ${day}`, "all day"),
      turn("other", 4, "ok"),
    ],
  };
}

Deno.test("earlier conversations are complete, the latest end where the person replied", () => {
  const corpus = { c: talk(3), a: talk(1), b: talk(2), short: { messages: talk(4).messages.slice(0, 2) } };
  const { people, conversations } = storyContent(corpus, { person: "owner", earlier: 2, waiting: 1 });
  assert.deepEqual(people.map(({ key }) => key), ["contact0", "contact1", "contact2"]);
  assert.deepEqual(conversations.map(({ realReply }) => realReply), ["", "", "sleep 3\nall day"]);
  assert.deepEqual(conversations.map(({ conversation }) => conversation.messages.length), [5, 5, 3]);
  const [first, , last] = conversations.map(({ conversation }) => conversation.messages);
  assert.deepEqual(first?.[1], { from: "me", sentAt: "2020-01-01T10:01:00Z", bubbles: ["hey"] });
  assert.deepEqual(last?.at(-1)?.bubbles, ["what will you do on day 3?"]);
});
