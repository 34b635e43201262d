/** The SQLite side of the chat.db fixture: opens the file as Messages does, inserts rows, makes guids and dates. */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Generation, isAtLeast, tableColumns, tableStatements, upgradeStatements } from "./ddl.ts";
import { APP_FUNCTIONS, indexStatements, triggerStatements } from "./indexes.ts";
import { closeKeepingWal } from "./sqlite_wal.ts";

export type SqlValue = null | number | bigint | string | Uint8Array;
export type Row = Readonly<Record<string, SqlValue | undefined>>;

/** Unix time of 2001-01-01T00:00:00Z, Apple's epoch. */
const APPLE_EPOCH_MS = 978_307_200_000;

export interface StoreOptions {
  /** Schema generation; the default is `tahoe`, macOS 26. */
  generation?: Generation;
  /** The older generation that the database was made with; by default it was made fresh. */
  upgradedFrom?: Generation;
  /** `messages`: no table but `message` and `handle`, and no index, as in some backups of an iPhone. */
  tables?: "all" | "messages";
  /** Seed of the guids, so that a fixture is the same in every run. */
  seed?: number;
  /** Makes room for hundreds of thousands of rows: one transaction, no journal, indexes at the end (`endBulk`). */
  bulk?: boolean;
}

/** A chat.db being written. Rows stay in `-wal` until `checkpoint`. */
export class ChatDbStore implements Disposable {
  readonly path: string;
  readonly generation: Generation;
  readonly sqlite: DatabaseSync;
  readonly #columns: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly #upgradedFrom: Generation | undefined;
  readonly #statements = new Map<string, StatementSync>();
  readonly #seed: number;
  #guidCount = 0;
  #bulk: boolean;
  #inTransaction = false;
  #closed = false;

