/** Owns the sending of messages, a few conversations at a time, and the counts of what the server answered. */
import { MAX_SYNC_DELETIONS, type SyncMessagesResponse } from "../../contract/sync.ts";
import { concurrently } from "../../lib/async.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { ServerClient } from "../clients/server_client.ts";
import { byConversation, conversationBatchesOf, type OutgoingMessage } from "./conversation_batch.ts";
import { type Refusal, sendWithBisection } from "./send_with_bisection.ts";
import { wireGuidOf } from "./message_mapping.ts";
import { Refusals } from "./refusals.ts";
import type { RefusedItem } from "./sync_record.ts";
import { digestOf } from "./wire_text.ts";

export interface SendTotals {
  inserted: number;
  updated: number;
  unchanged: number;
  /** Messages that the server had and has deleted. */
  deleted: number;
}

/** Conversations sent at a time: hides the way to the server without crowding it. */
const CONVERSATIONS_AT_ONCE = 4;

/** Sends to one server and counts. */
export class MessageUploader {
  readonly refusals = new Refusals();
  readonly totals: SendTotals = { inserted: 0, updated: 0, unchanged: 0, deleted: 0 };
  /** How many rows wait behind what is sent next; told along with it, unless null. */
  lagRows: number | null = null;
  readonly #server: ServerClient;

  constructor(server: ServerClient) {
    this.#server = server;
  }

  /**
   * Sends messages, those of each conversation in their order. They are acknowledged, or noted as refused, when this
   * returns.
   *
   * @throws what `ServerClient` throws; any part may then have arrived
   */
  async send(messages: readonly ChatMessage[]): Promise<void> {
    await concurrently(byConversation(messages), (own) => this.#sendConversation(own), {
      limit: CONVERSATIONS_AT_ONCE,
    });
  }

  /**
   * Tells of messages that were deleted. They are deleted, or were never there, when this returns.
   *
   * @throws what `ServerClient` throws; any part may then have arrived
   */
  async delete(guids: readonly string[]): Promise<void> {
    const wires = guids.map(wireGuidOf).filter((guid) => guid !== null);
    for (let first = 0; first < wires.length; first += MAX_SYNC_DELETIONS) {
      const { deleted } = await this.#server.syncDeletions(wires.slice(first, first + MAX_SYNC_DELETIONS));
      this.totals.deleted += deleted;
    }
  }

  async #sendConversation(own: readonly ChatMessage[]): Promise<void> {
    for (const { conversation, messages } of conversationBatchesOf(own)) {
      await sendWithBisection(messages, {
        field: "messages",
        send: async (items) => {
          const wires = items.map(({ wire }) => wire);
          const lag = this.lagRows === null ? {} : { lagRows: this.lagRows };
          this.#count(await this.#server.syncMessages({ ...conversation, messages: wires, ...lag }));
        },
        refuse: (items, refusal) => this.refusals.add(items.map((item) => refusedMessage(item, refusal))),
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

function refusedMessage({ rowId, wire }: OutgoingMessage, { code, path }: Refusal): RefusedItem {
  return { kind: "message", rowId, digest: digestOf(wire.imessageGuid), code, path };
}
