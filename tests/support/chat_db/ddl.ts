/**
 * The tables of Messages' `chat.db` for every schema generation from OS X 10.11 to macOS 27.
 *
 * Columns are in the creation order of a fresh database, each group under the generation that added it.
 * Source: schemas captured from macOS 10.11, 12, 13, 15, 26 and 27. What 10.12 to 10.15 added is inferred from
 * other readers, good to one release; so is the first release of the tables that hold no messages.
 */

/** Schema generations, oldest first. */
export const GENERATIONS = [
  "el_capitan",
  "sierra",
  "high_sierra",
  "catalina",
  "big_sur",
  "monterey",
  "ventura",
  "sonoma",
  "sequoia",
  "tahoe",
  "macos_27",
] as const;

export type Generation = (typeof GENERATIONS)[number];

/** True when `generation` is `first` or newer. */
export function isAtLeast(generation: Generation, first: Generation): boolean {
  return GENERATIONS.indexOf(generation) >= GENERATIONS.indexOf(first);
}

interface TableSpec {
  since: Generation;
  /** Column definitions by the generation that brought them; a bare name is INTEGER DEFAULT 0. */
  columns: readonly (readonly [Generation, string])[];
  /** Table constraints, by the generation that brought them; the newest that applies is used. */
  constraints?: string;
}

const ROWID = "ROWID INTEGER PRIMARY KEY AUTOINCREMENT";
const CHAT_REFERENCE = "chat_id INTEGER REFERENCES chat (ROWID) ON DELETE CASCADE";
const MESSAGE_REFERENCE = "message_id INTEGER REFERENCES message (ROWID) ON DELETE CASCADE";

