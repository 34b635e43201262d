/** The server calls for drafts: conversations, their messages, drafts, and what the person did with them. */
import {
  type Conversation,
  type ConversationList,
  conversationListSchema,
  conversationResponseSchema,
  type MessageList,
  messageListSchema,
} from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  type GeneratedResponse,
  generatedResponseSchema,
  type ResponseActionRequest,
  type ResponseActionResponse,
  responseActionResponseSchema,
  type ResponseList,
  responseListSchema,
  type ResponseRecord,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { createAgentClient } from "./server_client.ts";

export interface PageOptions {
  pageSize: number;
  /** `nextCursor` of the page before. */
  cursor?: string;
}

/** Calls throw RemoteError for an answered error and UnreachableError when no usable answer came. */
export interface DraftClient {
  readonly baseUrl: string;
  /** Newest activity first. */
  conversations(page: PageOptions): Promise<ConversationList>;
  conversation(id: string): Promise<Conversation>;
  /** Newest first. */
  messages(conversationId: string, page: PageOptions): Promise<MessageList>;
  /** Newest first, of one conversation or of all. */
  drafts(page: PageOptions & { conversationId?: string }): Promise<ResponseList>;
  draft(responseId: string): Promise<ResponseRecord>;
  /** Drafts a reply to an incoming message and waits for it. */
  generate(messageId: string): Promise<GeneratedResponse>;
  /** The same action again changes nothing. */
  act(responseId: string, action: ResponseActionRequest): Promise<ResponseActionResponse>;
}

export interface DraftClientOptions {
  baseUrl: string;
  token: string;
  /** Tries after the first one of calls that may be repeated. */
  retries: number;
  timeoutMs: number;
  signal?: AbortSignal;
}

/** A draft of a large model on a slow machine takes its time. */
const GENERATE_TIMEOUT_MS = 180_000;

function queryOf({ pageSize, ...others }: PageOptions & { conversationId?: string }): string {
  const given = Object.entries(others).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return `?${new URLSearchParams([["pageSize", String(pageSize)], ...given])}`;
}

/** Makes the client. */
export function createDraftClient(options: DraftClientOptions): DraftClient {
  const { baseUrl, retries, timeoutMs, signal } = options;
  const client = createAgentClient({ baseUrl, retries, timeoutMs, token: () => options.token });
  return {
    baseUrl,
    conversations: (page) =>
      client.request("GET", SERVER_PATHS.conversations + queryOf(page), {
        signal,
        schema: conversationListSchema,
      }),
    conversation: async (id) => {
      const path = pathOf(SERVER_PATHS.conversation, { id });
      return (await client.request("GET", path, { signal, schema: conversationResponseSchema })).conversation;
    },
    messages: (id, page) =>
      client.request("GET", pathOf(SERVER_PATHS.conversationMessages, { id }) + queryOf(page), {
        signal,
        schema: messageListSchema,
      }),
    drafts: (page) =>
      client.request("GET", SERVER_PATHS.responses + queryOf(page), { signal, schema: responseListSchema }),
    draft: (id) =>
      client.request("GET", pathOf(SERVER_PATHS.response, { id }), { signal, schema: responseRecordSchema }),
    generate: (messageId) =>
      client.request("POST", SERVER_PATHS.generateResponse, {
        body: { messageId },
        signal,
        timeoutMs: GENERATE_TIMEOUT_MS,
        schema: generatedResponseSchema,
      }),
    act: (id, body) =>
      client.request("POST", pathOf(SERVER_PATHS.responseAction, { id }), {
        body,
        signal,
        repeatable: true,
        schema: responseActionResponseSchema,
      }),
  };
}
