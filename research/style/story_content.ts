/** Turns a corpus person's conversations into a sample Mac's: earlier ones complete, the latest cut before a reply. */
import type { Corpus } from "../../demo/corpus.ts";
import type { SampleContent } from "../../demo/sample_mac.ts";
import type { DemoConversation } from "../../demo/sample_script.ts";

type Turn = Corpus[string]["messages"][number];

export interface StoryOptions {
  /** The first letters of the person's id. */
  person: string;
  /** How many earlier conversations there are to learn from. */
  earlier: number;
  /** How many later ones wait for a reply. */
  waiting: number;
}

/** A draft needs a little to go by. */
const MIN_TURNS = 3;

function textOf(turn: Turn): string {
  return turn.map(({ text }) => text).join("\n");
}

function isBy(turn: Turn | undefined, person: string): boolean {
  return turn?.[0]?.sender.startsWith(person) ?? false;
}

function conversationOf(turns: readonly Turn[], { person, key }: { person: string; key: string }) {
  return {
    participants: [key],
    messages: turns.map((turn) => ({
      from: isBy(turn, person) ? "me" : key,
      sentAt: turn[0]?.timestamp ?? "",
      bubbles: turn.map(({ text }) => text).filter((text) => text.trim() !== ""),
    })).filter(({ bubbles }) => bubbles.length > 0),
  };
}

/** Where a conversation is cut: before the person's last reply to another. */
function cutOf(turns: readonly Turn[], person: string): number {
  return turns.findLastIndex((turn, index) =>
    index >= MIN_TURNS && isBy(turn, person) && !isBy(turns[index - 1], person)
  );
}

/** The person as the owner of a sample Mac; every conversation is with a contact of its own. */
export function storyContent(corpus: Corpus, options: StoryOptions): SampleContent {
  const { person, earlier, waiting } = options;
  const conversations = Object.values(corpus)
    .map(({ messages }) => messages.filter((turn) => turn.length > 0))
    .filter((turns) => cutOf(turns, person) > 0)
    .toSorted((a, b) => (a[0]?.[0]?.timestamp ?? "") < (b[0]?.[0]?.timestamp ?? "") ? -1 : 1)
    .slice(0, earlier + waiting);
  const people = conversations.map((_, index) => ({
    key: `contact${index}`,
    firstName: `Contact ${index + 1}`,
    handle: `+1202555${String(1_000 + index)}`,
  }));
  return {
    people,
    conversations: conversations.map((turns, index): DemoConversation => {
      const cut = index < earlier ? turns.length : cutOf(turns, person);
      const reply = turns[cut];
      const conversation = conversationOf(turns.slice(0, cut), { person, key: people[index]?.key ?? "" });
      return { conversation, realReply: reply === undefined ? "" : textOf(reply) };
    }),
  };
}