const TABLES: Record<string, TableSpec> = {
  _SqliteDatabaseProperties: {
    since: "el_capitan",
    columns: [["el_capitan", "key TEXT, value TEXT"]],
    constraints: "UNIQUE(key)",
  },
  deleted_messages: { since: "el_capitan", columns: [["el_capitan", `${ROWID} UNIQUE, guid TEXT NOT NULL`]] },
  handle: {
    since: "el_capitan",
    columns: [
      [
        "el_capitan",
        `${ROWID} UNIQUE, id TEXT NOT NULL, country TEXT, service TEXT NOT NULL, uncanonicalized_id TEXT`,
      ],
      ["high_sierra", "person_centric_id TEXT"],
    ],
    constraints: "UNIQUE (id, service)",
  },
  message: {
    since: "el_capitan",
    columns: [
      [
        "el_capitan",
        `${ROWID}, guid TEXT UNIQUE NOT NULL, text TEXT, replace, service_center TEXT, handle_id, subject TEXT,
         country TEXT, attributedBody BLOB, version, type, service TEXT, account TEXT, account_guid TEXT, error,
         date INTEGER, date_read INTEGER, date_delivered INTEGER, is_delivered, is_finished, is_emote, is_from_me,
         is_empty, is_delayed, is_auto_reply, is_prepared, is_read, is_system_message, is_sent, has_dd_results,
         is_service_message, is_forward, was_downgraded, is_archive, cache_has_attachments, cache_roomnames TEXT,
         was_data_detected, was_deduplicated, is_audio_message, is_played, date_played INTEGER, item_type,
         other_handle, group_title TEXT, group_action_type, share_status, share_direction, is_expirable,
         expire_state, message_action_type, message_source`,
      ],
      [
        "sierra",
        `associated_message_guid TEXT, associated_message_type, balloon_bundle_id TEXT, payload_data BLOB,
         expressive_send_style_id TEXT, associated_message_range_location, associated_message_range_length,
         time_expressive_send_played INTEGER, message_summary_info BLOB`,
      ],
      [
        "high_sierra",
        "ck_sync_state, ck_record_id TEXT, ck_record_change_tag TEXT, destination_caller_id TEXT",
      ],
      ["catalina", "is_corrupt, reply_to_guid TEXT, sort_id INTEGER, is_spam"],
      ["big_sur", "has_unseen_mention, thread_originator_guid TEXT, thread_originator_part TEXT"],
      [
        "monterey",
        "syndication_ranges TEXT, synced_syndication_ranges TEXT, was_delivered_quietly, did_notify_recipient",
      ],
      [
        "ventura",
        "date_retracted INTEGER, date_edited INTEGER, was_detonated, part_count INTEGER, is_stewie",
      ],
      ["sonoma", "is_sos, is_critical, bia_reference_id TEXT"],
      ["ventura", "is_kt_verified"],
      ["sonoma", "fallback_hash TEXT"],
      [
        "sequoia",
        `associated_message_emoji TEXT, is_pending_satellite_send, needs_relay, schedule_type, schedule_state,
         sent_or_received_off_grid`,
      ],
      ["tahoe", "date_recovered, is_time_sensitive, ck_chat_id TEXT, index_state"],
      [
        "macos_27",
        `filter_action, filter_sub_action, is_preview_sent, is_preview_delivered, date_preview_sent,
         date_preview_delivered, date_updated, retry_count`,
      ],
    ],
  },
  chat: {
    since: "el_capitan",
    columns: [
      [
        "el_capitan",
        `${ROWID}, guid TEXT UNIQUE NOT NULL, style INTEGER, state INTEGER, account_id TEXT, properties BLOB,
         chat_identifier TEXT, service_name TEXT, room_name TEXT, account_login TEXT, is_archived,
         last_addressed_handle TEXT, display_name TEXT, group_id TEXT, is_filtered, successful_query INTEGER`,
      ],
      [
        "high_sierra",
        `engram_id TEXT, server_change_token TEXT, ck_sync_state, original_group_id TEXT,
         last_read_message_timestamp, cloudkit_record_id TEXT, last_addressed_sim_id TEXT`,
      ],
      ["catalina", "is_blackholed"],
      ["monterey", "syndication_date, syndication_type"],
      ["ventura", "is_recovered"],
      ["sonoma", "is_deleting_incoming_messages"],
      ["tahoe", "is_pending_review"],
    ],
  },
  attachment: {
    since: "el_capitan",
    columns: [
      [
        "el_capitan",
        `${ROWID}, guid TEXT UNIQUE NOT NULL, created_date, start_date, filename TEXT, uti TEXT, mime_type TEXT,
         transfer_state, is_outgoing, user_info BLOB, transfer_name TEXT, total_bytes`,
      ],
      ["sierra", "is_sticker, sticker_user_info BLOB, attribution_info BLOB, hide_attachment"],
      [
        "high_sierra",
        `ck_sync_state, ck_server_change_token_blob BLOB, ck_record_id TEXT, original_guid TEXT UNIQUE NOT NULL`,
      ],
      ["monterey", "is_commsafety_sensitive"],
      [
        "sequoia",
        "emoji_image_content_identifier TEXT, emoji_image_short_description TEXT, preview_generation_state",
      ],
      ["macos_27", "preflight_info BLOB, sensitivity_analysis BLOB"],
    ],
  },
  chat_message_join: {
    since: "el_capitan",
    columns: [
      ["el_capitan", `${CHAT_REFERENCE}, ${MESSAGE_REFERENCE}`],
      ["high_sierra", "message_date"],
      ["tahoe", "index_state INTEGER NOT NULL DEFAULT 0"],
      ["macos_27", "filter_action, filter_sub_action"],
    ],
    constraints: "PRIMARY KEY (chat_id, message_id)",
  },
  chat_handle_join: {
    since: "el_capitan",
    columns: [
      ["el_capitan", `${CHAT_REFERENCE}, handle_id INTEGER REFERENCES handle (ROWID) ON DELETE CASCADE`],
    ],
    constraints: "UNIQUE(chat_id, handle_id)",
  },
  message_attachment_join: {
    since: "el_capitan",
    columns: [
      [
        "el_capitan",
        `${MESSAGE_REFERENCE}, attachment_id INTEGER REFERENCES attachment (ROWID) ON DELETE CASCADE`,
      ],
    ],
    constraints: "UNIQUE(message_id, attachment_id)",
  },
  message_processing_task: {
    since: "high_sierra",
    columns: [["high_sierra", `${ROWID} UNIQUE, guid TEXT NOT NULL, task_flags INTEGER NOT NULL`]],
  },
  kvtable: {
    since: "high_sierra",
    columns: [["high_sierra", `${ROWID} UNIQUE, key TEXT UNIQUE NOT NULL, value BLOB NOT NULL`]],
  },
  sync_deleted_messages: {
    since: "high_sierra",
    columns: [["high_sierra", `${ROWID} UNIQUE, guid TEXT NOT NULL, recordID TEXT`]],
  },
  sync_deleted_attachments: {
    since: "high_sierra",
    columns: [["high_sierra", `${ROWID} UNIQUE, guid TEXT NOT NULL, recordID TEXT`]],
  },
  sync_deleted_chats: {
    since: "high_sierra",
    columns: [["high_sierra", `${ROWID} UNIQUE, guid TEXT NOT NULL, recordID TEXT, timestamp INTEGER`]],
  },
  chat_recoverable_message_join: {
    since: "ventura",
    columns: [["ventura", `${CHAT_REFERENCE}, ${MESSAGE_REFERENCE}, delete_date INTEGER, ck_sync_state`]],
    constraints: "PRIMARY KEY (chat_id, message_id), CHECK (delete_date != 0)",
  },
  recoverable_message_part: {
    since: "ventura",
    columns: [[
      "ventura",
      `${CHAT_REFERENCE}, ${MESSAGE_REFERENCE}, part_index INTEGER, delete_date INTEGER,
       part_text BLOB NOT NULL, ck_sync_state`,
    ]],
    constraints: "PRIMARY KEY (chat_id, message_id, part_index), CHECK (delete_date != 0)",
  },
  unsynced_removed_recoverable_messages: {
    since: "ventura",
    columns: [[
      "ventura",
      `${ROWID} UNIQUE, chat_guid TEXT NOT NULL, message_guid TEXT NOT NULL, part_index INTEGER`,
    ]],
  },
  scheduled_messages_pending_cloudkit_delete: {
    since: "sequoia",
    columns: [["sequoia", `${ROWID} UNIQUE, guid TEXT NOT NULL, recordID TEXT`]],
  },
  chat_lookup: {
    since: "tahoe",
    columns: [[
      "tahoe",
      `identifier TEXT NOT NULL, domain TEXT NOT NULL,
       chat INTEGER NOT NULL REFERENCES chat(ROWID) ON UPDATE CASCADE ON DELETE CASCADE, priority`,
    ]],
    constraints: "UNIQUE (identifier, domain)",
  },
  chat_service: {
    since: "tahoe",
    columns: [[
      "tahoe",
      `service TEXT NOT NULL, chat INTEGER NOT NULL REFERENCES chat(ROWID) ON UPDATE CASCADE ON DELETE CASCADE`,
    ]],
    constraints: "UNIQUE (service, chat)",
  },
};

