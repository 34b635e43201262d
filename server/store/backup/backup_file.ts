/** Backup files: a dump of the database, compressed, and encrypted as age does it (https://age-encryption.org/v1). */
import { join } from "node:path";
import { Decrypter, Encrypter } from "age-encryption";
import { messageOf, UserError } from "../../../lib/errors.ts";
import { ifPresent, writeFileAtomically } from "../../../lib/files.ts";
import type { OwnConnection } from "../database.ts";
import type { Migration } from "../migrate.ts";
import { dump, type DumpOptions } from "./dump.ts";

const AGE_MAGIC = "age-encryption.org/";
const GZIP_MAGIC = "\x1f\x8b";
const FOLDER = "backups";
const BEFORE = "before-";
/** How many backups of before a migration stay. */
const KEPT = 3;

export interface BackupOptions extends DumpOptions {
  /** The public key (`age1…`) that it is encrypted for; null leaves it readable to whoever can read the file. */
  readonly recipient: string | null;
  /** Whether an older file of this name may be replaced. */
  readonly replace: boolean;
}

async function encrypted(bytes: ReadableStream<Uint8Array>, recipient: string): Promise<ReadableStream> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return await encrypter.encrypt(bytes);
}

/**
 * Writes a backup of the database as it is at one moment. The file has its name only when it is complete.
 *
 * @throws UserError when the file cannot be written
 */
export async function writeBackup(
  own: OwnConnection,
  path: string,
  { recipient, replace, ...options }: BackupOptions,
): Promise<void> {
  const write = async (draftPath: string) => {
    const compressed = ReadableStream.from(dump(own, options))
      .pipeThrough(new TextEncoderStream())
      .pipeThrough(new CompressionStream("gzip"));
    const bytes = recipient === null ? compressed : await encrypted(compressed, recipient);
    await Deno.writeFile(draftPath, bytes, { createNew: true, mode: 0o600 });
  };
  try {
    await writeFileAtomically(path, write, { mode: 0o600, replace });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new UserError(`${path} exists already`, { fix: "Choose another name" });
    }
    if (error instanceof UserError) throw error;
    throw new UserError(`The backup could not be written to ${path}: ${messageOf(error)}`, {
      fix: "Make room, or choose another folder",
    });
  }
}

/**
 * Backs the database up into `backups/` of the data folder, before a migration changes it. Not encrypted: it lies where
 * the data does. The oldest of more than three goes.
 */
export async function backUpBefore(
  own: OwnConnection,
  { next, dataDir }: { next: Migration; dataDir: string },
): Promise<void> {
  const folder = join(dataDir, FOLDER);
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${BEFORE}${next.name.replace(/\.sql$/, "")}.gz`);
  await writeBackup(own, path, { secret: null, recipient: null, replace: true });
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const older = names.filter((name) => name.startsWith(BEFORE)).sort().slice(0, -KEPT);
  for (const name of older) await ifPresent(Deno.remove(join(folder, name)));
}

async function firstBytes(path: string): Promise<string> {
  using file = await ifPresent(Deno.open(path));
  if (file === null) throw new UserError(`There is no file ${path}`);
  const bytes = new Uint8Array(AGE_MAGIC.length);
  const length = await file.read(bytes) ?? 0;
  return String.fromCharCode(...bytes.subarray(0, length));
}

async function decrypted(bytes: ReadableStream<Uint8Array>, identity: string): Promise<ReadableStream> {
  const decrypter = new Decrypter();
  try {
    decrypter.addIdentity(identity);
    return await decrypter.decrypt(bytes);
  } catch {
    throw new UserError("This key does not open the backup", {
      fix: "Give the key that was shown when the backups were set up: it begins with AGE-SECRET-KEY-1",
    });
  }
}

/**
 * The dump in a backup file, in pieces.
 *
 * @param askForKey is called when the file is encrypted; it gives the secret key (`AGE-SECRET-KEY-1…`)
 * @throws UserError when the file is none, or the key is another one
 */
export async function readBackup(
  path: string,
  { askForKey }: { askForKey: () => Promise<string> | string },
): Promise<AsyncIterable<string>> {
  const start = await firstBytes(path);
  const isEncrypted = start === AGE_MAGIC;
  if (!isEncrypted && !start.startsWith(GZIP_MAGIC)) throw new UserError(`${path} is no backup`);
  const identity = isEncrypted ? await askForKey() : null;
  const { readable } = await Deno.open(path);
  const compressed = identity === null ? readable : await decrypted(readable, identity);
  return compressed
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(new TextDecoderStream("utf-8", { fatal: true }));
}