  constructor(path: string, options: StoreOptions = {}) {
    this.path = path;
    this.generation = options.generation ?? "tahoe";
    const columns = [...tableColumns(this.generation)];
    this.#columns = new Map(
      options.tables === "messages" ? columns.filter(([table]) => BACKUP_TABLES.includes(table)) : columns,
    );
    this.#upgradedFrom = options.upgradedFrom;
    this.#seed = options.seed ?? 1;
    this.#bulk = options.bulk ?? false;
    this.sqlite = new DatabaseSync(path);
    for (const name of APP_FUNCTIONS) this.sqlite.function(name, { varargs: true }, () => null);
    this.#createSchema();
  }

  get isBulk(): boolean {
    return this.#bulk;
  }

  /** True when `table` has `column` in this generation. */
  has(table: string, column: string): boolean {
    return this.#columns.get(table)?.has(column) ?? false;
  }

  /** Inserts `row`; a column that this generation lacks is left out, as an older Messages would. Returns the ROWID. */
  insert(table: string, row: Row): number {
    const known = this.#columns.get(table);
    if (!known) throw new RangeError(`The ${this.generation} schema has no table ${table}`);
    const columns: string[] = [];
    const values: SqlValue[] = [];
    for (const column in row) {
      const value = row[column];
      if (value === undefined || !known.has(column)) continue;
      columns.push(column);
      values.push(value);
    }
    const head = `INSERT INTO ${table} (${columns.join()}) VALUES (`;
    const statement = this.#statements.get(head) ??
      this.#prepare(head, `${head}${columns.map(() => "?").join()})`);
    return Number(statement.run(...values).lastInsertRowid);
  }

  /** Sets columns of one row; a column that this generation lacks is left out. */
  update(table: string, { rowId, set }: { rowId: number; set: Row }): void {
    const entries = Object.entries(set).filter(([column, value]) =>
      value !== undefined && this.has(table, column)
    );
    if (entries.length === 0) return;
    const sql = `UPDATE ${table} SET ${
      entries.map(([column]) => `${column} = ?`).join(", ")
    } WHERE ROWID = ?`;
    this.#statement(sql).run(...entries.map(([, value]) => value ?? null), rowId);
  }

  /** Runs any statement. */
  run(sql: string, ...values: SqlValue[]): void {
    this.#statement(sql).run(...values);
  }

  /** Runs `write` in one transaction, or in the one that is already open. */
  atomically<T>(write: () => T): T {
    if (this.#inTransaction) return write();
    this.sqlite.exec("BEGIN IMMEDIATE");
    this.#inTransaction = true;
    try {
      const result = write();
      this.sqlite.exec("COMMIT");
      return result;
    } catch (error) {
      this.sqlite.exec("ROLLBACK");
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** The next guid, an upper-case UUID that depends on the seed and on the number of guids before it. */
  nextGuid(): string {
    const count = this.#guidCount++;
    const hex = [0, 1, 2, 3].map((lane) =>
      mix(this.#seed + lane * 0x9e3779b9, count).toString(16).padStart(8, "0")
    ).join("");
    const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${
      hex.slice(20)
    }`;
    return uuid.toUpperCase();
  }

  /** `at` as this generation stores it: seconds since 2001 up to macOS 10.12, nanoseconds after. */
  appleDate(at: Date, unit: "seconds" | "nanoseconds" = this.#dateUnit()): bigint {
    const ms = at.getTime() - APPLE_EPOCH_MS;
    return unit === "seconds" ? BigInt(Math.floor(ms / 1000)) : BigInt(ms) * 1_000_000n;
  }

  /** `at` as attachments and message_summary_info store it on every generation: seconds since 2001. */
  appleSeconds(at: Date): number {
    return (at.getTime() - APPLE_EPOCH_MS) / 1000;
  }

  /** Ends the bulk phase: commits, builds indexes and triggers, and turns the WAL on. */
  endBulk(): void {
    if (!this.#bulk) return;
    this.#bulk = false;
    this.#inTransaction = false;
    this.#createIndexesAndTriggers();
    this.sqlite.exec("COMMIT");
    this.#enableWal();
  }

  /** Moves every row from the `-wal` file into the main file and truncates the former. */
  checkpoint(): void {
    this.sqlite.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Closes the file. Without `checkpoint` the `-wal` stays behind with the newest rows, as after a kill. */
  close(options: { checkpoint?: boolean } = {}): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#statements.clear();
    if (this.#bulk) this.endBulk();
    if (options.checkpoint) return this.sqlite.close();
    closeKeepingWal(this.sqlite, this.path);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #createSchema(): void {
    // A fixture need not survive a power cut, so nothing waits for the disk.
    this.sqlite.exec("PRAGMA synchronous = OFF");
    if (this.#bulk) this.sqlite.exec("PRAGMA journal_mode = OFF; PRAGMA cache_size = -200000; BEGIN");
    else this.#enableWal();
    this.#inTransaction = this.#bulk;
    const created = tableStatements(this.generation);
    const statements = this.#upgradedFrom
      ? upgradeStatements(this.#upgradedFrom, this.generation)
      : [...this.#columns.keys()].map((table) => created.get(table) ?? "");
    for (const sql of statements) this.sqlite.exec(sql);
    if (this.has("_SqliteDatabaseProperties", "key")) {
      const value = CLIENT_VERSION[this.generation];
      this.insert("_SqliteDatabaseProperties", { key: "_ClientVersion", value });
    }
    if (this.#bulk) return;
    this.#createIndexesAndTriggers();
    this.checkpoint();
  }

  #createIndexesAndTriggers(): void {
    if (!this.has("chat", "guid")) return;
    for (const sql of [...indexStatements(this.generation), ...triggerStatements(this.generation)]) {
      this.sqlite.exec(sql);
    }
  }

  #enableWal(): void {
    this.sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  }

  #dateUnit(): "seconds" | "nanoseconds" {
    return isAtLeast(this.generation, "high_sierra") ? "nanoseconds" : "seconds";
  }

  #statement(sql: string): StatementSync {
    return this.#statements.get(sql) ?? this.#prepare(sql, sql);
  }

  #prepare(key: string, sql: string): StatementSync {
    const statement = this.sqlite.prepare(sql);
    this.#statements.set(key, statement);
    return statement;
  }
}

const BACKUP_TABLES = ["message", "handle"];

/** `_ClientVersion` by generation. El Capitan's is measured; the others only keep its order. */
const CLIENT_VERSION: Record<Generation, string> = {
  el_capitan: "9005",
  sierra: "10012",
  high_sierra: "10013",
  catalina: "10015",
  big_sur: "11000",
  monterey: "12000",
  ventura: "13000",
  sonoma: "14000",
  sequoia: "15000",
  tahoe: "26000",
  macos_27: "27000",
};

/** Thirty-two well-mixed bits of two integers (murmur3's finaliser). */
function mix(seed: number, count: number): number {
  let bits = Math.imul(seed ^ (count + 0x7f4a7c15), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13) ^ count, 0xc2b2ae35);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  return (bits ^ (bits >>> 13)) >>> 0;
}
