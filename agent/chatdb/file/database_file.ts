/** Inspects chat.db as a file, before SQLite opens it: access, header, length, times. */
import { dirname } from "node:path";
import { ChatDatabaseError } from "./chat_database_error.ts";

/** The first 100 bytes of a database file and the fields read here (https://www.sqlite.org/fileformat2.html §1.3). */
const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const PAGE_SIZE_AT = 16;
const CHANGE_COUNTER_AT = 24;
const PAGE_COUNT_AT = 28;
const PAGE_COUNT_VALID_FOR_AT = 92;

/**
 * Checks that `path` is a readable, complete SQLite file and returns its real path: node:sqlite refuses symlinks.
 *
 * @throws ChatDatabaseError missing, permission_denied, empty_file, not_a_database or truncated
 */
export function probeDatabaseFile(path: string): string {
  try {
    const realPath = Deno.realPathSync(path);
    checkHeader(realPath);
    return realPath;
  } catch (error) {
    throw accessError(error, path);
  }
}

/**
 * True for a database that can be read as a file with its `-wal`. Where SQLite reports that access is missing although it is
 * there, it cannot make the `-shm` that it needs beside them: the folder may not be written to.
 */
export function isReadableAsFile(path: string): boolean {
  try {
    if (readStart(path).length < HEADER_BYTES) return false;
    if (statOrNull(`${path}-wal`) === null) return true;
    using _wal = Deno.openSync(`${path}-wal`);
  } catch {
    return false;
  }
  return true;
}

/** Distinguishes a file from another at the same path. */
export interface FileIdentity {
  device: number;
  /** Null where the system has no inodes. */
  inode: number | null;
}

/** The identity of the file now at `path`. */
export function fileIdentityOf(path: string): FileIdentity {
  const { dev, ino } = Deno.statSync(path);
  return { device: dev, inode: ino };
}

/**
 * When the database was last written: the later change of its file and its `-wal`. No row that a reader can see is
 * younger. A `-wal` without content is left out, because opening a database may create one.
 *
 * @throws ChatDatabaseError missing or permission_denied
 */
export function lastWriteMs(path: string): number {
  try {
    const wal = statOrNull(`${path}-wal`);
    const mainMs = Deno.statSync(path).mtime?.getTime() ?? Infinity;
    return wal === null || wal.size === 0 ? mainMs : Math.max(mainMs, wal.mtime?.getTime() ?? Infinity);
  } catch (error) {
    throw accessError(error, path);
  }
}

/**
 * Changes whenever the database's files do: each one's device, inode and size, and the last write of the file and its
 * `-wal`. The time of the `-shm` is left out, because reading alone may move it. Deno gives times to the millisecond;
 * `ChatDatabase.dataVersion` notices commits closer together. (`node:fs` gives nanoseconds, but loading it takes more
 * memory than the rest of the agent.)
 */
export function fileSignature(path: string): string {
  return ["", "-wal", "-shm"].map((suffix) => {
    const stat = statOrAbsent(path + suffix);
    if (stat === null) return "-";
    const identity = `${stat.dev}.${stat.ino}.${stat.size}`;
    return suffix === "-shm" ? identity : `${identity}.${stat.mtime?.getTime()}`;
  }).join(" ");
}

/** Null also for a file that may not be looked at. */
function statOrAbsent(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null;
  }
}

function checkHeader(path: string): void {
  const { size, isFile } = Deno.statSync(path);
  if (!isFile) throw new ChatDatabaseError("not_a_database", path);
  if (size === 0) throw new ChatDatabaseError("empty_file", path);
  const header = readStart(path);
  // Without Full Disk Access some macOS releases open the file and then read nothing from it.
  if (header.length === 0) throw new ChatDatabaseError("permission_denied", path);
  const magic = MAGIC.slice(0, header.length);
  if (new TextDecoder("latin1").decode(header.subarray(0, MAGIC.length)) !== magic) {
    throw new ChatDatabaseError("not_a_database", path);
  }
  const hasWal = (statOrNull(`${path}-wal`)?.size ?? 0) > 0;
  if (header.length < HEADER_BYTES || (!hasWal && size < declaredSizeBytes(header))) {
    throw new ChatDatabaseError("truncated", path);
  }
}

/**
 * The length that the header promises, or 0 when an old writer left the page count stale. Pages may also lie in the
 * `-wal` while it is not empty, so the promise binds only without one.
 */
function declaredSizeBytes(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset);
  if (view.getUint32(CHANGE_COUNTER_AT) !== view.getUint32(PAGE_COUNT_VALID_FOR_AT)) return 0;
  const pageSizeBytes = view.getUint16(PAGE_SIZE_AT);
  return (pageSizeBytes === 1 ? 65_536 : pageSizeBytes) * view.getUint32(PAGE_COUNT_AT);
}

function readStart(path: string): Uint8Array {
  using file = Deno.openSync(path);
  const header = new Uint8Array(HEADER_BYTES);
  return header.subarray(0, file.readSync(header) ?? 0);
}

/**
 * macOS 27 hides protected files: opening one says "not found" although listing its folder says "not permitted". So a
 * file is missing only when its folder can be listed or is not there either.
 */
function accessError(error: unknown, path: string): unknown {
  if (isDenied(error)) return new ChatDatabaseError("permission_denied", path, { cause: error });
  if (!(error instanceof Deno.errors.NotFound)) return error;
  try {
    Deno.readDirSync(dirname(path))[Symbol.iterator]().next();
  } catch (folderError) {
    if (isDenied(folderError)) {
      return new ChatDatabaseError("permission_denied", path, { cause: folderError });
    }
  }
  return new ChatDatabaseError("missing", path, { cause: error });
}

/** EACCES and EPERM of the system, not a missing permission flag of Deno, which is a mistake in the command that starts it. */
function isDenied(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied;
}

function statOrNull(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
