/** Builds a realistic Messages database for tests, benches and the demo: real tables, WAL mode, typedstream bodies. */
import { type BodyPart, encodeBody, plainText } from "./body.ts";
import { isAtLeast } from "./ddl.ts";
import { ChatDbStore, type Row, type StoreOptions } from "./store.ts";

export type { AttachmentPart, BodyPart, TextPart } from "./body.ts";
export type { Generation } from "./ddl.ts";
export type { Row, SqlValue } from "./store.ts";

export type Service = "iMessage" | "SMS" | "RCS" | "iMessageLite";
/** A date, or its ISO 8601 form. */
export type Moment = Date | string;

/** A row of `handle`: one address on one service. */
export interface Handle {
  readonly rowId: number;
  readonly id: string;
  readonly service: Service;
}

/** A row of `chat`. */
export interface Chat {
  readonly rowId: number;
  readonly guid: string;
  readonly identifier: string;
  readonly service: Service;
  readonly isGroup: boolean;
  readonly participants: readonly Handle[];
  readonly roomName: string | null;
}

/** A row of `message`, with what later edits need to know about it. */
export interface Message {
  readonly rowId: number;
  readonly guid: string;
  readonly chat: Chat | null;
  readonly isFromMe: boolean;
  readonly sentAt: Date;
  readonly parts: readonly BodyPart[];
}

/** The sender: the owner of the Mac, a handle, or the address of one (made when new). */
export type Sender = "me" | Handle | string;

export interface ChatDbOptions extends StoreOptions {
  /** The owner's own address; the default is +15550100000. */
  me?: string;
}

export interface HandleOptions {
  service?: Service;
  country?: string | null;
  /** Apple's hint that several handles are one person. */
  personCentricId?: string | null;
}

export interface ChatOptions {
  /** Phone number or e-mail of the other side, or `chat<digits>` of a group. */
  identifier: string;
  service?: Service;
  /** By default, whether the identifier has the form `chat<digits>`. */
  group?: boolean;
  displayName?: string;
  /** Everyone but me; by default the identifier of a direct chat. */
  participants?: readonly (Handle | string)[];
  /** First segment of the guid; by default the service, and `any` from macOS 26 on. */
  guidPrefix?: string;
  groupId?: string;
  /** Any further column, or another value for one. */
  columns?: Row;
}

export interface MessageOptions {
  /** Null leaves the message without a row in chat_message_join for ever: an orphan. */
  chat: Chat | null;
  from: Sender;
  sentAt: Moment;
  /** A plain body; give `parts` instead for mentions, links and attachments in the text. */
  text?: string;
  parts?: readonly BodyPart[];
  /** Where the body is stored; by default `attributedBody` alone, `both` up to macOS 10.12. */
  bodyIn?: "attributedBody" | "text" | "both";
  /** Encodes the body as NSMutableAttributedString. */
  mutableBody?: boolean;
  service?: Service;
  guid?: string;
  subject?: string;
  deliveredAt?: Moment;
  readAt?: Moment;
  /** The root message of the thread this one replies in. */
  replyTo?: Message;
  /** Unit of the dates; by default that of the generation. */
  dateUnit?: "seconds" | "nanoseconds";
  /** Leaves the row unjoined until `joinMessage`, as while Messages is still writing. */
  joinLater?: boolean;
  /** Any further column, or another value for one. */
  columns?: Row;
}

/** chat.style of Messages. */
const STYLE = { group: 43, direct: 45 };
/** Version of the message rows that Messages writes. */
const MESSAGE_VERSION = 10;
const DEFAULT_ME = "+15550100000";

/** Creates `path` as a new chat.db; the file must not exist yet. */
export function createChatDb(path: string, options: ChatDbOptions = {}): ChatDb {
  return new ChatDb(path, options);
}

/**
 * A chat.db being written, with handles, chats and messages as Messages writes them. Each call commits on its own;
 * `store.atomically` groups several. Rarer kinds of rows are in chat_db_rows.ts, edits in chat_db_edits.ts.
 */
export class ChatDb implements Disposable {
  readonly store: ChatDbStore;
  readonly me: string;
  readonly #handles = new Map<string, Handle>();
  /** Guid of the newest message of each chat, which reply_to_guid names. */
  readonly #lastGuids = new Map<number, string>();

  constructor(path: string, options: ChatDbOptions) {
    this.store = new ChatDbStore(path, options);
    this.me = options.me ?? DEFAULT_ME;
  }

