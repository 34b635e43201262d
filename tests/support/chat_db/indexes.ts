/** The indexes and triggers of Messages' `chat.db`: what makes reading fast, and what writing triggers. */
import { type Generation, isAtLeast, tableColumns } from "./ddl.ts";

/**
 * Index name, table, indexed columns, and the condition of a partial index, after a macOS 15 database. The names on
 * `chat` and the columns of `message_idx_undelivered_one_to_one_imessage` are reconstructed.
 */
const INDEXES: readonly (readonly [name: string, table: string, columns: string, condition?: string])[] = [
  ["message_idx_date", "message", "date"],
  ["message_idx_handle", "message", "handle_id, date"],
  ["message_idx_handle_id", "message", "handle_id"],
  ["message_idx_other_handle", "message", "other_handle"],
  ["message_idx_associated_message", "message", "associated_message_guid"],
  ["message_idx_thread_originator_guid", "message", "thread_originator_guid"],
  ["message_idx_cache_has_attachments", "message", "cache_has_attachments"],
  ["message_idx_is_read", "message", "is_read, is_from_me, is_finished"],
  ["message_idx_isRead_isFromMe_itemType", "message", "is_read, is_from_me, item_type"],
  ["message_idx_failed", "message", "is_finished, is_from_me, error"],
  ["message_idx_is_sent_is_from_me_error", "message", "is_sent, is_from_me, error"],
  ["message_idx_was_downgraded", "message", "was_downgraded"],
  ["message_idx_expire_state", "message", "expire_state"],
  ["message_idx_schedule_state", "message", "schedule_state"],
  [
    "message_idx_undelivered_one_to_one_imessage",
    "message",
    "cache_roomnames, service, is_sent, is_delivered, was_downgraded, item_type",
    `cache_roomnames IS NULL AND service = 'iMessage' AND is_sent = 1 AND is_delivered = 0
     AND was_downgraded = 0 AND item_type = 0`,
  ],
  [
    "message_idx_is_pending_satellite_message",
    "message",
    "is_pending_satellite_send",
    "is_pending_satellite_send = 1",
  ],
  ["message_idx_is_scheduled_message", "message", "schedule_type", "schedule_type = 2"],
  ["chat_idx_chat_identifier", "chat", "chat_identifier"],
  ["chat_idx_chat_identifier_service_name", "chat", "chat_identifier, service_name"],
  ["chat_idx_chat_room_name_service_name", "chat", "room_name, service_name"],
  ["chat_idx_group_id", "chat", "group_id"],
  ["chat_idx_is_archived", "chat", "is_archived"],
  ["chat_message_join_idx_message_date_id_chat_id", "chat_message_join", "chat_id, message_date, message_id"],
  ["chat_message_join_idx_chat_id", "chat_message_join", "chat_id"],
  ["chat_message_join_idx_message_id_only", "chat_message_join", "message_id"],
  ["chat_handle_join_idx_handle_id", "chat_handle_join", "handle_id"],
  ["message_attachment_join_idx_message_id", "message_attachment_join", "message_id"],
  ["message_attachment_join_idx_attachment_id", "message_attachment_join", "attachment_id"],
  ["chat_recoverable_message_join_message_id_idx", "chat_recoverable_message_join", "message_id"],
];

/** The CREATE INDEX statements whose columns exist in `generation`. */
export function indexStatements(generation: Generation): string[] {
  const tables = tableColumns(generation);
  return INDEXES
    .filter(([, table, columns]) => columns.split(", ").every((column) => tables.get(table)?.has(column)))
    .map(([name, table, columns, condition]) =>
      `CREATE INDEX ${name} ON ${table}(${columns})${condition ? ` WHERE ${condition}` : ""}`
    );
}

/**
 * SQL functions that only Messages registers. The builder registers them as no-ops on its own connection; on any
 * other connection a delete of an attachment, or of a message with a balloon, fails as it does on a Mac.
 */
export const APP_FUNCTIONS = [
  "delete_attachment_path",
  "before_delete_attachment_path",
  "after_delete_message_plugin",
] as const;

const ROOM_NAMES = (message: string) =>
  `UPDATE message SET cache_roomnames = (SELECT group_concat(c.room_name) FROM chat c
     JOIN chat_message_join j ON j.chat_id = c.ROWID WHERE j.message_id = ${message}) WHERE ROWID = ${message};`;

const COLLECT_HANDLE = `DELETE FROM handle WHERE ROWID = OLD.handle_id
  AND NOT EXISTS (SELECT 1 FROM chat_handle_join WHERE handle_id = OLD.handle_id)
  AND NOT EXISTS (SELECT 1 FROM message WHERE handle_id = OLD.handle_id)
  AND NOT EXISTS (SELECT 1 FROM message WHERE other_handle = OLD.handle_id);`;

