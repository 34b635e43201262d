/** Finds the conversation that a person means: by id, by address, or the newest one that waits. */
import type { Conversation } from "../../contract/conversations.ts";
import { idSchema } from "../../contract/scalars.ts";
import { RemoteError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import { KnownAddresses, phoneDigits, plainAddress } from "../contacts/same_address.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { modeFor, type PolicyBook } from "./conversation_policies.ts";
import { conversationTitle, type PeopleNames } from "./conversation_title.ts";
import { findUnanswered, type Unanswered } from "./suggestion.ts";

const PAGE_SIZE = 200;
/** Newest conversations that are searched for one that waits. */
const CONVERSATIONS_TO_LOOK_AT = 25;

async function* allConversations(client: DraftClient): AsyncGenerator<Conversation> {
  let cursor: string | undefined;
  do {
    const page = await client.conversations({ pageSize: PAGE_SIZE, cursor });
    yield* page.conversations;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

export interface ConversationQuery {
  /** A server id, a phone number or an e-mail address in any spelling, a group's name or a person's. */
  which: string;
  /** Names of people; called when nothing else matches. */
  names: () => PeopleNames;
  /** What the address book knows of addresses; by default they are compared by their digits. */
  book?: () => Pick<AddressBook, "addresses" | "people">;
}

/** A conversation that was asked for, and of how many of the same people it is the newest. */
export interface ConversationMatch {
  readonly conversation: Conversation;
  readonly newestOf: number;
}

/**
 * The conversation that a person means; of several with the same people the newest.
 *
 * @throws UserError when there is none, or a name means several people
 */
export async function matchConversation(
  client: DraftClient,
  query: ConversationQuery,
): Promise<ConversationMatch> {
  const { which } = query;
  const found = idSchema.safeParse(which).success
    ? await conversationOfId(client, which)
    : await conversationOfAddress(client, query) ?? await conversationOfName(client, query);
  if (found !== null) return found;
  throw new UserError("The server has no such conversation", {
    fix: "Give its id, a name, or the other person's phone number or e-mail address",
  });
}

/** See {@linkcode matchConversation}. */
export async function findConversation(
  client: DraftClient,
  query: ConversationQuery,
): Promise<Conversation> {
  return (await matchConversation(client, query)).conversation;
}

async function conversationOfId(client: DraftClient, id: string): Promise<ConversationMatch | null> {
  try {
    return { conversation: await client.conversation(id), newestOf: 1 };
  } catch (error) {
    if (error instanceof RemoteError && error.body.code === "not_found") return null;
    throw error;
  }
}

/** The newest conversation with an address, however it is spelled on either side. */
async function conversationOfAddress(
  client: DraftClient,
  { which, book }: ConversationQuery,
): Promise<ConversationMatch | null> {
  const address = plainAddress(which);
  const direct: Conversation[] = [];
  for await (const conversation of allConversations(client)) {
    if (conversation.imessageId === address) return { conversation, newestOf: 1 };
    if (!conversation.isGroup) direct.push(conversation);
  }
  if (phoneDigits(which) === null) return null;
  const handles = direct.map(({ imessageId }) => ({ id: imessageId, country: null }));
  const addresses = new KnownAddresses(handles, { region: book?.().addresses.region });
  const same = direct.filter(({ imessageId }) => addresses.isSame(imessageId, which));
  return newestMatch(same);
}

function newestMatch([newest, ...others]: readonly Conversation[]): ConversationMatch | null {
  return newest === undefined ? null : { conversation: newest, newestOf: others.length + 1 };
}

/** A name is compared as people write it: complete, without regard to case. */
async function conversationOfName(
  client: DraftClient,
  { which, names, book }: ConversationQuery,
): Promise<ConversationMatch | null> {
  const wanted = comparedName(which);
  const known = names();
  const found: Conversation[] = [];
  for await (const conversation of allConversations(client)) {
    if (comparedName(conversationTitle(conversation, known)) === wanted) found.push(conversation);
  }
  const people = found.length > 1 ? book?.().people : undefined;
  const companies = new Set(found.map((conversation) => companyOf(conversation, people)));
  if (companies.size <= 1) return newestMatch(found);
  throw new UserError(`${found.length} conversations have this name`, {
    fix: "Give the other person's phone number or e-mail address, or the server's id",
  });
}

function comparedName(name: string): string {
  return name.normalize("NFC").trim().replace(/\s+/g, " ").toLocaleLowerCase();
}

/** Who is in a conversation, whatever address each of them writes from. */
function companyOf(
  { isGroup, imessageId, participantIds }: Conversation,
  people: AddressBook["people"] | undefined,
): string {
  const addresses = isGroup ? participantIds : [imessageId];
  const persons = new Set(addresses.map((address) => people?.get(address) ?? address));
  return JSON.stringify([isGroup, ...[...persons].sort()]);
}

/** The newest conversations, as many as one would look through by hand. */
export async function recentConversations(client: DraftClient): Promise<Conversation[]> {
  return (await client.conversations({ pageSize: CONVERSATIONS_TO_LOOK_AT })).conversations;
}

/** The newest conversation that waits for an answer and is not off; null when none does. */
export async function findNewestUnanswered(
  client: DraftClient,
  policies: PolicyBook,
): Promise<Unanswered | null> {
  for (const conversation of await recentConversations(client)) {
    if (modeFor(policies, conversation) === "off") continue;
    const unanswered = await findUnanswered(client, conversation);
    if (unanswered !== null) return unanswered;
  }
  return null;
}