  /** The handle of `id` on a service, made when new. */
  addHandle(id: string, options: HandleOptions = {}): Handle {
    const service = options.service ?? "iMessage";
    const known = this.#handles.get(`${service} ${id}`);
    if (known) return known;
    const rowId = this.store.insert("handle", {
      id,
      service,
      country: options.country ?? "us",
      uncanonicalized_id: id,
      person_centric_id: options.personCentricId ?? null,
    });
    const handle = { rowId, id, service };
    this.#handles.set(`${service} ${id}`, handle);
    return handle;
  }

  /** A new chat with its participants. One person's SMS and iMessage chats are two calls with one identifier. */
  addChat(options: ChatOptions): Chat {
    const { identifier, service = "iMessage" } = options;
    const isGroup = options.group ?? /^chat\d+$/.test(identifier);
    const prefix = options.guidPrefix ?? (isAtLeast(this.store.generation, "tahoe") ? "any" : service);
    const guid = `${prefix};${isGroup ? "+" : "-"};${identifier}`;
    const participants = (options.participants ?? (isGroup ? [] : [identifier]))
      .map((participant) => this.#resolve(participant, service));
    const roomName = isGroup ? identifier : null;
    return this.store.atomically(() => {
      const rowId = this.store.insert("chat", {
        guid,
        style: isGroup ? STYLE.group : STYLE.direct,
        state: 3,
        account_id: this.store.nextGuid(),
        chat_identifier: identifier,
        service_name: service,
        room_name: roomName,
        account_login: this.#account(),
        last_addressed_handle: this.me,
        display_name: options.displayName ?? "",
        group_id: options.groupId ?? this.store.nextGuid(),
        ...options.columns,
      });
      for (const { rowId: handleId } of participants) {
        this.store.insert("chat_handle_join", { chat_id: rowId, handle_id: handleId });
      }
      this.#addLookups(rowId, identifier, service);
      return { rowId, guid, identifier, service, isGroup, participants, roomName };
    });
  }

  /** A new message, joined to its chat unless it is an orphan or joins later. */
  addMessage(options: MessageOptions): Message {
    const message = this.#describe(options);
    return this.store.atomically(() => {
      const rowId = this.store.insert("message", {
        ...this.#messageRow(message, options),
        ...options.columns,
      });
      const added = { ...message, rowId };
      if (options.chat && !options.joinLater) this.joinMessage(added, options.chat);
      if (options.chat) this.#lastGuids.set(options.chat.rowId, message.guid);
      return added;
    });
  }

  /** Writes the chat_message_join row of a message that lacks it, or adds the message to a second chat. */
  joinMessage(message: Message, chat: Chat): void {
    this.store.run(
      this.store.has("chat_message_join", "message_date")
        ? "INSERT INTO chat_message_join (chat_id, message_id, message_date) SELECT ?, ROWID, date FROM message WHERE ROWID = ?"
        : "INSERT INTO chat_message_join (chat_id, message_id) SELECT ?, ROWID FROM message WHERE ROWID = ?",
      chat.rowId,
      message.rowId,
    );
  }

  /** What Messages writes for a note to oneself: one row sent and one received, equal but for guid and direction. */
  addSelfChatTwins(options: Omit<MessageOptions, "from">): [sent: Message, received: Message] {
    return [this.addMessage({ ...options, from: "me" }), this.addMessage({ ...options, from: this.me })];
  }

  /** Deletes a message for good; its guid goes to deleted_messages. */
  deleteMessage(message: Message): void {
    this.store.atomically(() => {
      this.store.run("DELETE FROM message_attachment_join WHERE message_id = ?", message.rowId);
      this.store.run("DELETE FROM chat_message_join WHERE message_id = ?", message.rowId);
      this.store.run("DELETE FROM message WHERE ROWID = ?", message.rowId);
    });
  }

  /** Moves a message to Recently Deleted (macOS 13 and later): its join row moves, its message row stays. */
  moveToRecentlyDeleted(message: Message, at: Moment): void {
    this.store.atomically(() => {
      this.store.run(
        "INSERT INTO chat_recoverable_message_join (chat_id, message_id, delete_date) " +
          "SELECT chat_id, message_id, ? FROM chat_message_join WHERE message_id = ?",
        this.store.appleDate(new Date(at)),
        message.rowId,
      );
      this.store.run("DELETE FROM chat_message_join WHERE message_id = ?", message.rowId);
    });
  }

  /** Recovers a message from Recently Deleted. */
  recoverMessage(message: Message, at: Moment): void {
    this.store.atomically(() => {
      if (message.chat) this.joinMessage(message, message.chat);
      this.store.run("DELETE FROM chat_recoverable_message_join WHERE message_id = ?", message.rowId);
      this.store.update("message", {
        rowId: message.rowId,
        set: { date_recovered: this.store.appleDate(new Date(at)) },
      });
    });
  }

  /** The guid rewrite of macOS 26: every chat guid begins with `any;` from now on. */
  rewriteChatGuids(): void {
    this.store.run("UPDATE chat SET guid = 'any' || substr(guid, instr(guid, ';'))");
  }

  /** See {@link ChatDbStore.checkpoint}. */
  checkpoint(): void {
    this.store.checkpoint();
  }

  /** See {@link ChatDbStore.close}. */
  close(options?: { checkpoint?: boolean }): void {
    this.store.close(options);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #resolve(participant: Handle | string, service: Service): Handle {
    return typeof participant === "string" ? this.addHandle(participant, { service }) : participant;
  }

  #describe(options: MessageOptions): Omit<Message, "rowId"> {
    return {
      guid: options.guid ?? this.store.nextGuid(),
      chat: options.chat,
      isFromMe: options.from === "me",
      sentAt: new Date(options.sentAt),
      parts: options.parts ?? (options.text === undefined ? [] : [options.text]),
    };
  }