/** The CREATE TRIGGER statements of `generation`, worded after the effects that a reader of a macOS 15 database sees. */
export function triggerStatements(generation: Generation): string[] {
  return [
    ...joinTriggers(generation),
    ...deletionTriggers(generation),
    ...(isAtLeast(generation, "high_sierra") ? syncTriggers() : []),
    ...(isAtLeast(generation, "sierra") ? associationTriggers() : []),
  ];
}

function joinTriggers(generation: Generation): string[] {
  const joins = ["chat_message_join"];
  if (isAtLeast(generation, "ventura")) joins.push("chat_recoverable_message_join");
  const unjoined = joins
    .map((table) => `AND NOT EXISTS (SELECT 1 FROM ${table} WHERE message_id = OLD.message_id)`).join(" ");
  const forget = `DELETE FROM message WHERE ROWID = OLD.message_id ${unjoined};`;
  return [
    `CREATE TRIGGER after_insert_on_chat_message_join AFTER INSERT ON chat_message_join BEGIN
       ${ROOM_NAMES("NEW.message_id")} END`,
    `CREATE TRIGGER after_insert_on_message_attachment_join AFTER INSERT ON message_attachment_join BEGIN
       UPDATE message SET cache_has_attachments = 1 WHERE ROWID = NEW.message_id; END`,
    ...joins.map((table) =>
      `CREATE TRIGGER after_delete_on_${table} AFTER DELETE ON ${table} BEGIN
         ${table === "chat_message_join" ? ROOM_NAMES("OLD.message_id") : ""} ${forget} END`
    ),
    `CREATE TRIGGER after_delete_on_chat_handle_join AFTER DELETE ON chat_handle_join BEGIN ${COLLECT_HANDLE} END`,
  ];
}

function deletionTriggers(generation: Generation): string[] {
  return [
    `CREATE TRIGGER add_to_deleted_messages AFTER DELETE ON message BEGIN
       INSERT INTO deleted_messages (guid) VALUES (OLD.guid); END`,
    `CREATE TRIGGER after_delete_on_message AFTER DELETE ON message BEGIN ${COLLECT_HANDLE} END`,
    `CREATE TRIGGER after_delete_on_message_attachment_join AFTER DELETE ON message_attachment_join BEGIN
       DELETE FROM attachment WHERE ROWID = OLD.attachment_id
       AND NOT EXISTS (SELECT 1 FROM message_attachment_join WHERE attachment_id = OLD.attachment_id); END`,
    `CREATE TRIGGER before_delete_on_attachment BEFORE DELETE ON attachment BEGIN
       SELECT before_delete_attachment_path(OLD.ROWID, OLD.guid); END`,
    `CREATE TRIGGER after_delete_on_attachment AFTER DELETE ON attachment BEGIN
       SELECT delete_attachment_path(OLD.filename); END`,
    ...(isAtLeast(generation, "high_sierra")
      ? [
        `CREATE TRIGGER update_message_date_after_update_on_message AFTER UPDATE OF date ON message BEGIN
           UPDATE chat_message_join SET message_date = NEW.date
           WHERE message_id = NEW.ROWID AND message_date != NEW.date; END`,
        `CREATE TRIGGER update_last_failed_message_date AFTER UPDATE OF error ON message WHEN NEW.error != 0 BEGIN
           INSERT OR REPLACE INTO kvtable (key, value) VALUES ('lastFailedMessageDate', NEW.date);
           INSERT OR REPLACE INTO kvtable (key, value) VALUES ('lastFailedMessageRowID', NEW.ROWID); END`,
      ]
      : []),
  ];
}

function syncTriggers(): string[] {
  return [
    `CREATE TRIGGER add_to_sync_deleted_messages AFTER DELETE ON message BEGIN
       INSERT INTO sync_deleted_messages (guid, recordID) VALUES (OLD.guid, OLD.ck_record_id); END`,
    `CREATE TRIGGER add_to_sync_deleted_attachments AFTER DELETE ON attachment BEGIN
       INSERT INTO sync_deleted_attachments (guid, recordID) VALUES (OLD.guid, OLD.ck_record_id); END`,
  ];
}

function associationTriggers(): string[] {
  return [
    // Apple's own condition can never hold, so a tapback outlives the message it belongs to.
    `CREATE TRIGGER delete_associated_messages_after_delete_on_message AFTER DELETE ON message BEGIN
       DELETE FROM message WHERE OLD.associated_message_guid IS NULL AND associated_message_guid IS NOT NULL
       AND guid = OLD.associated_message_guid; END`,
    `CREATE TRIGGER after_delete_on_message_plugin AFTER DELETE ON message WHEN OLD.balloon_bundle_id IS NOT NULL
       BEGIN SELECT after_delete_message_plugin(OLD.ROWID, OLD.guid); END`,
  ];
}
