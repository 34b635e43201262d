/** Opens chat.db read-only, and reads it in short transactions. */
import type { DatabaseSync } from "node:sqlite";
import { asChatDatabaseError, ChatDatabaseError } from "./chat_database_error.ts";
import { type FileIdentity, fileIdentityOf, fileSignature, probeDatabaseFile } from "./database_file.ts";
import { openReadOnly } from "./read_only_connection.ts";
import { probeSchema, type Schema } from "./schema.ts";
import { integerOf, type Query, type SqlRow } from "./sql_value.ts";

export interface ChatDatabaseOptions {
  /** How long a read waits for a lock of another program before it fails with `locked`. */
  busyTimeoutMs?: number;
  /** Where numbers without a country code are meant; by default only the database itself can tell. */
  regions?: Regions;
}

/** ISO 3166 countries. */
export interface Regions {
  /** That the owner chose for this agent. */
  readonly chosenRegion: string | null;
  /** That the system is set to. */
  readonly systemRegion: string | null;
}

const DEFAULT_BUSY_TIMEOUT_MS = 5_000;

/** Rows are read once and in their order, for which a larger cache is of no use. */
const PAGE_CACHE_KIB = 512;

/**
 * An open chat.db. It is opened read-only and never with `immutable`, which would hide the newest rows in the `-wal`.
 * Every failure is a `ChatDatabaseError`.
 */
export class ChatDatabase implements Disposable {
  /** The file itself, symlinks resolved. */
  readonly path: string;
  /** The file that this connection reads, whatever is at the path by now. */
  readonly file: FileIdentity;
  readonly schema: Schema;
  readonly regions: Regions;
  readonly #requestedPath: string;
  readonly #sqlite: DatabaseSync;
  /** The signature of the files that were copied; null where they themselves are open. */
  readonly #copied: string | null;
  readonly #selectDataVersion: Query;

  /** @throws ChatDatabaseError when the file cannot be opened or is no database of Messages */
  constructor(path: string, options: ChatDatabaseOptions = {}) {
    this.#requestedPath = path;
    this.regions = options.regions ?? { chosenRegion: null, systemRegion: null };
    this.path = probeDatabaseFile(path);
    this.file = fileIdentityOf(this.path);
    const { busyTimeoutMs = DEFAULT_BUSY_TIMEOUT_MS } = options;
    const { sqlite, copied } = this.#guard(() =>
      openReadOnly(this.path, { busyTimeoutMs, returnArrays: true })
    );
    [this.#sqlite, this.#copied] = [sqlite, copied];
    try {
      this.schema = this.readTransaction(() => probeSchema((sql) => this.prepare(sql)));
      // After the first read: on a locked database this statement fails without saying so.
      this.#exec(`PRAGMA cache_size = -${PAGE_CACHE_KIB}`);
      const columns = this.schema.get("message");
      if (columns === undefined) throw new ChatDatabaseError("not_messages", this.path);
      if (!columns.has("guid")) throw new ChatDatabaseError("unknown_schema", this.path);
      this.#selectDataVersion = this.prepare("PRAGMA data_version");
    } catch (error) {
      this.#sqlite.close();
      throw error;
    }
  }

  /** Prepares a SELECT for repeated use. */
  prepare(sql: string): Query {
    const statement = this.#guard(() => this.#sqlite.prepare(sql));
    return (...parameters) => this.#guard(() => statement.all(...parameters) as unknown as SqlRow[]);
  }

  /** Runs `read` on one state of the database. Keep it short: it holds back Messages' checkpoints. */
  readTransaction<T>(read: () => T): T {
    this.#exec("BEGIN");
    try {
      const result = read();
      this.#exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#sqlite.isTransaction) this.#exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * A number that changes with every commit of another program; compare values of one connection only. SQLite reads
   * it from the index of the `-wal`, so it also changes on commits that leave all file sizes the same.
   *
   * @throws ChatDatabaseError when the database cannot be read
   */
  dataVersion(): number {
    return integerOf(this.#selectDataVersion()[0]?.[0]);
  }

  /**
   * True when another file has taken the place of the open one (a restore, a new account), or the files that this reads a
   * copy of have changed: this connection would read the old ones for ever, so open the database again.
   *
   * @throws ChatDatabaseError when the file at the path is gone or not readable
   */
  isReplaced(): boolean {
    const now = fileIdentityOf(probeDatabaseFile(this.#requestedPath));
    if (this.#copied !== null && this.#copied !== fileSignature(this.path)) return true;
    return now.device !== this.file.device || now.inode !== this.file.inode;
  }

  [Symbol.dispose](): void {
    this.#sqlite.close();
  }

  #exec(sql: string): void {
    this.#guard(() => this.#sqlite.exec(sql));
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw asChatDatabaseError(error, this.path);
    }
  }
}

/**
 * How many rows `message` has.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export function countRows(database: ChatDatabase): number {
  return integerOf(database.prepare("SELECT COUNT(*) FROM message")()[0]?.[0]);
}

/**
 * How many rows of `message` come after a mark, tapbacks and system rows among them.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export function countRowsAfter(database: ChatDatabase, rowId: number): number {
  return integerOf(database.prepare("SELECT COUNT(*) FROM message WHERE ROWID > ?")(rowId)[0]?.[0]);
}