/** The CREATE TABLE statements of one generation, by table name. */
export function tableStatements(generation: Generation): Map<string, string> {
  const tables = Object.entries(TABLES).filter(([, table]) => isAtLeast(generation, table.since));
  return new Map(tables.map(([name, table]) => {
    const parts = [
      ...columnDefinitions(table, generation),
      ...(table.constraints ? [table.constraints] : []),
    ];
    return [name, `CREATE TABLE ${name} (${parts.join(", ")})`];
  }));
}

/** The columns each table has in one generation: definition by column name, by table name. */
export function tableColumns(generation: Generation): Map<string, ReadonlyMap<string, string>> {
  const tables = Object.entries(TABLES).filter(([, table]) => isAtLeast(generation, table.since));
  return new Map(tables.map(([name, table]) => {
    const definitions = columnDefinitions(table, generation);
    return [name, new Map(definitions.map((definition) => [definition.split(" ", 1)[0] ?? "", definition]))];
  }));
}

function columnDefinitions(table: TableSpec, generation: Generation): string[] {
  return table.columns
    .filter(([since]) => isAtLeast(generation, since))
    .flatMap(([, columns]) => columns.split(",").map((column) => column.trim()))
    .map((column) => column.includes(" ") ? column : `${column} INTEGER DEFAULT 0`);
}

/** Left behind in databases that were upgraded to High Sierra; fresh ones lack them. */
const LEFTOVERS = ["sr_ck_sync_state", "sr_ck_record_id", "sr_ck_record_change_tag"];

/**
 * The statements that make the tables of `from` and bring them to `to`. What an upgrade adds comes last and in another
 * order, a number has the default 0, and a text the type STRING, under which SQLite keeps a phone number as a number
 * without its plus sign. No constraint can be added.
 */
export function upgradeStatements(from: Generation, to: Generation): string[] {
  const before = tableColumns(from);
  const fresh = tableStatements(to);
  const added = [...tableColumns(to)].flatMap(([table, columns]) => {
    const present = before.get(table);
    if (present === undefined) return [fresh.get(table) ?? ""];
    return [...columns].filter(([name]) => !present.has(name)).toReversed()
      .map(([name, definition]) => `ALTER TABLE ${table} ADD COLUMN ${name} ${addedType(definition)}`);
  });
  const leftovers = LEFTOVERS.map((name) => `ALTER TABLE message ADD COLUMN ${name} INTEGER DEFAULT 0`);
  return [...tableStatements(from).values(), ...leftovers, ...added];
}

function addedType(definition: string): string {
  if (definition.includes(" TEXT")) return "STRING DEFAULT NULL";
  return definition.includes(" BLOB") ? "BLOB" : "INTEGER DEFAULT 0";
}
