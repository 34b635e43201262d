/** The demo's drafts: one for each conversation, what the person does with it, and the resulting training samples. */
import type { Conversation, Message } from "../contract/conversations.ts";
import type { GeneratedResponse, ResponseActionRequest } from "../contract/responses.ts";
import type { OwnerClient } from "../tests/support/server/owner_client.ts";
import { bubble, type Colour, duration, heading, line, note, paint, table } from "./print.ts";

const SHOWN_MESSAGES = 5;
/** A small model rambles at higher temperatures, and replies should be short. */
export const DRAFT_CONTEXT = { temperature: 0.3, maxTokens: 60 };
const REJECTION_REASON = "Does not sound like me";

export interface StoryOptions {
  /** What the person really answered, by `keyOfParticipants` of the conversation. */
  realReplies: Map<string, string>;
  /** Show the real answer beside each draft. */
  showRealReplies: boolean;
}

export interface Draft {
  conversation: Conversation;
  messageId: string;
  /** What the message says. */
  message: string;
  answer: GeneratedResponse;
  realReply: string | undefined;
  tookMs: number;
}

type Verdict = { colour: Colour; text: string; action: ResponseActionRequest | null };

/** A key for a conversation, made of its participants. */
export function keyOfParticipants(handles: readonly string[]): string {
  return handles.toSorted().join(" ");
}

function nameOf(handle: string | null, names: Map<string, string>): string {
  if (handle === null) return "unknown";
  return names.get(handle)?.split(" ")[0] ?? handle;
}

function titleOf(conversation: Conversation, names: Map<string, string>): string {
  const everyone = conversation.participantIds.map((handle) => names.get(handle) ?? handle).join(", ");
  const title = conversation.displayName ?? everyone;
  return conversation.isGroup ? `${title} (group of ${conversation.participantIds.length + 1})` : title;
}

function show(message: Message, names: Map<string, string>): void {
  const text = message.text ?? `(${message.messageType})`;
  const edited = message.editedAt ? paint("dim", " (edited)") : "";
  if (message.direction === "outgoing") bubble("me", text + edited, { colour: "blue" });
  else bubble(nameOf(message.senderId, names), text + edited);
}

/** Longer than what most people write in one message. */
const LONGEST_ACCEPTED = 120;

/** Whether somebody in a hurry would send it: one short message that is complete and makes nothing up. */
function isAcceptable({ answer: { response, unsupported } }: Draft): boolean {
  const text = response ?? "";
  return text !== "" && text.length <= LONGEST_ACCEPTED && !text.includes("\n") &&
    /[\p{P}\p{S}]$/u.test(text) &&
    (unsupported ?? []).length === 0;
}

const RULE = "Accepted is the surest draft that is short, complete and makes nothing up, if\n" +
  "there is one; of the others the least sure is rejected, and the next is edited.";

const ACCEPTED: Verdict = { colour: "green", text: "accepted unchanged", action: { action: "accept" } };
const LEFT_OPEN: Verdict = { colour: "dim", text: "left for you to decide", action: null };
const REJECTED: Verdict = {
  colour: "red",
  text: `rejected: ${REJECTION_REASON.toLowerCase()}`,
  action: { action: "reject", rejectionReason: REJECTION_REASON },
};

function editing({ realReply }: Draft): Verdict {
  const editedResponse = realReply ?? "Let me get back to you on that.";
  return {
    colour: "yellow",
    text: `edited to: ${editedResponse}`,
    action: { action: "edit", editedResponse },
  };
}

/** What the person does with each draft: see {@linkcode RULE}. */
export function verdictsFor(drafts: readonly Draft[]): Map<Draft, Verdict> {
  const bySureness = drafts.toSorted((a, b) => (b.answer.confidence ?? 0) - (a.answer.confidence ?? 0));
  const accepted = bySureness.find(isAcceptable);
  const others = bySureness.filter((draft) => draft !== accepted);
  const rejected = others.at(-1);
  const edited = others.at(-2);
  return new Map(drafts.map((draft) => {
    if (draft === accepted) return [draft, ACCEPTED];
    if (draft === rejected) return [draft, REJECTED];
    return [draft, draft === edited ? editing(draft) : LEFT_OPEN];
  }));
}

function showDraft({ answer, tookMs }: Draft): void {
  bubble("draft", answer.response || "(the model wrote nothing)", { colour: "green" });
  const { timings, confidence, tokensUsed } = answer;
  const rate = timings ? ` (${timings.tokens_per_second.toFixed(0)}/s)` : "";
  const facts = [
    `confidence ${(confidence ?? 0).toFixed(2)}`,
    `${tokensUsed} tokens in ${duration(tookMs)}${rate}`,
    ...(timings ? [`${timings.prompt_tokens} in the prompt`] : []),
  ];
  note(facts.join(" · "));
}

async function draftFor(
  owner: OwnerClient,
  conversation: Conversation,
  options: StoryOptions & { names: Map<string, string> },
): Promise<Draft | null> {
  const messages = await owner.latestMessages(conversation.id, 50);
  const latest = messages.findLast((message) => message.direction === "incoming" && message.text);
  if (!latest || messages.at(-1)?.direction !== "incoming") return null;
  heading(titleOf(conversation, options.names));
  for (const message of messages.slice(-SHOWN_MESSAGES)) show(message, options.names);
  const startedAt = performance.now();
  const answer = await owner.draft(latest.id, DRAFT_CONTEXT);
  const realReply = options.realReplies.get(keyOfParticipants(conversation.participantIds));
  const draft = {
    conversation,
    messageId: latest.id,
    message: latest.text ?? "",
    answer,
    realReply,
    tookMs: performance.now() - startedAt,
  };
  showDraft(draft);
  if (options.showRealReplies && realReply) bubble("really", realReply, { colour: "blue" });
  return draft;
}

/** Drafts a reply in every conversation that waits for one, newest first, and then acts on three. Returns the drafts. */
export async function tellStory(owner: OwnerClient, options: StoryOptions): Promise<Draft[]> {
  const names = await owner.names();
  const drafts: Draft[] = [];
  for (const conversation of await owner.conversations()) {
    const draft = await draftFor(owner, conversation, { ...options, names });
    if (draft) drafts.push(draft);
  }
  heading("What the person does with them");
  line(RULE);
  for (const [{ answer, conversation }, { colour, text, action }] of verdictsFor(drafts)) {
    if (action) await owner.act(answer.responseId, action);
    bubble(titleOf(conversation, names), text, { colour });
  }
  return drafts;
}

/** Shows the training samples that the actions produced. */
export async function showSamples(owner: OwnerClient): Promise<void> {
  const { samples, total } = await owner.trainingSamples();
  heading(`${total} training samples for the next training run`);
  const cut = (text: string) => text.length > 28 ? `${text.slice(0, 27)}…` : text;
  table([
    ["from", "weight", "wanted", "not wanted"],
    ...samples.map((sample) => [
      sample.source,
      sample.quality.toFixed(1),
      cut(sample.output.replaceAll("\n", " ")),
      cut((sample.rejectedOutput ?? "").replaceAll("\n", " ")),
    ]),
  ]);
  line();
}
