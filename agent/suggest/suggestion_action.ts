/** What the person does with a suggestion: recorded by the server, which learns from it, and sent on request. */
import type { ResponseActionRequest, ResponseRecord } from "../../contract/responses.ts";
import { RemoteError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import type { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import { readMessage } from "../chatdb/messages/message_reader.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import type { SendOutcome } from "./send/delivery_status.ts";
import { wireMessageOf } from "../sync/message_mapping.ts";
import { type SendDependencies, sendReply } from "./send/send_reply.ts";
import { MESSAGES_TO_READ } from "./suggestion.ts";
import type { ShownSuggestion } from "../state/stored_values.ts";

/** What was recorded, and the outcome of the sending if there was one. */
export interface ActionResult {
  /** The final text: the draft's, or the person's own. null for a rejection. */
  readonly text: string | null;
  /** True when the action made a training sample. */
  readonly taught: boolean;
  readonly sending: SendOutcome | null;
}

export interface ActionOptions {
  action: ResponseActionRequest;
  client: DraftClient;
  /** Where the answered message is; absent on a machine without Messages. */
  openChatDatabase?: () => ChatDatabase;
  /** Sends what is accepted or edited; absent: nothing is sent. */
  send?: SendDependencies;
}

function staleDraft(cause?: unknown): UserError {
  return new UserError(
    "The message that this draft answers was edited or unsent since, so nothing was recorded",
    {
      fix: "Run `agent suggest` for a new one",
      cause,
    },
  );
}

/** True when the server finds that a draft no longer fits its message. */
async function isStale(client: DraftClient, responseId: string): Promise<boolean> {
  const draft = await client.draft(responseId).catch(() => null);
  return draft?.stale === true && draft.action === null;
}

/** The answered message as chat.db has it; null where there is no chat.db, or not this message. */
function messageHere(openChatDatabase: () => ChatDatabase, guid: string): ChatMessage | null {
  try {
    using database = openChatDatabase();
    return readMessage(database, { guid, nowMs: Date.now() });
  } catch (error) {
    if (error instanceof ChatDatabaseError) return null;
    throw error;
  }
}

/** True when chat.db says of the answered message what the server does not know yet: other words, or that it was unsent. */
async function isChangedHere(
  client: DraftClient,
  { draft, here }: { draft: ResponseRecord; here: ChatMessage | null },
): Promise<boolean> {
  if (here === null || (here.retractedAtMs === null && here.editedAtMs === null)) return false;
  if (here.retractedAtMs !== null) return true;
  const { messages } = await client.messages(draft.conversationId, { pageSize: MESSAGES_TO_READ });
  const known = messages.find(({ id }) => id === draft.messageId);
  return known !== undefined && known.text !== (wireMessageOf(here).text ?? null);
}

function actionFault(error: unknown): unknown {
  if (!(error instanceof RemoteError)) return error;
  if (error.body.code === "conflict") {
    return new UserError("This draft was acted on before, in another way", {
      fix: "Run `agent suggest` for a new one",
      cause: error,
    });
  }
  if (error.body.code !== "not_found") return error;
  return new UserError("The server no longer has this draft", {
    fix: "Run `agent suggest` for a new one",
    cause: error,
  });
}

async function record(
  client: DraftClient,
  { responseId, action }: { responseId: string; action: ResponseActionRequest },
): Promise<boolean> {
  try {
    return (await client.act(responseId, action)).trainingSampleId !== null;
  } catch (error) {
    const isConflict = error instanceof RemoteError && error.body.code === "conflict";
    throw isConflict && await isStale(client, responseId) ? staleDraft(error) : actionFault(error);
  }
}

async function draftOf(client: DraftClient, responseId: string): Promise<ResponseRecord> {
  try {
    return await client.draft(responseId);
  } catch (error) {
    throw actionFault(error);
  }
}

/**
 * Records an action, and sends the words when asked to. The same again changes nothing and sends nothing twice.
 *
 * @throws UserError with a sentence for the person, and what `DraftClient` and `sendReply` throw
 */
export async function actOnSuggestion(
  { responseId, messageGuid }: Pick<ShownSuggestion, "responseId" | "messageGuid">,
  { action, client, send, openChatDatabase }: ActionOptions,
): Promise<ActionResult> {
  if (action.action === "reject") {
    return { text: null, taught: await record(client, { responseId, action }), sending: null };
  }
  const draft = await draftOf(client, responseId);
  if (draft.action === null) {
    const here = openChatDatabase === undefined ? null : messageHere(openChatDatabase, messageGuid);
    if (draft.stale || await isChangedHere(client, { draft, here })) throw staleDraft();
  }
  const text = action.action === "edit" ? action.editedResponse : draft.response?.trim() ?? "";
  let taught = false;
  const approve = async () => {
    taught = await record(client, { responseId, action });
  };
  if (send === undefined) {
    await approve();
    return { text, taught, sending: null };
  }
  if (text.trim() === "") throw new UserError("There is nothing to send: the draft has no words");
  const sending = await sendReply(send, { responseId, messageGuid, text, approve });
  return { text, taught, sending };
}
