/** The rarer rows of the chat.db fixture: tapbacks, attachments, group events, app messages, Send Later drafts. */
import { type BodyPart, plainText } from "./body.ts";
import type {
  Chat,
  ChatDb,
  Handle,
  Message,
  MessageOptions,
  Moment,
  Row,
  Sender,
} from "./chat_db_fixture.ts";

/** associated_message_type of each tapback, and the words Messages puts into the row's own text. */
const TAPBACKS = {
  love: [2000, "Loved"],
  like: [2001, "Liked"],
  dislike: [2002, "Disliked"],
  laugh: [2003, "Laughed at"],
  emphasize: [2004, "Emphasized"],
  question: [2005, "Questioned"],
  emoji: [2006, "Reacted"],
  sticker: [2007, "Reacted with a sticker to"],
} as const;

/** A removed tapback has the type of the added one plus this. */
const REMOVAL_OFFSET = 1000;

export type TapbackKind = keyof typeof TAPBACKS;

export interface TapbackOptions {
  to: Message;
  from: Sender;
  kind: TapbackKind;
  sentAt: Moment;
  /** The emoji of kind `emoji`. */
  emoji?: string;
  /** Part of the message it belongs to; the default is the first. */
  part?: number;
  /** Form of associated_message_guid: `p:<part>/<guid>` (default), `bp:<guid>`, or the bare guid. */
  target?: "part" | "balloon" | "bare";
  /** The tapback row that this one removes: that row is deleted and a removal is written. */
  removes?: Message;
}

/** A tapback on a message, with the localised sentence that Messages stores as its text. */
export function addTapback(db: ChatDb, options: TapbackOptions): Message {
  const { to, kind, part = 0, target = "part", removes } = options;
  if (!db.store.has("message", "associated_message_guid")) {
    throw new RangeError(`The ${db.store.generation} schema knows no tapbacks: use sierra or newer`);
  }
  const [type, verb] = TAPBACKS[kind];
  const guids = { part: `p:${part}/${to.guid}`, balloon: `bp:${to.guid}`, bare: to.guid };
  const phrase = kind === "emoji" ? `Reacted ${options.emoji} to` : verb;
  if (removes) db.deleteMessage(removes);
  return db.addMessage({
    chat: to.chat,
    from: options.from,
    sentAt: options.sentAt,
    text: `${removes ? "Removed a reaction from" : phrase} “${plainText(to.parts)}”`,
    columns: {
      associated_message_guid: guids[target],
      associated_message_type: removes ? type + REMOVAL_OFFSET : type,
      associated_message_range_location: 0,
      associated_message_range_length: plainText(to.parts).length,
      associated_message_emoji: options.emoji ?? null,
    },
  });
}

/** A file sent with a message. */
export interface FileSpec {
  name: string;
  mimeType: string;
  /** Uniform type identifier; a public.data by default. */
  uti?: string;
  sizeBytes?: number;
  /** Null while the file is not on this Mac; by default a path under ~/Library/Messages/Attachments. */
  path?: string | null;
  isSticker?: boolean;
}

export interface AttachmentMessageOptions extends Omit<MessageOptions, "text" | "parts"> {
  files: readonly FileSpec[];
  /** Text sent in the same message, after the files. */
  caption?: string;
  /** Makes it a voice message with what was heard in it. */
  transcript?: string;
}

/** A message with files: one U+FFFC each in the body, one attachment row each, joined after the message row. */
export function addAttachmentMessage(db: ChatDb, options: AttachmentMessageOptions): Message {
  const guid = options.guid ?? db.store.nextGuid();
  const parts: BodyPart[] = options.files.map((file, index) => ({
    attachmentGuid: `at_${index}_${guid}`,
    fileName: file.name,
    transcript: options.transcript,
  }));
  if (options.caption !== undefined) parts.push(options.caption);
  return db.store.atomically(() => {
    const message = db.addMessage({
      ...options,
      guid,
      parts,
      columns: {
        is_audio_message: Number(options.transcript !== undefined),
        // Messages' trigger sets it after the join; a bulk build has no triggers.
        cache_has_attachments: db.store.isBulk ? 1 : undefined,
        part_count: parts.length,
        ...options.columns,
      },
    });
    for (const [index, file] of options.files.entries()) {
      const attachmentId = db.store.insert("attachment", attachmentRow(db, message, { file, index }));
      db.store.insert("message_attachment_join", { message_id: message.rowId, attachment_id: attachmentId });
    }
    return message;
  });
}

