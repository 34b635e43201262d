/** Reads one source of the address book, a Core Data store whose entity numbers and owner columns differ by model. */
import type { DatabaseSync } from "node:sqlite";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import { probeDatabaseFile } from "../chatdb/file/database_file.ts";
import { openReadOnly } from "../chatdb/file/read_only_connection.ts";
import { wordsOf } from "../chatdb/file/sql_value.ts";
import {
  type CardHandle,
  type ContactCard,
  emailHandle,
  labelWords,
  phoneHandle,
  pictureHash,
} from "./contact_card.ts";
import type { KnownAddresses } from "./same_address.ts";

/** Names, in Z_PRIMARYKEY, of the entities that are contacts; groups and containers share their table. */
const CONTACT_ENTITIES = ["ABCDContact", "ABCDSubscribedContact"];
/** The owner of a number or address: its plain column, or in some models only the one typed with an entity number. */
const PLAIN_OWNER = "ZOWNER";
const TYPED_OWNER = /^Z\d+_OWNER$/;
/** The small picture is preferred: it changes with the full one and is always inside the file or beside it. */
const PICTURE_COLUMNS = ["ZTHUMBNAILIMAGEDATA", "ZIMAGEDATA"];
const BUSY_TIMEOUT_MS = 5_000;

const TABLES = {
  entities: "Z_PRIMARYKEY",
  records: "ZABCDRECORD",
  phones: "ZABCDPHONENUMBER",
  emails: "ZABCDEMAILADDRESS",
} as const;

type Value = null | number | bigint | string | Uint8Array;
type Row = Record<string, Value>;

/**
 * Reads the cards of the source at `path`, which is opened read-only, in the order of their keys.
 *
 * @param options.addresses give every address its one spelling
 * @throws ChatDatabaseError or an error of node:sqlite, for `asAddressBookProblem`
 */
export function readSource(path: string, options: { addresses: KnownAddresses }): ContactCard[] {
  const realPath = probeDatabaseFile(path);
  const { sqlite } = openReadOnly(realPath, { busyTimeoutMs: BUSY_TIMEOUT_MS });
  try {
    sqlite.exec("BEGIN");
    return readCards(sqlite, { path: realPath, ...options });
  } finally {
    sqlite.close();
  }
}

interface ReadOptions {
  path: string;
  addresses: KnownAddresses;
}

function readCards(sqlite: DatabaseSync, { path, addresses }: ReadOptions): ContactCard[] {
  const records = columnsOf(sqlite, TABLES.records);
  const isStore = records.has("Z_ENT") && columnsOf(sqlite, TABLES.entities).has("Z_NAME");
  if (!isStore) throw new ChatDatabaseError("not_a_database", path);
  const handles = new Map<bigint, CardHandle[]>();
  addHandles(sqlite, {
    table: TABLES.phones,
    column: "ZFULLNUMBER",
    handles,
    read: (row) => phoneOf(row, addresses),
  });
  addHandles(sqlite, { table: TABLES.emails, column: "ZADDRESS", handles, read: emailOf });
  const picture = pictureReader(sqlite, records);
  // `all`, because `iterate` of Deno 2.9 ends without an error where the file is damaged.
  const rows = sqlite.prepare(recordQuery(records)).all(...CONTACT_ENTITIES) as Row[];
  return rows.flatMap(({ key, ...row }) => {
    const owned = typeof key === "bigint" ? handles.get(key) : undefined;
    return key && owned ? [cardOf(row, { handles: owned, avatarHash: pictureHash(picture(key), path) })] : [];
  });
}

function cardOf(row: Row, rest: Pick<ContactCard, "handles" | "avatarHash">): ContactCard {
  const { first, last, nickname, organization, flags } = row;
  return {
    name: {
      first: nameOf(first),
      last: nameOf(last),
      nickname: nameOf(nickname),
      organization: nameOf(organization),
      displayFlags: typeof flags === "bigint" ? Number(flags) : 0,
    },
    isMe: row.me !== null,
    ...rest,
  };
}

/** Reads pictures one by one: a large address book holds hundreds of megabytes of them. */
function pictureReader(
  sqlite: DatabaseSync,
  columns: ReadonlySet<string>,
): (key: Value) => Uint8Array | null {
  const present = PICTURE_COLUMNS.filter((column) => columns.has(column));
  if (present.length === 0) return () => null;
  const select = sqlite.prepare(
    `SELECT coalesce(${present.join()}, NULL) AS picture FROM ${TABLES.records} WHERE Z_PK = ?`,
  );
  return (key) => {
    const picture = select.get(key)?.picture;
    return picture instanceof Uint8Array ? picture : null;
  };
}

function recordQuery(columns: ReadonlySet<string>): string {
  const or = (column: string) => columns.has(column) ? column : "NULL";
  return `SELECT Z_PK AS key, ${or("ZFIRSTNAME")} AS first, ${or("ZLASTNAME")} AS last,
      ${or("ZNICKNAME")} AS nickname, ${or("ZORGANIZATION")} AS organization,
      ${or("ZCONTAINERWHERECONTACTISME")} AS me, ${or("ZDISPLAYFLAGS")} AS flags
    FROM ${TABLES.records}
    WHERE Z_ENT IN (SELECT Z_ENT FROM ${TABLES.entities} WHERE Z_NAME IN (${
    CONTACT_ENTITIES.map(() => "?").join()
  }))
    ORDER BY Z_PK`;
}

interface HandleTable {
  table: string;
  column: string;
  handles: Map<bigint, CardHandle[]>;
  read: (row: Row) => CardHandle | null;
}

/** Adds each row of `table` to its owner's handles, in the person's order; an absent table adds none. */
function addHandles(sqlite: DatabaseSync, { table, column, handles, read }: HandleTable): void {
  const columns = columnsOf(sqlite, table);
  const owner = columns.has(PLAIN_OWNER) ? PLAIN_OWNER : [...columns].find((name) => TYPED_OWNER.test(name));
  if (owner === undefined || !columns.has(column)) return;
  const label = columns.has("ZLABEL") ? "ZLABEL" : "NULL";
  const order = columns.has("ZORDERINGINDEX") ? "ZORDERINGINDEX, Z_PK" : "Z_PK";
  const sql =
    `SELECT ${owner} AS owner, ${column} AS value, ${label} AS label FROM ${table} ORDER BY ${order}`;
  for (const row of sqlite.prepare(sql).all() as Row[]) {
    const handle = read(row);
    if (handle === null || typeof row.owner !== "bigint") continue;
    handles.set(row.owner, [...handles.get(row.owner) ?? [], handle]);
  }
}

function phoneOf(row: Row, addresses: KnownAddresses): CardHandle | null {
  const value = typeof row.value === "string" ? phoneHandle(row.value, addresses) : null;
  return value === null ? null : { kind: "phone", value, label: labelWords(wordsOf(row.label)) };
}

function emailOf(row: Row): CardHandle | null {
  const value = typeof row.value === "string" ? emailHandle(row.value) : null;
  return value === null ? null : { kind: "email", value, label: labelWords(wordsOf(row.label)) };
}

function nameOf(value: Value | undefined): string | null {
  return wordsOf(value)?.trim() || null;
}

function columnsOf(sqlite: DatabaseSync, table: string): Set<string> {
  const rows = sqlite.prepare("SELECT name FROM pragma_table_info(?)").all(table);
  return new Set(rows.map(({ name }) => String(name)));
}
