/** Uploads messages, a few conversations at a time, past those that the server refuses, and counts what it answered. */
import { MAX_SYNC_DELETIONS } from "../../contract/sync.ts";
import { concurrently } from "../../lib/async.ts";
import { UserError } from "../../lib/errors.ts";
import { RemoteError } from "../../lib/http/client.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { ServerClient } from "../clients/server_client.ts";
import { byConversation, conversationBatchesOf, requestJsonOf } from "./batches.ts";
import { digestOf, wireGuidOf } from "./message_mapping.ts";
import type { AgentDatabase } from "../state/agent_database.ts";
import type { RefusedItem } from "../state/stored_values.ts";

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
  /** What was refused since the last call. */
  takeRefused(): RefusedItem[];
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

/** Why the server refused an item: an error code of the contract and the path of the fault, never a value. */
export interface Refusal {
  readonly code: string;
  readonly path: string;
}

export interface BisectionOptions<Item> {
  /** Sends items in one request. */
  send: (items: readonly Item[]) => Promise<void>;
  /** Notes items that the server will not take. */
  refuse: (items: readonly Item[], refusal: Refusal) => void;
  /** The field of the request that holds the items; a fault elsewhere does not go away with fewer items. */
  field: string;
}

/** So many in a row are no odd rows: agent and server do not understand each other. */
const MAX_CONSECUTIVE = 100;
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
    for (const part of partsOf(wires, MAX_SYNC_DELETIONS)) {
      this.totals.deleted += (await this.#server.syncDeletions(part)).deleted;
    }
  }

  takeRefused(): RefusedItem[] {
    return this.refusals.take();
  }

  async #sendConversation(own: readonly ChatMessage[], lagRows: number): Promise<void> {
    for (const { conversation, messages } of conversationBatchesOf(own)) {
      await this.refusals.sendPast(messages, {
        field: "messages",
        send: async (items) => {
          const json = requestJsonOf({ conversation, messages: items }, lagRows);
          const counts = await this.#server.syncMessages(json);
          for (const name of ["inserted", "updated", "unchanged"] as const) this.totals[name] += counts[name];
        },
        describe: ({ rowId, imessageGuid }) => ({ kind: "message", rowId, digest: digestOf(imessageGuid) }),
      });
    }
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

  takeRefused(): RefusedItem[] {
    return [];
  }

  delete(guids: readonly string[]): Promise<void> {
    this.deletions += guids.length;
    return Promise.resolve();
  }
}

function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof RemoteError)) return null;
  if (error.statusCode !== 400 && error.statusCode !== 413) return null;
  return { code: error.body.code, path: error.body.details?.[0]?.path ?? "" };
}

function isInItems({ path }: Refusal, field: string): boolean {
  return path === "" || path === field || path.startsWith(`${field}.`);
}

/**
 * Sends items in order. A request that is refused as invalid or too large is halved and sent again, down to the
 * single items that are at fault. Any other error is thrown.
 */
export async function sendWithBisection<Item>(
  items: readonly Item[],
  options: BisectionOptions<Item>,
): Promise<void> {
  try {
    return await options.send(items);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    if (items.length === 1 || !isInItems(refusal, options.field)) return options.refuse(items, refusal);
  }
  const middle = Math.ceil(items.length / 2);
  await sendWithBisection(items.slice(0, middle), options);
  await sendWithBisection(items.slice(middle), options);
}

/** Stores refused items; one that was refused before is counted once. */
export function noteRefused(database: AgentDatabase, items: readonly RefusedItem[]): void {
  for (const item of items) database.values("refused_items").put(item.digest, item);
}

/** Items in parts of at most so many. */
export function* partsOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let first = 0; first < items.length; first += size) yield items.slice(first, first + size);
}

/** Collects refused items until they are taken to be recorded. */
export class Refusals {
  #collected: RefusedItem[] = [];
  #consecutive = 0;
  #total = 0;

  /** How many were refused since the beginning. */
  get total(): number {
    return this.#total;
  }

  /** Sends items past those that the server refuses, as `sendWithBisection` does; `describe` says what those were. */
  async sendPast<Item>(
    items: readonly Item[],
    { field, send, describe }: Pick<BisectionOptions<Item>, "field" | "send"> & {
      describe: (item: Item) => Omit<RefusedItem, keyof Refusal>;
    },
  ): Promise<void> {
    await sendWithBisection(items, {
      field,
      send: async (part) => {
        await send(part);
        this.noteAccepted();
      },
      refuse: (part, refusal) => this.add(part.map((item) => ({ ...describe(item), ...refusal }))),
    });
  }

  /** Something was accepted. */
  noteAccepted(): void {
    this.#consecutive = 0;
  }

  /** @throws UserError when nothing gets through any more */
  add(items: readonly RefusedItem[]): void {
    this.#collected.push(...items);
    this.#total += items.length;
    this.#consecutive += items.length;
    if (this.#consecutive < MAX_CONSECUTIVE) return;
    const [{ code, path } = { code: "unknown", path: "" }] = items;
    throw new UserError(`The server refuses everything (${code}${path ? ` at ${path}` : ""})`, {
      fix: "Make sure that agent and server are of the same version",
    });
  }

  /** The items collected since the last call. */
  take(): RefusedItem[] {
    const taken = this.#collected;
    this.#collected = [];
    return taken;
  }
}