function attachmentRow(
  db: ChatDb,
  message: Message,
  { file, index }: { file: FileSpec; index: number },
): Row {
  const guid = `at_${index}_${message.guid}`;
  const folder = message.guid.slice(0, 2).toLowerCase();
  const path = `~/Library/Messages/Attachments/${folder}/${folder}/${guid}/${file.name}`;
  const isHere = file.path !== null;
  return {
    guid,
    original_guid: guid,
    created_date: BigInt(Math.floor(db.store.appleSeconds(message.sentAt))),
    start_date: BigInt(Math.floor(db.store.appleSeconds(message.sentAt))),
    filename: isHere ? file.path ?? path : null,
    uti: file.uti ?? "public.data",
    mime_type: file.mimeType,
    transfer_state: isHere ? 5 : 0,
    is_outgoing: Number(message.isFromMe),
    transfer_name: file.name,
    total_bytes: file.sizeBytes ?? 0,
    is_sticker: Number(file.isSticker ?? false),
  };
}

/** item_type and group_action_type of the group events. */
const SYSTEM_ROWS = {
  participant_added: [1, 0],
  participant_removed: [1, 1],
  renamed: [2, 0],
  left: [3, 0],
  icon_changed: [3, 1],
  icon_removed: [3, 2],
  location_shared: [4, 0],
  audio_kept: [5, 0],
  shareplay: [6, 0],
} as const;

export interface SystemRowOptions {
  chat: Chat;
  kind: keyof typeof SYSTEM_ROWS;
  by: Sender;
  at: Moment;
  /** Who was added or removed. */
  who?: Handle;
  /** The new name; null or absent when the name was taken away. */
  title?: string | null;
}

/** A row of a group's history; names and members of the chat change with it. */
export function addSystemRow(db: ChatDb, options: SystemRowOptions): Message {
  const { chat, kind, who } = options;
  const [itemType, actionType] = SYSTEM_ROWS[kind];
  return db.store.atomically(() => {
    if (kind === "renamed") {
      db.store.update("chat", { rowId: chat.rowId, set: { display_name: options.title ?? "" } });
    }
    if (kind === "participant_added" && who) {
      db.store.run(
        "INSERT OR IGNORE INTO chat_handle_join (chat_id, handle_id) VALUES (?, ?)",
        chat.rowId,
        who.rowId,
      );
    }
    const row = db.addMessage({
      chat,
      from: options.by,
      sentAt: options.at,
      columns: {
        item_type: itemType,
        group_action_type: actionType,
        other_handle: who?.rowId ?? 0,
        group_title: options.title ?? null,
        is_empty: 0,
      },
    });
    if (kind === "participant_removed" && who) {
      db.store.run("DELETE FROM chat_handle_join WHERE chat_id = ? AND handle_id = ?", chat.rowId, who.rowId);
    }
    return row;
  });
}

/** A Send Later draft (macOS 15 and later): an own row with a date in the future that has not been sent. */
export function addSendLater(db: ChatDb, options: Omit<MessageOptions, "from">): Message {
  return db.addMessage({
    ...options,
    from: "me",
    columns: {
      schedule_type: 2,
      schedule_state: 1,
      is_sent: 0,
      is_delivered: 0,
      is_finished: 0,
      ...options.columns,
    },
  });
}

export interface AppMessageOptions extends MessageOptions {
  /** For example `com.apple.messages.URLBalloonProvider`. */
  bundleId: string;
  payload?: Uint8Array;
}

/** U+FFFD stands in the text where an app's balloon is. */
const BALLOON_CHARACTER = "\ufffd";

/** A message that an app draws: a link preview, a poll, a game. */
export function addAppMessage(db: ChatDb, options: AppMessageOptions): Message {
  return db.addMessage({
    text: BALLOON_CHARACTER,
    ...options,
    columns: {
      balloon_bundle_id: options.bundleId,
      payload_data: options.payload ?? null,
      ...options.columns,
    },
  });
}