  #messageRow(message: Omit<Message, "rowId">, options: MessageOptions): Row {
    const { chat, isFromMe, guid } = message;
    const service = options.service ?? chat?.service ?? "iMessage";
    const appleTime = (at: Moment | undefined) =>
      at === undefined ? 0 : this.store.appleDate(new Date(at), options.dateUnit);
    return {
      guid,
      ...this.#bodyColumns(message.parts, options),
      handle_id: this.#handleId(options.from, chat, service),
      subject: options.subject ?? null,
      version: MESSAGE_VERSION,
      service,
      account: this.#account(),
      date: appleTime(options.sentAt),
      date_read: appleTime(options.readAt),
      date_delivered: appleTime(options.deliveredAt),
      is_delivered: Number(!isFromMe || options.deliveredAt !== undefined),
      is_finished: 1,
      is_from_me: Number(isFromMe),
      is_read: Number(options.readAt !== undefined),
      is_sent: Number(isFromMe),
      is_empty: Number(message.parts.length === 0),
      reply_to_guid: (chat && this.#lastGuids.get(chat.rowId)) ?? null,
      thread_originator_guid: options.replyTo?.guid ?? null,
      thread_originator_part: options.replyTo ? `0:0:${plainText(options.replyTo.parts).length}` : null,
      destination_caller_id: this.me,
      part_count: 1,
      // Messages' trigger fills it after the join; a bulk build has no triggers.
      cache_roomnames: this.store.isBulk ? chat?.roomName ?? null : undefined,
    };
  }

  #bodyColumns(parts: readonly BodyPart[], options: MessageOptions): Row {
    if (parts.length === 0) return { text: null, attributedBody: null };
    const bodyIn = options.bodyIn ??
      (isAtLeast(this.store.generation, "high_sierra") ? "attributedBody" : "both");
    return {
      text: bodyIn === "attributedBody" ? null : plainText(parts),
      attributedBody: bodyIn === "text" ? null : encodeBody(parts, { mutable: options.mutableBody }),
    };
  }

  /** My own messages carry the recipient's handle in a direct chat and none in a group. */
  #handleId(from: Sender, chat: Chat | null, service: Service): number {
    if (from !== "me") return this.#resolve(from, service).rowId;
    return chat && !chat.isGroup ? chat.participants[0]?.rowId ?? 0 : 0;
  }

  #account(): string {
    return `${this.me.includes("@") ? "E" : "P"}:${this.me}`;
  }

  #addLookups(chatId: number, identifier: string, service: Service): void {
    if (!isAtLeast(this.store.generation, "tahoe")) return;
    this.store.run(
      "INSERT OR IGNORE INTO chat_lookup (identifier, domain, chat) VALUES (?, ?, ?)",
      identifier,
      service,
      chatId,
    );
    this.store.run("INSERT OR IGNORE INTO chat_service (service, chat) VALUES (?, ?)", service, chatId);
  }
}
