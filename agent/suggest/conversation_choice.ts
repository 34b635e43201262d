/** Finds the conversation that a person means: by id, by address, or the newest one that waits. */
import type { Conversation } from "../../contract/conversations.ts";
import { idSchema } from "../../contract/scalars.ts";
import { RemoteError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import { normalizeHandle } from "../chatdb/chats/conversation.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import type { PolicyBook } from "./conversation_policies.ts";
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
  /** A server id, a phone number, an e-mail address, a group's name or a person's. */
  which: string;
  /** Names of people; called when nothing else matches. */
  names: () => PeopleNames;
}

/**
 * The conversation that a person means.
 *
 * @throws UserError when there is none, or a name means several
 */
export async function findConversation(
  client: DraftClient,
  { which, names }: ConversationQuery,
): Promise<Conversation> {
  const found = idSchema.safeParse(which).success
    ? await conversationOfId(client, which)
    : await conversationOfAddress(client, normalizeHandle(which)) ??
      await conversationOfName(client, { name: which, names: names() });
  if (found !== null) return found;
  throw new UserError("The server has no such conversation", {
    fix: "Give its id, a name, or the other person's phone number or e-mail address as Messages shows it",
  });
}

async function conversationOfId(client: DraftClient, id: string): Promise<Conversation | null> {
  try {
    return await client.conversation(id);
  } catch (error) {
    if (error instanceof RemoteError && error.body.code === "not_found") return null;
    throw error;
  }
}

async function conversationOfAddress(client: DraftClient, address: string): Promise<Conversation | null> {
  for await (const conversation of allConversations(client)) {
    if (conversation.imessageId === address) return conversation;
  }
  return null;
}

/** A name is compared as people write it: complete, without regard to case. */
async function conversationOfName(
  client: DraftClient,
  { name, names }: { name: string; names: PeopleNames },
): Promise<Conversation | null> {
  const wanted = name.trim().toLocaleLowerCase();
  const found: Conversation[] = [];
  for await (const conversation of allConversations(client)) {
    if (conversationTitle(conversation, names).toLocaleLowerCase() === wanted) found.push(conversation);
  }
  if (found.length <= 1) return found[0] ?? null;
  throw new UserError(`${found.length} conversations have this name`, {
    fix: "Give the other person's phone number or e-mail address, or the server's id",
  });
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
    if (policies.modeOf(conversation.id) === "off") continue;
    const unanswered = await findUnanswered(client, conversation);
    if (unanswered !== null) return unanswered;
  }
  return null;
}
