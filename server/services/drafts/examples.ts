/**
 * Shows the model how the person writes: their own earlier replies to messages like the one the talk began with.
 *
 * What another contact wrote never travels into a draft for this one, nor do words that the person wrote to one contact
 * alone: see `travels`.
 */
import type { Turn } from "../../../contract/prompt.ts";
import { WordIndex, wordsOf } from "../../../lib/bm25.ts";
import type { ConversationStore } from "../../store/messages/conversation_store.ts";
import type { SentReply } from "../../store/drafts/sent_replies.ts";
import type { Message } from "../../store/schema.ts";
import type { SampleStore } from "../../store/training/sample_store.ts";
import { reasonToSkip, replyTextOf } from "../training/sample_import.ts";
import { type ExampleFinder, promptTextOf, type ShownExamples } from "./prompt_builder.ts";

/** Examples in a prompt at most, and their texts together in UTF-16 units: about 200 tokens. */
const MAX_EXAMPLES = 5;
const MAX_LENGTH = 800;
/** Longer ones are letters, and take the place of others. */
const MAX_TEXT_LENGTH = 200;
/** Stands for what another contact wrote. */
const LEFT_OUT = "…";
/** Shorter words say nothing of anybody. */
const TELLING_LENGTH = 3;
/** A word is the person's own once it was written in so many conversations with others. */
const SHARED_BY = 2;

/** One reply of the person, as an example. */
export interface Example {
  /** What it answered; null where that is another contact's, and stays there. */
  readonly answered: string | null;
  readonly reply: string;
  /** All messages whose words are in it. */
  readonly messageIds: readonly string[];
}

/** Whose replies may be shown, the latest first of each. */
export interface ExampleSource {
  /** What the talk began with. */
  readonly text: string;
  /** In conversations with the same person, or in the same group. */
  readonly same: readonly SentReply[];
  /** In other conversations of the same kind. */
  readonly others: readonly SentReply[];
}

function isUsable(reply: SentReply): boolean {
  if (reply.isEdited || reasonToSkip({ ...reply, isSample: false, neverTrain: false }) !== null) return false;
  const text = replyTextOf(reply);
  return text.length <= MAX_TEXT_LENGTH && (reply.before?.text.length ?? 0) <= MAX_TEXT_LENGTH * 2;
}

function tellingWords(text: string): string[] {
  return wordsOf(text).filter((word) => word.length >= TELLING_LENGTH);
}

/** In how many conversations each word was written. */
function spreadOf(replies: readonly SentReply[]): (word: string) => number {
  const conversations = new Map<string, Set<string>>();
  for (const reply of replies) {
    for (const word of wordsOf(replyTextOf(reply))) {
      conversations.set(word, (conversations.get(word) ?? new Set()).add(reply.conversationId));
    }
  }
  return (word) => conversations.get(word)?.size ?? 0;
}

/**
 * Whether a reply to another contact may be shown: its conversation may be learned from, it has no number, address or link, repeats no word of what it answered,
 * and each of its words was written to others as well.
 */
function travels(reply: SentReply, spread: (word: string) => number): boolean {
  if (reply.neverTrain) return false;
  const text = replyTextOf(reply);
  if (/[\p{N}@]|:\/\//u.test(text)) return false;
  const heard = new Set(tellingWords(reply.before?.text ?? ""));
  return tellingWords(text).every((word) => !heard.has(word) && spread(word) >= SHARED_BY);
}

function exampleOf(reply: SentReply, { isSame }: { isSame: boolean }): Example {
  const { before, bubbleIds } = reply;
  const own = { reply: replyTextOf(reply), messageIds: bubbleIds };
  if (!isSame || before === null) return { answered: null, ...own };
  return { answered: promptTextOf(before.text), ...own, messageIds: [before.messageId, ...bubbleIds] };
}

/**
 * The examples for a talk: first those of the same person, then of others, each time the most similar and of those the
 * latest first, as far as they fit. Equal replies are shown once. The best one comes last, next to the conversation.
 */
export function chooseExamples({ text, same, others }: ExampleSource): Example[] {
  const spread = spreadOf(others);
  const ranked = (replies: readonly SentReply[], isSame: boolean) =>
    new WordIndex(replies, ({ before }) => before?.text ?? "").ranked(text)
      .map((reply) => exampleOf(reply, { isSame }));
  const candidates = [
    ...ranked(same.filter(isUsable), true),
    ...ranked(others.filter((reply) => isUsable(reply) && travels(reply, spread)), false),
  ];
  const chosen = new Map<string, Example>();
  let length = 0;
  for (const example of candidates) {
    const size = example.reply.length + (example.answered ?? LEFT_OUT).length;
    if (chosen.has(example.reply) || length + size > MAX_LENGTH) continue;
    length += size;
    chosen.set(example.reply, example);
    if (chosen.size === MAX_EXAMPLES) break;
  }
  return [...chosen.values()].reverse();
}

/** Examples as turns before those of the conversation. */
export function exampleTurns(examples: readonly Example[]): Turn[] {
  return examples.flatMap(({ answered, reply }) => [
    { speaker: "them" as const, text: answered ?? LEFT_OUT },
    { speaker: "me" as const, text: reply },
  ]);
}

/** Messages further apart belong to two talks. */
const PAUSE_MS = 3_600_000;

/**
 * The place of the first incoming message of the present talk. Examples are chosen for it, and not for the message to
 * answer: they then stay the same from draft to draft, and the model need not read the prompt's beginning again.
 */
function openerOf(messages: readonly Message[]): number {
  const start = messages.findLastIndex(({ sentAt }, index) => {
    const before = messages[index - 1];
    return before === undefined || sentAt.getTime() - before.sentAt.getTime() >= PAUSE_MS;
  });
  return messages.findIndex(({ direction }, index) => index >= start && direction === "incoming");
}

export interface ExampleStores {
  samples: Pick<SampleStore, "sentReplies">;
  conversations: Pick<ConversationStore, "withSamePerson">;
}

/** Finds examples for a talk: of the latest replies before it, some hundreds of each kind. */
async function find(
  { samples, conversations }: ExampleStores,
  { messages, maxHistory, conversation, isPersonKnown }: Parameters<ExampleFinder>[0],
): Promise<ShownExamples> {
  const place = openerOf(messages);
  const opener = messages[place];
  if (opener === undefined) return { turns: [], messageIds: [] };
  // What the talk's first prompt shows is no example in its later ones either, which show less and less of it.
  const shownIds = new Set(messages.slice(Math.max(0, place - maxHistory), place).map(({ id }) => id));
  const { accountId, conversationId } = opener;
  const { isGroup } = conversation;
  const asked = { accountId, inGroups: isGroup, before: opener };
  const samePerson = isPersonKnown ? await conversations.withSamePerson(accountId, conversationId) : [];
  const here = [conversationId, ...samePerson];
  const latest = async (conversationIds?: readonly string[]): Promise<readonly SentReply[]> => {
    for await (const replies of samples.sentReplies({ ...asked, conversationIds })) return replies;
    return [];
  };
  const [all, latestHere] = await Promise.all([latest(), latest(here)]);
  const same = latestHere.filter(({ bubbleIds }) => !bubbleIds.some((id) => shownIds.has(id)));
  const others = all.filter((reply) => !here.includes(reply.conversationId));
  const examples = chooseExamples({ text: promptTextOf(opener.text), same, others });
  return { turns: exampleTurns(examples), messageIds: examples.flatMap(({ messageIds }) => messageIds) };
}

/** Makes what finds the examples of drafts. */
export function exampleFinder(stores: ExampleStores): ExampleFinder {
  return (asked) => find(stores, asked);
}
