/** Chooses people of the Chit-Chat corpus by a fixed rule and turns their replies into samples. */
import type { Corpus } from "../../demo/corpus.ts";
import { buildPrompt } from "../../server/services/drafts/prompt_builder.ts";
import { styleOf } from "./reply_style.ts";

/** Turns of the conversation that the model sees before a reply. */
const CONTEXT_TURNS = 4;
/** Longer ones, in characters, are letters and not messages; training costs by the token. */
const MAX_REPLY_LENGTH = 300;
const MAX_INPUT_LENGTH = 400;

/** A prompt as the server writes it, and what the person really answered: bubbles joined by line breaks. */
export interface ReplySample {
  input: string;
  output: string;
}

/** One person's replies. */
export interface PersonReplies {
  /** The first letters of the corpus's own id. */
  id: string;
  /** Earlier replies, in the order of their conversations. */
  train: ReplySample[];
  /** Replies of later conversations, none of which a training sample comes from. */
  heldOut: ReplySample[];
  /** The number of the conversation that a reply comes from. */
  conversationOf: ReadonlyMap<ReplySample, number>;
}

export interface PeopleOptions {
  /** How many people: from the most formal to the least, evenly spaced. */
  people: number;
  train: number;
  heldOut: number;
}

type Turn = Corpus[string]["messages"][number];

/** Replies of one conversation by who wrote them. */
type Replies = Map<string, ReplySample[]>;

function speakerOf(turn: Turn | undefined): string | undefined {
  return turn?.[0]?.sender;
}

function textOf(turn: Turn): string {
  return turn.map(({ text }) => text.trim()).filter((text) => text !== "").join("\n");
}

function promptOf(turns: readonly Turn[], owner: string): string {
  const messages = turns.flat().map(({ text, sender }) => ({
    direction: sender === owner ? "outgoing" as const : "incoming" as const,
    senderId: sender,
    text,
    retractedAt: null,
  }));
  return buildPrompt({ conversation: { displayName: null, isGroup: false }, messages, names: null }).text;
}

/** Every turn that answers another person's. */
function repliesOf(turns: readonly Turn[]): Replies {
  const replies: Replies = new Map();
  turns.forEach((turn, index) => {
    const [owner, asked] = [speakerOf(turn), turns[index - 1]];
    const output = textOf(turn);
    if (!owner || !asked || speakerOf(asked) === owner || textOf(asked) === "") return;
    const input = promptOf(turns.slice(Math.max(0, index - CONTEXT_TURNS), index), owner);
    if (output === "" || output.length > MAX_REPLY_LENGTH || input.length > MAX_INPUT_LENGTH) return;
    replies.set(owner, [...replies.get(owner) ?? [], { input, output }]);
  });
  return replies;
}

/** Each person's replies by conversation, the earliest conversation first. */
export function repliesByPerson(corpus: Corpus): Map<string, ReplySample[][]> {
  const startOf = (turns: readonly Turn[]) => turns[0]?.[0]?.timestamp ?? "";
  const conversations = Object.values(corpus).map(({ messages }) =>
    messages.filter((turn) => turn.length > 0)
  )
    .toSorted((a, b) => startOf(a) < startOf(b) ? -1 : startOf(a) > startOf(b) ? 1 : 0);
  const people = new Map<string, ReplySample[][]>();
  for (const turns of conversations) {
    for (const [person, replies] of repliesOf(turns)) {
      people.set(person, [...people.get(person) ?? [], replies]);
    }
  }
  return people;
}

/** The first conversations that hold enough to train, then as many of the rest; undefined where there is too little. */
function split(
  conversations: readonly ReplySample[][],
  options: PeopleOptions,
): Omit<PersonReplies, "id"> | undefined {
  let count = 0;
  const lastOfTraining = conversations.findIndex(({ length }) => (count += length) >= options.train);
  const heldOut = conversations.slice(lastOfTraining + 1).flat().slice(0, options.heldOut);
  if (lastOfTraining < 0 || heldOut.length < options.heldOut) return undefined;
  const conversationOf = new Map(
    conversations.flatMap((replies, index) => replies.map((reply) => [reply, index] as const)),
  );
  return { train: conversations.flat().slice(0, options.train), heldOut, conversationOf };
}

/** From -1, capitals and full stops throughout, to 1, none of either. */
function casualness({ train }: Omit<PersonReplies, "id">): number {
  const styles = train.map(({ output }) => styleOf(output));
  const share = (of: (style: typeof styles[number]) => number) =>
    styles.reduce((sum, style) => sum + of(style), 0) / styles.length;
  return share(({ noCapitals }) => noCapitals) - share(({ finalStop }) => finalStop);
}

/**
 * Chooses people who have written enough.
 *
 * They are ordered by their training replies alone, and taken at even distances: the most formal one first, the
 * least formal one last.
 */
export function choosePeople(corpus: Corpus, options: PeopleOptions): PersonReplies[] {
  const people = [...repliesByPerson(corpus)].flatMap(([person, conversations]) => {
    const replies = split(conversations, options);
    return replies ? [{ id: person.slice(0, 8), ...replies }] : [];
  }).toSorted((a, b) => casualness(a) - casualness(b) || (a.id < b.id ? -1 : 1));
  const step = (people.length - 1) / Math.max(1, options.people - 1);
  const chosen = Array.from({ length: options.people }, (_, index) => people[Math.round(index * step)]);
  return [...new Set(chosen.filter((person) => person !== undefined))];
}
