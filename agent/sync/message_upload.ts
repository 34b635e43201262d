/** Uploads messages, a few conversations at a time, and counts what the server answered. */
import { MAX_SYNC_DELETIONS, type SyncMessagesResponse } from "../../contract/sync.ts";
import { concurrently } from "../../lib/async.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { ServerClient } from "../clients/server_client.ts";
import { byConversation, conversationBatchesOf, requestJsonOf } from "./batches.ts";
import { wireGuidOf } from "./message_mapping.ts";
import { Refusals, sendWithBisection } from "./send_with_bisection.ts";
import { digestOf } from "./wire_text.ts";

export interface SendOptions {
  /** `changed` messages were sent before, in another form. */
  why: "new" | "changed";
  /** How many rows wait behind these messages; reported along with them. */
  lagRows: number;
}

/** Takes what a sync sends. */
export interface MessageUploader {
  /** Sends messages, those of each conversation in their order. They are acknowledged, or refused, when this returns. */
  send(messages: readonly ChatMessage[], options: SendOptions): Promise<void>;
  /** Reports messages that were deleted. They are deleted, or were never there, when this returns. */
  delete(guids: readonly string[]): Promise<void>;
}

export interface UploadTotals {
  inserted: number;
  updated: number;
  unchanged: number;
  /** Messages that the server had and has deleted. */
  deleted: number;
}

/** Conversations sent at a time: hides the way to the server without crowding it. */
const CONVERSATIONS_AT_ONCE = 4;

/** Uploads to one server. Its methods throw what `ServerClient` throws; any part may then have arrived. */
export class ServerUploader implements MessageUploader {
  readonly refusals = new Refusals();
  readonly totals: UploadTotals = { inserted: 0, updated: 0, unchanged: 0, deleted: 0 };
  readonly #server: ServerClient;

  constructor(server: ServerClient) {
    this.#server = server;
  }

  async send(messages: readonly ChatMessage[], { lagRows }: SendOptions): Promise<void> {
    const sendOne = (own: ChatMessage[]) => this.#sendConversation(own, lagRows);
    await concurrently(byConversation(messages), sendOne, { limit: CONVERSATIONS_AT_ONCE });
  }

  async delete(guids: readonly string[]): Promise<void> {
    const wires = guids.map(wireGuidOf).filter((guid) => guid !== null);
    for (let first = 0; first < wires.length; first += MAX_SYNC_DELETIONS) {
      const { deleted } = await this.#server.syncDeletions(wires.slice(first, first + MAX_SYNC_DELETIONS));
      this.totals.deleted += deleted;
    }
  }

  async #sendConversation(own: readonly ChatMessage[], lagRows: number): Promise<void> {
    for (const { conversation, messages } of conversationBatchesOf(own)) {
      await sendWithBisection(messages, {
        field: "messages",
        send: async (items) => {
          const json = requestJsonOf({ conversation, messages: items }, lagRows);
          this.#count(await this.#server.syncMessages(json));
        },
        refuse: (items, why) =>
          this.refusals.add(items.map(({ rowId, imessageGuid }) => (
            { kind: "message", rowId, digest: digestOf(imessageGuid), ...why }
          ))),
      });
    }
  }

  #count({ inserted, updated, unchanged }: SyncMessagesResponse): void {
    this.refusals.noteAccepted();
    this.totals.inserted += inserted;
    this.totals.updated += updated;
    this.totals.unchanged += unchanged;
  }
}

/** Counts what would be uploaded, for a dry run. */
export class CountingUploader implements MessageUploader {
  readonly #conversations = new Set<string | null>();
  newMessages = 0;
  deletions = 0;

  /** How many conversations the new messages are in. */
  get conversations(): number {
    return this.#conversations.size;
  }

  send(messages: readonly ChatMessage[], { why }: SendOptions): Promise<void> {
    if (why === "new") {
      this.newMessages += messages.length;
      for (const { conversation } of messages) this.#conversations.add(conversation?.id ?? null);
    }
    return Promise.resolve();
  }

  delete(guids: readonly string[]): Promise<void> {
    this.deletions += guids.length;
    return Promise.resolve();
  }
}
