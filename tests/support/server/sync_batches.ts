/** Builds synced messages and batches for tests of the server, and sends a conversation to it. */
import { messageListSchema } from "../../../contract/conversations.ts";
import type { Message } from "../../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { type SyncMessagesInput, syncMessagesResponseSchema } from "../../../contract/sync.ts";
import type { ServerAppUnderTest } from "./server_app.ts";

export type MessageInput = SyncMessagesInput["messages"][number];

/** The one other person of most test conversations. */
export const JOHN = "+15550100";

/** An incoming message of John's, new at each call. */
export function syncMessage(change: Partial<MessageInput> = {}): MessageInput {
  return {
    imessageGuid: crypto.randomUUID(),
    senderId: JOHN,
    direction: "incoming",
    text: "Hello!",
    sentAt: "2024-01-01T12:00:00Z",
    ...change,
  };
}

/** A batch of the direct conversation with John. */
export function syncBatch(
  messages: MessageInput[],
  change: Partial<SyncMessagesInput> = {},
): SyncMessagesInput {
  return {
    conversationImessageId: `any;-;${JOHN}`,
    conversationDisplayName: "John Doe",
    isGroup: false,
    participantIds: [JOHN],
    messages,
    ...change,
  };
}

/** A paired device and its server. */
export interface Sender {
  server: ServerAppUnderTest;
  token: string;
}

/** Sends a batch that must be accepted. */
export async function sendBatch({ server, token }: Sender, body: SyncMessagesInput) {
  return await server.expect(SERVER_PATHS.syncMessages, { token, body, schema: syncMessagesResponseSchema });
}

/** One line of a conversation: who wrote it (`me`, or a handle) and what. */
export type Line = readonly [sender: string, text: string | null];

/**
 * Sends a conversation, one minute between its lines.
 *
 * @returns its messages as the server shows them, oldest first
 */
export async function sendConversation(
  { server, token }: Sender,
  { lines, ...change }: { lines: readonly Line[] } & Partial<Omit<SyncMessagesInput, "messages">>,
): Promise<Message[]> {
  const messages = lines.map(([sender, text], minute) =>
    syncMessage({
      senderId: sender === "me" ? null : sender,
      direction: sender === "me" ? "outgoing" : "incoming",
      text,
      sentAt: new Date(Date.UTC(2024, 0, 1, 12, minute)).toISOString(),
    })
  );
  const { conversationId } = await sendBatch({ server, token }, syncBatch(messages, change));
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
  const stored = await server.expect(`${path}?pageSize=200`, { token, schema: messageListSchema });
  return stored.messages.reverse();
}
