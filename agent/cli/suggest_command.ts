/** `agent suggest`: shows a draft, records what the person does with it, and sends only on request. */
import {
  type AbstentionReason,
  type ResponseActionRequest,
  responseActionRequestSchema,
} from "../../contract/responses.ts";
import { isAutomatedConversation } from "../../contract/messages/waiting.ts";
import { UserError } from "../../lib/errors.ts";
import type { Conversation } from "../../contract/conversations.ts";
import { peopleNames } from "../contacts/address_book.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { serverFault } from "../clients/server_faults.ts";
import {
  type ConversationMatch,
  type ConversationQuery,
  findConversation,
  findNewestUnanswered,
  matchConversation,
} from "../suggest/conversation_choice.ts";
import {
  loadPolicies,
  modeFor,
  savePolicy,
  SUGGESTION_MODES,
  suggestionModeOf,
} from "../suggest/conversation_policies.ts";
import { conversationTitle, type PeopleNames, personName } from "../suggest/conversation_title.ts";
import { lastShown, rememberShown } from "../suggest/shown_suggestions.ts";
import {
  draftReply,
  latestMessages,
  type Suggestion,
  suggestReply,
  unansweredIn,
} from "../suggest/suggestion.ts";
import { type ActionResult, actOnSuggestion } from "../suggest/suggestion_action.ts";
import { requirePairing } from "../pairing/pairing.ts";
import type { AgentContext } from "./agent_context.ts";
import { terminalText, UsageError } from "./output.ts";

export interface SuggestOptions {
  /** What follows `suggest`: nothing, or an action and its text. */
  words: readonly string[];
  /** A server id, a phone number or an e-mail address. */
  conversation?: string;
  json?: boolean;
  send?: boolean;
}

/** What one run of the command works with. */
interface Run {
  options: SuggestOptions;
  services: AgentContext;
  client: DraftClient;
}

const MARGIN = "Draft      ".length;

/** What to look at in a draft that the server would not suggest by itself. */
const CAUTIONS: Readonly<Record<AbstentionReason, string>> = {
  code: "They ask for a code or a password.",
  opinion: "They ask what you think.",
  commitment: "They ask you to agree to something.",
  fact: "They ask for something that only you know.",
  unsure: "Less likely than usual to be what you would send.",
};

function confidenceText(confidence: number | null): string {
  return confidence === null ? "" : ` (confidence ${Math.round(confidence * 100)} %)`;
}

function suggestionLines(
  { conversation, message, earlier, failed = [], text, confidence, reason }: Suggestion,
  { names, note }: { names: PeopleNames; note: readonly string[] },
): string[] {
  const { isGroup } = conversation;
  const said = [...earlier, message].map(({ senderId, text }, index) => {
    const sender = isGroup && senderId !== null ? `${personName(senderId, names)}: ` : "";
    return (index === 0 ? "Message" : "").padEnd(MARGIN) + terminalText(sender + (text ?? ""), MARGIN);
  });
  return [
    `To         ${terminalText(conversationTitle(conversation, names), MARGIN)}${isGroup ? " (group)" : ""}`,
    ...note,
    ...said,
    ...failed.map(({ text }) => `Not sent   ${terminalText(text ?? "", MARGIN)}`),
    `Draft      ${terminalText(text, MARGIN)}${confidenceText(confidence)}`,
    ...(reason ? [`Check      ${CAUTIONS[reason]}`] : []),
    ``,
    `\`agent suggest accept\`, \`agent suggest edit TEXT\` or \`agent suggest reject [REASON]\` teaches your model;`,
    `with --send, accept and edit also send it. \`agent suggest another\` writes a new draft.`,
  ];
}

function namesOf({ services }: Run): PeopleNames {
  return peopleNames(services.readAddressBook());
}

function queryOf(run: Run, which: string): ConversationQuery {
  return { which, names: () => namesOf(run), book: () => run.services.readAddressBook() };
}

function conversationOf(run: Run, which: string): Promise<Conversation> {
  return findConversation(run.client, queryOf(run, which));
}

/** Which of several conversations with the same people was chosen. */
function choiceLines({ conversation, newestOf }: ConversationMatch): string[] {
  if (newestOf < 2) return [];
  const { imessageId, isGroup } = conversation;
  return [`           the newest of ${newestOf} conversations${isGroup ? "" : `, with ${imessageId}`}`];
}

interface Choice {
  suggestion: Suggestion | null;
  /** Shown below the people of the conversation. */
  note: readonly string[];
}

/** Has a new draft written whether or not there is one: what drafts may have changed since. */
const ANOTHER = "another";

/** The conversation that is named, or the newest one that waits. */
async function choose(run: Run): Promise<Choice> {
  const { options, services, client } = run;
  const policies = loadPolicies(services.suggestions);
  const draft = options.words[0] === ANOTHER ? draftReply : suggestReply;
  if (options.conversation === undefined) {
    const newest = await findNewestUnanswered(client, policies);
    return { suggestion: newest && await draft(client, newest), note: [] };
  }
  const match = await matchConversation(client, queryOf(run, options.conversation));
  const { conversation } = match;
  if (modeFor(policies, conversation) === "off") {
    throw new UserError("Suggestions are off for this conversation", {
      fix: policies.modeOf(conversation.id) === "off"
        ? "Run `agent suggest policy on_demand` with the same --conversation"
        : "Choose another mode for it on the server's page",
    });
  }
  const messages = await latestMessages(client, conversation);
  const unanswered = unansweredIn(conversation, messages);
  if (unanswered === null && isAutomatedConversation(messages)) {
    throw new UserError("This is a code, or was sent by a company's machine, so there is nobody to answer", {
      fix: "Answer it in Messages if it does want an answer",
    });
  }
  return { suggestion: unanswered && await draft(client, unanswered), note: choiceLines(match) };
}

