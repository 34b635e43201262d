/** agent.db while it is open: its tables, its transactions, and what its failures mean for the person. */
import { statfsSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { dirname } from "node:path";
import type { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import { diskFault } from "../platform/private_file.ts";
import { DOCUMENTS, type DocumentValues, type TableValues, VALUE_TABLES } from "./stored_values.ts";

/** What was stored, cannot be read, and must not pass for what never was. */
export const LOSSES = ["cursor", "sends", "policies"] as const;
export type Loss = typeof LOSSES[number];

/** The name that a damaged file is kept under. */
export const BROKEN = ".broken";

/** A state of a later version, which this one must not touch, has a higher number. */
const VERSION = 2;
/** From each version before to the next one. */
const UPDATES: Readonly<Record<number, string>> = { 1: "ALTER TABLE seen_rows ADD COLUMN outcome TEXT" };
const SCHEMA = [
  `CREATE TABLE seen_rows (row_id INTEGER PRIMARY KEY, checksum REAL NOT NULL DEFAULT 0, state TEXT,
    watch_until REAL, outcome TEXT)`,
  `CREATE INDEX watched_rows ON seen_rows (row_id) WHERE state IS NOT NULL`,
  `CREATE TABLE old_blocks (first_row_id INTEGER PRIMARY KEY, digest TEXT NOT NULL)`,
  ...["documents", ...Object.keys(VALUE_TABLES)].map((table) =>
    `CREATE TABLE ${table} (place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, value TEXT NOT NULL)`
  ),
  `PRAGMA user_version = ${VERSION}`,
].join(";");

/** Arrays are the fastest rows; Deno knows the option, which the types it ships do not name yet. */
const OPEN_OPTIONS = { readOnly: false, returnArrays: true };
const MEMORY = ":memory:";
/** The state is small, and an idle agent has it closed. */
const PAGE_CACHE_KIB = 512;
/** How long a write waits for that of another process, which takes milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;
/** With less room than this, a failed write is one for want of room: SQLite says only "disk I/O error" of its index. */
const FULL_DISK_BYTES = 256 * 1_024;

/** The file is no database, or damaged. `AgentStore` sets it aside and begins with an empty one. */
export class DamagedStateError extends UserError {
  /** @param inode of the damaged file, whatever is at its path by now */
  constructor(path: string, { inode, cause }: { inode: number | null; cause?: unknown }) {
    super(`The agent's state in ${path} is damaged`, {
      fix: "Run `agent sync --once`: it keeps the file aside and sends everything again, once",
      cause,
    });
    this.inode = inode;
  }

  readonly inode: number | null;
}

type SqlParameter = string | number | null;
export type StateRow = readonly SqlParameter[];

/** An open agent.db. Failures are `UserError`s. */
export class AgentDatabase implements Disposable {
  readonly #sqlite: DatabaseSync;
  readonly #inode: number | null;
  readonly #statements = new Map<string, StatementSync>();

  /** @param path an existing file, which may be empty; `:memory:` for a state that is not kept */
  constructor(readonly path: string) {
    this.#inode = this.isKept ? Deno.statSync(path).ino : null;
    this.#sqlite = this.#guard(() => new DatabaseSync(path, OPEN_OPTIONS));
    try {
      this.#exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA cache_size = -${PAGE_CACHE_KIB}`);
      // FULL: what was written is on the disk when the call returns.
      this.#exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      const version = this.#version();
      if (version > VERSION) throw newerStateError(path);
      if (version === 0) this.transaction(() => this.#createTables());
      else if (version < VERSION) this.transaction(() => this.#update());
    } catch (error) {
      this.#sqlite.close();
      throw error;
    }
  }

  /** False for a state in memory. */
  get isKept(): boolean {
    return this.path !== MEMORY;
  }

  /** Runs a statement. */
  run(sql: string, ...parameters: SqlParameter[]): void {
    this.#guard(() => this.#prepare(sql).run(...parameters));
  }

  /** The rows of a query, as arrays. */
  all(sql: string, ...parameters: SqlParameter[]): StateRow[] {
    return this.#guard(() => this.#prepare(sql).all(...parameters) as unknown as StateRow[]);
  }

  /** Makes several changes as one: they are on the disk when this returns, and none of them is when it throws. */
  transaction<Result>(change: () => Result): Result {
    this.#exec("BEGIN IMMEDIATE");
    try {
      const result = change();
      this.#exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#sqlite.isTransaction) this.#sqlite.exec("ROLLBACK");
      throw error;
    }
  }

  /** The values of a table. */
  values<Table extends keyof TableValues>(table: Table): Values<TableValues[Table]> {
    return new Values<TableValues[Table]>(this, { table, schema: VALUE_TABLES[table] });
  }

  /** A single value. */
  document<Id extends keyof DocumentValues>(id: Id) {
    type Value = DocumentValues[Id];
    const values = new Values<Value>(this, { table: "documents", schema: DOCUMENTS[id] });
    const put = (value: Value) => values.put(id, value);
    return { get: () => values.get(id), put, delete: () => values.delete(id) };
  }

  /** Copies everything from another state into this one, which is empty. */
  copyFrom(path: string): void {
    this.run("ATTACH ? AS other", path);
    for (const table of ["seen_rows", "old_blocks", "documents", ...Object.keys(VALUE_TABLES)]) {
      this.run(`INSERT INTO main.${table} SELECT * FROM other.${table}`);
    }
    this.#statements.clear();
    this.#exec("DETACH other");
  }

  /** Reads the file to its end. @throws DamagedStateError when it is not what SQLite wrote */
  check(): void {
    const [[verdict] = []] = this.all("PRAGMA quick_check(1)");
    if (verdict !== "ok") throw this.damaged();
  }

  damaged(cause?: unknown): DamagedStateError {
    return new DamagedStateError(this.path, { inode: this.#inode, cause });
  }

  [Symbol.dispose](): void {
    this.#sqlite.close();
  }

  #version(): number {
    return Number(this.all("PRAGMA user_version")[0]?.[0]);
  }

  /** Another process may have been first. */
  #update(): void {
    for (let version = this.#version(); version < VERSION; version++) this.#exec(UPDATES[version] ?? "");
    this.#exec(`PRAGMA user_version = ${VERSION}`);
  }

  #createTables(): void {
    if (this.all("SELECT 1 FROM sqlite_schema LIMIT 1").length > 0) return; // Another process was first.
    this.#exec(SCHEMA);
    const broken = this.path + BROKEN;
    if (!existsSync(broken)) return;
    for (const loss of LOSSES) this.values("lost_state").put(loss, broken);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#sqlite.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #exec(sql: string): void {
    this.#guard(() => this.#sqlite.exec(sql));
  }

  #guard<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      throw isDamage(error) ? this.damaged(error) : stateFault(error, this.path);
    }
  }
}

/** The values of one table that share a schema. */
export class Values<Value> {
  constructor(
    readonly database: AgentDatabase,
    readonly options: { table: keyof TableValues | "documents"; schema: z.ZodType<Value> },
  ) {}

  /** @throws DamagedStateError when it is not such a value */
  get(id: string): Value | null {
    const [row] = this.database.all(`SELECT value FROM ${this.options.table} WHERE id = ?`, id);
    return row === undefined ? null : this.#parse(row[0]);
  }

  /** All values by their ids, in the order they were put. @throws DamagedStateError when one is not such a value */
  all(): Map<string, Value> {
    const rows = this.database.all(`SELECT id, value FROM ${this.options.table} ORDER BY place`);
    return new Map(rows.map(([id, value]) => [String(id), this.#parse(value)]));
  }

  /** Puts a value in place of an earlier one of this id, or last. */
  put(id: string, value: Value): void {
    this.database.run(
      `INSERT INTO ${this.options.table} (id, value) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET value = excluded.value WHERE value <> excluded.value`,
      id,
      JSON.stringify(value),
    );
  }

  delete(id: string): void {
    this.database.run(`DELETE FROM ${this.options.table} WHERE id = ?`, id);
  }

  /** Forgets the oldest values, up to all of them. */
  keepNewest(count: number): void {
    const { table } = this.options;
    this.database.run(
      `DELETE FROM ${table} WHERE place NOT IN (SELECT place FROM ${table} ORDER BY place DESC LIMIT ?)`,
      count,
    );
  }

  #parse(json: unknown): Value {
    try {
      return this.options.schema.parse(JSON.parse(String(json)));
    } catch (error) {
      throw this.database.damaged(error);
    }
  }
}

function newerStateError(path: string): UserError {
  return new UserError(`The agent's state in ${path} is of a newer version`, {
    fix: "Update this agent, or remove the file: everything is then sent again, once",
  });
}

/** The file in which something lost is kept; null for what is not lost. */
export function lossOf(database: AgentDatabase, loss: Loss): string | null {
  return database.values("lost_state").get(loss);
}

/** Whether a file is there, as far as can be seen. */
export function existsSync(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** By SQLite's own texts: node:sqlite gives not every error its code. */
function isDamage(error: unknown): boolean {
  return isSqliteError(error) &&
    /malformed|not a database|no such (table|column)|out of range/.test(error.message);
}

function stateFault(error: unknown, path: string): unknown {
  if (!isSqliteError(error)) return error;
  const { message } = error;
  if (/is locked/.test(message)) {
    return new UserError(`Another program keeps ${path} locked`, { fix: "Try again", cause: error });
  }
  const isFull = /is full/.test(message) || (/I\/O error|unable to open/.test(message) && hasNoRoom(path));
  return diskFault("write", path, { error, isFull });
}

function hasNoRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < FULL_DISK_BYTES;
  } catch {
    return false;
  }
}
