/** Reads what a draft is made from: the message to answer, its history, and the names of the people. */
import type { GenerateContext } from "../../../contract/responses.ts";
import { ApiError, invalidRequest } from "../../../lib/errors.ts";
import type { ContactStore } from "../../store/messages/contact_store.ts";
import type { ConversationStore, MessageHistory } from "../../store/messages/conversation_store.ts";
import type { Contact, Conversation, Message } from "../../store/schema.ts";
import { buildPrompt, type BuiltPrompt, promptTextOf } from "./prompt_builder.ts";

export interface PromptStores {
  conversations: Pick<ConversationStore, "find" | "histories">;
  contacts: Pick<ContactStore, "findByHandles">;
}

export interface PromptRequest {
  accountId: string;
  messageId: string;
  context: Pick<GenerateContext, "maxHistory" | "includeContactInfo">;
}

function cannotAnswer(message: string): ApiError {
  return invalidRequest([{ path: "messageId", message }]);
}

function checkAnswerable(message: Message): void {
  if (message.direction !== "incoming") throw cannotAnswer("must be an incoming message");
  if (message.retractedAt !== null) throw cannotAnswer("must not be a message that was unsent");
  if (promptTextOf(message.text) === "") throw cannotAnswer("must be a message with text");
}

/** Each contact's name under each of its handles, as the messages spell them. */
function namesByHandle(contacts: readonly Contact[], handles: readonly string[]): Map<string, string> {
  const known = new Map<string, string>();
  for (const { appleId, phoneNumber, email, displayName } of contacts) {
    if (!displayName) continue;
    for (const handle of [appleId, phoneNumber, email]) {
      if (handle) known.set(handle.toLowerCase(), displayName);
    }
  }
  return new Map(handles.flatMap((handle) => {
    const name = known.get(handle.toLowerCase());
    return name === undefined ? [] : [[handle, name]];
  }));
}

async function namesOf(
  stores: PromptStores,
  { accountId, messages }: { accountId: string; messages: readonly Message[] },
): Promise<Map<string, string>> {
  const handles = [...new Set(messages.flatMap(({ senderId }) => senderId ?? []))];
  if (handles.length === 0) return new Map();
  return namesByHandle(await stores.contacts.findByHandles(accountId, handles), handles);
}

async function conversationOf(stores: PromptStores, message: Message): Promise<Conversation> {
  const conversation = await stores.conversations.find(message.accountId, message.conversationId);
  if (conversation === undefined) throw new ApiError("not_found", "There is no message with this id");
  return conversation;
}

/** A prompt, and the messages that it was made from. */
export interface Prompt extends BuiltPrompt {
  readonly sourceMessageIds: string[];
}

/**
 * The prompt that drafts a reply to a message.
 *
 * @throws ApiError as {@linkcode promptOf}, and `not_found` for a message that the account does not have
 */
export async function promptFor(stores: PromptStores, request: PromptRequest): Promise<Prompt> {
  const { accountId, messageId, context } = request;
  const asked = { messageIds: [messageId], limit: context.maxHistory };
  const history = (await stores.conversations.histories(accountId, asked)).get(messageId);
  if (history === undefined) throw new ApiError("not_found", "There is no message with this id");
  return await promptOf(stores, { history, context });
}

/**
 * The prompt that drafts a reply to a message whose history was read already.
 *
 * @throws ApiError `validation_failed` for a message that cannot be answered: sent by the owner, unsent, without text
 */
export async function promptOf(
  stores: PromptStores,
  { history: { message, before }, context }: { history: MessageHistory; context: PromptRequest["context"] },
): Promise<Prompt> {
  checkAnswerable(message);
  const { accountId } = message;
  const messages = [...before, message];
  const conversation = await conversationOf(stores, message);
  const names = context.includeContactInfo ? await namesOf(stores, { accountId, messages }) : null;
  const prompt = buildPrompt({ conversation, messages, names });
  return { ...prompt, sourceMessageIds: messages.map(({ id }) => id) };
}