const PROGRESS_MS = 1_000;

/** Shows on a terminal for how long a draft has been awaited, and clears that line in the end. */
async function whileWaiting<Result>(
  { services: { output: { terminal } } }: Run,
  work: Promise<Result>,
): Promise<Result> {
  if (terminal === null) return await work;
  const startedAt = Date.now();
  const draw = () => terminal.write(`\rDrafting … ${Math.round((Date.now() - startedAt) / 1_000)} s`);
  draw();
  const timer = setInterval(draw, PROGRESS_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    terminal.write("\x1b[2K\r");
  }
}

/** Nothing to answer, or nothing that the server could know of. */
async function nothingText({ client }: Run): Promise<string> {
  const { conversations } = await client.conversations({ pageSize: 1 });
  return conversations.length > 0
    ? "Nothing waits for an answer."
    : "The server has no messages yet: `agent sync --once` sends them.";
}

async function show(run: Run): Promise<number> {
  const { options, services: { output, suggestions, lock } } = run;
  if (options.send) throw new UsageError("--send goes with accept or edit, once you have seen the draft");
  if (options.words.length > 1) throw new UsageError(`${ANOTHER} takes no text`);
  using _lock = await lock("suggest");
  const { suggestion, note } = options.json ? await choose(run) : await whileWaiting(run, choose(run));
  if (suggestion !== null) rememberShown(suggestions, suggestion);
  if (options.json) output.line(JSON.stringify({ suggestion }));
  else if (suggestion === null) output.line(await nothingText(run));
  else for (const line of suggestionLines(suggestion, { names: namesOf(run), note })) output.line(line);
  return 0;
}

function requestOf(verb: string | undefined, text: string): unknown {
  switch (verb) {
    case "accept":
      if (text === "") return { action: "accept" };
      throw new UsageError("accept takes no text: use edit TEXT");
    case "edit":
      if (text !== "") return { action: "edit", editedResponse: text };
      throw new UsageError("edit needs the text that you would send instead");
    case "reject":
      return { action: "reject", ...(text === "" ? {} : { rejectionReason: text }) };
    default:
      throw new UsageError(`suggest does not know ${JSON.stringify(verb)}`);
  }
}

function actionOf([verb, ...words]: readonly string[]): ResponseActionRequest {
  const checked = responseActionRequestSchema.safeParse(requestOf(verb, words.join(" ").trim()));
  if (checked.success) return checked.data;
  throw new UsageError(`the text ${checked.error.issues[0]?.message ?? "cannot be used"}`);
}

function resultLines({ text, taught, sending }: ActionResult): string[] {
  const recorded = text === null ? "Rejected" : "Recorded";
  const lines = [`${recorded}${taught ? ", and kept as a training sample" : ""}.`];
  if (sending !== null) lines.push(`${sending.message}.`);
  return lines;
}

async function act(run: Run): Promise<number> {
  const { options, services, client } = run;
  const action = actionOf(options.words);
  if (options.send && action.action === "reject") throw new UsageError("--send goes with accept or edit");
  const { conversation: name } = options;
  const conversation = name === undefined ? null : await conversationOf(run, name);
  const shown = lastShown(services.suggestions, conversation?.id ?? null);
  if (shown === null) {
    throw new UserError("No draft has been shown yet", { fix: "Run `agent suggest` first" });
  }
  const result = await actOnSuggestion(shown, {
    action,
    client,
    openChatDatabase: services.openChatDatabase,
    send: options.send ? services.sending() : undefined,
  });
  for (const line of options.json ? [JSON.stringify(result)] : resultLines(result)) {
    services.output.line(line);
  }
  return result.sending?.kind === "failed" || result.sending?.kind === "unknown" ? 1 : 0;
}

async function policy(run: Run): Promise<number> {
  const { options, services } = run;
  const { output, suggestions } = services;
  const [, word, ...rest] = options.words;
  if (options.send || rest.length > 0) throw new UsageError("policy takes one word and --conversation");
  if (options.conversation === undefined) throw new UsageError("policy needs --conversation");
  const mode = word === undefined ? null : suggestionModeOf(word);
  if (word !== undefined && mode === null) {
    throw new UsageError(`the policy must be one of ${SUGGESTION_MODES.join(", ")}`);
  }
  const { id } = await conversationOf(run, options.conversation);
  if (mode !== null) {
    using _lock = await services.lock("policy");
    savePolicy(suggestions, { conversationId: id, mode });
  }
  const current = loadPolicies(suggestions).modeOf(id);
  output.line(options.json ? JSON.stringify({ conversationId: id, mode: current }) : current);
  return 0;
}

/** Runs the command; a reply that was not certainly sent is exit code 1. */
export async function suggestCommand(options: SuggestOptions, services: AgentContext): Promise<number> {
  const [verb] = options.words;
  const isLook = verb === undefined || verb === ANOTHER;
  if (!isLook && verb !== "policy") actionOf(options.words);
  const { token } = await requirePairing(services.pairing);
  const client = services.drafts(token);
  const run = { options, services, client };
  try {
    if (isLook) return await show(run);
    return verb === "policy" ? await policy(run) : await act(run);
  } catch (error) {
    throw serverFault(error, client.baseUrl);
  }
}
