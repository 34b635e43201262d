/**
 * The commands `backup` and `restore`: the whole database and the adapters of ml in one encrypted file, beside a server
 * that may be running.
 */
import { join, resolve } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { localTimeText } from "../lib/clock.ts";
import { UserError } from "../lib/errors.ts";
import { ifPresent, writeFileAtomically } from "../lib/files.ts";
import { formatBytes } from "../lib/progress.ts";
import { writeLine } from "../lib/log.ts";
import { loadSecret, secretOptionsOf } from "./auth/secret.ts";
import { createMlClient, isRefusedByMl, type MlClient } from "./clients/ml.ts";
import type { ServerConfig } from "./config.ts";
import { adaptersFault, AdapterTally, restoreFile } from "./services/restoring.ts";
import { writeBackup } from "./store/backup/backup_file.ts";
import { isMigrated } from "./store/migrate.ts";
import { createStores, joinDatabase } from "./store/store.ts";

/** Holds the public key of the key that the first backup showed. */
const RECIPIENT_FILE = "backup_recipient";

/** Asks the person at the terminal; null when there is no terminal, or no answer. */
export type Ask = (question: string) => string | null;

/** What a command needs. */
export interface CommandContext {
  readonly config: ServerConfig;
  readonly ask: Ask;
}

/** Asks on the terminal that the command was started in. */
export function askOnTerminal(question: string): string | null {
  return Deno.stdin.isTerminal() ? prompt(question)?.trim() ?? null : null;
}

/** Makes a key, and keeps its public half once the person has shown to hold the secret one. */
async function newRecipient({ config, ask }: CommandContext): Promise<string> {
  const identity = await generateX25519Identity();
  const answer = ask(
    `This key opens your backups, and nothing else does:\n\n  ${identity}\n\n` +
      "Keep it where it survives this machine; it is not shown again. Type or paste it here once more:",
  );
  if (answer === null) {
    throw new UserError("Backups are encrypted, and no key has been set up", {
      fix: "Run `backup` once in a terminal, or set BACKUP_RECIPIENT to a public key of age",
    });
  }
  if (answer !== identity) {
    throw new UserError("That is not the key that was shown", { fix: "Run `backup` again for another key" });
  }
  const recipient = await identityToRecipient(identity);
  await writeFileAtomically(join(config.dataDir, RECIPIENT_FILE), recipient, { mode: 0o600 });
  return recipient;
}

async function recipientOf(context: CommandContext): Promise<string> {
  const { backupRecipient, dataDir } = context.config;
  return backupRecipient ?? await ifPresent(Deno.readTextFile(join(dataDir, RECIPIENT_FILE))) ??
    await newRecipient(context);
}

async function* readingOf(bytes: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw adaptersFault("backed up", error);
  }
}

function mlOf({ mlUrl: baseUrl, mlToken: token }: ServerConfig): MlClient {
  return createMlClient({ baseUrl, token });
}

function copyingAdapters(config: ServerConfig, tally: AdapterTally) {
  const ml = mlOf(config);
  return async (id: string) => {
    try {
      const bytes = await ml.copyAdapter(id);
      tally.done++;
      return readingOf(bytes);
    } catch (error) {
      if (!isRefusedByMl(error)) throw adaptersFault("backed up", error);
      tally.leftOut++;
      return null;
    }
  };
}

/** An option of both commands. */
export interface AdapterChoice {
  /** False leaves the adapters' files out. */
  readonly adapters?: boolean;
}

/**
 * Writes a backup to a new file.
 *
 * @throws UserError when there is nothing, or no key to encrypt it for, the file cannot be written, or ml is away
 */
export async function backUp(
  file: string,
  { adapters = true }: AdapterChoice,
  context: CommandContext,
): Promise<void> {
  const { config } = context;
  await using database = await joinDatabase(config);
  if (!await isMigrated(database)) {
    throw new UserError("There is nothing to back up: no server has run here yet");
  }
  const recipient = await recipientOf(context);
  const { sharedSecret } = createStores(database);
  const secret = config.jwtSecret === null
    ? (await loadSecret(secretOptionsOf(config, sharedSecret))).toHex()
    : null;
  const path = resolve(file);
  await using own = await database.connect();
  const tally = new AdapterTally();
  const copyAdapter = adapters ? copyingAdapters(config, tally) : undefined;
  await writeBackup(own, path, { secret, recipient, replace: false, copyAdapter });
  const size = formatBytes((await Deno.stat(path)).size);
  writeLine(`Backed up to ${path} (${size})${adapters ? `, with ${tally}` : ", without adapters"}`);
}

async function keyOf({ ask }: CommandContext, keyFile: string | undefined): Promise<string> {
  if (keyFile === undefined) return ask("The key of the backup (AGE-SECRET-KEY-1…):") ?? "";
  const text = await ifPresent(Deno.readTextFile(keyFile));
  if (text === null) throw new UserError(`There is no file ${keyFile}`);
  // As `age-keygen` writes it: comments, then the key.
  return text.split("\n").map((line) => line.trim()).find((line) => line !== "" && !line.startsWith("#")) ??
    "";
}

/**
 * Restores a backup, all of it or nothing.
 *
 * @param options `replace` allows deleting what the database holds; `key` names a file with the secret key
 * @throws UserError when the file or the key is not the right one, the database is not empty, or ml does not take the
 * adapters
 */
export async function restoreBackup(
  file: string,
  options: AdapterChoice & { replace?: boolean; key?: string },
  context: CommandContext,
): Promise<void> {
  const { config } = context;
  const { replace = false, adapters = true, key } = options;
  const askForKey = () => keyOf(context, key);
  await using database = await joinDatabase(config);
  const { createdAt, rows, adapters: tally } = await restoreFile(
    resolve(file),
    { askForKey, replace, adapters },
    { config, store: createStores(database), ml: mlOf(config) },
  );
  writeLine(
    `Restored the backup of ${
      localTimeText(createdAt)
    }: ${rows} rows, ${tally}. Restart a server that is running.`,
  );
}
