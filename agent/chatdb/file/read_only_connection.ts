/**
 * Opens a database for reading, also in a folder that may not be written to, such as a backup: SQLite would need files of
 * its own there, and without them it would not see the rows of the `-wal`.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asChatDatabaseError, ChatDatabaseError } from "./chat_database_error.ts";
import { fileSignature, isReadableAsFile } from "./database_file.ts";

export interface ReadOnlyConnection {
  readonly sqlite: DatabaseSync;
  /** The signature of the files of which a copy is open; null where they themselves are. */
  readonly copied: string | null;
}

export interface ReadOnlyOptions {
  /** How long to wait for a program that keeps the database locked. */
  readonly busyTimeoutMs: number;
  /** Rows as arrays, which are the fastest; else as objects. */
  readonly returnArrays?: boolean;
}

/** The copy's name; its folder is new. */
const NAME = "database";

/**
 * Opens the database at `path`, a real path, or a copy of it where its folder may not be written to.
 *
 * @throws ChatDatabaseError or an error of node:sqlite
 */
export function openReadOnly(path: string, options: ReadOnlyOptions): ReadOnlyConnection {
  try {
    return { sqlite: connected(path, options), copied: null };
  } catch (error) {
    const fault = asChatDatabaseError(error, path);
    const isDenied = fault instanceof ChatDatabaseError && fault.code === "permission_denied";
    if (!isDenied || !isReadableAsFile(path)) throw fault;
  }
  return openCopy(path, options);
}

/** A connection that has read from the file, so that it has all its files open. */
function connected(path: string, { busyTimeoutMs, returnArrays = false }: ReadOnlyOptions): DatabaseSync {
  // Deno knows the last two, which the types it ships do not name yet; dates and hashes may exceed 2^53.
  const open = { readOnly: true, readBigInts: true, returnArrays };
  const sqlite = new DatabaseSync(path, open);
  try {
    sqlite.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    sqlite.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").all();
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/**
 * Copies the database with its `-wal` into a new folder that only this user can read, opens the copy, and removes the folder
 * at once: what is open stays readable, and once it is open no end of the program leaves a message on the disk. Within one
 * volume of macOS nothing is copied but the names; elsewhere it takes the room of the database.
 */
function openCopy(path: string, options: ReadOnlyOptions): ReadOnlyConnection {
  const folder = Deno.makeTempDirSync({ prefix: "conversation-assistant-" });
  try {
    const copied = copyInto(folder, path);
    return { sqlite: connected(join(folder, NAME), options), copied };
  } catch (error) {
    throw asChatDatabaseError(error, path);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Returns the signature of what was copied. */
function copyInto(folder: string, path: string): string {
  const signature = fileSignature(path);
  try {
    for (const suffix of ["", "-wal"]) copyIfPresent(path + suffix, join(folder, NAME + suffix));
  } catch (cause) {
    throw new ChatDatabaseError("read_only_folder", path, { cause });
  }
  if (fileSignature(path) !== signature) throw new ChatDatabaseError("read_only_folder", path);
  return signature;
}

function copyIfPresent(from: string, to: string): void {
  try {
    Deno.copyFileSync(from, to);
    Deno.chmodSync(to, 0o600);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
