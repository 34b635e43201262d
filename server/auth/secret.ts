/** Loads the server's secret: the configured one, that of the database, or one generated once into the data folder. */
import { join } from "node:path";
import { ifPresent, writeFileAtomically } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";
import type { ServerConfig } from "../config.ts";

const SECRET_FILE = "jwt_secret";
const SECRET_BYTES = 32;
const HEX = /^[0-9a-f]{64}$/;

/** Writes a new secret, unless another process has written one meanwhile. */
async function generateInto(path: string): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  try {
    await writeFileAtomically(path, bytes.toHex(), { mode: 0o600, replace: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/**
 * Stores a secret that a backup brought, in hex: in the database where servers share one, otherwise in the data folder.
 * A configured one stays what it is.
 */
export async function restoreSecret(hex: string, options: SecretOptions): Promise<void> {
  if (options.configured !== null) return;
  if (options.share !== undefined) return void await options.share(hex);
  await writeFileAtomically(join(options.dataDir, SECRET_FILE), hex, { mode: 0o600 });
}

async function readGenerated(path: string): Promise<Uint8Array | null> {
  const text = await ifPresent(Deno.readTextFile(path));
  if (text === null) return null;
  if (HEX.test(text.trim())) return Uint8Array.fromHex(text.trim());
  throw new UserError(
    `The secret in ${path} is damaged: remove the file to have a new one made (every device must pair again), ` +
      "or set JWT_SECRET",
  );
}

export interface SecretOptions {
  configured: string | null;
  dataDir: string;
  /** For a database that servers share: gives theirs, which is the one given here where they have none yet. */
  share?: (own: string) => Promise<string>;
}

/** Where the secret of a server with these settings is; `share` is that of the database it would share. */
export function secretOptionsOf(
  { jwtSecret: configured, dataDir, databaseUrl }: Pick<
    ServerConfig,
    "jwtSecret" | "dataDir" | "databaseUrl"
  >,
  share: SecretOptions["share"],
): SecretOptions {
  return { configured, dataDir, share: databaseUrl === null ? undefined : share };
}

/** The secret of a database. An installation that was there before it brings the one of its folder. */
async function sharedSecret(path: string, share: (own: string) => Promise<string>): Promise<Uint8Array> {
  const own = await readGenerated(path) ?? crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const text = await share(own.toHex());
  if (HEX.test(text)) return Uint8Array.fromHex(text);
  throw new UserError("The secret in the database is damaged", {
    fix: "Set JWT_SECRET, or delete its row in server_secrets: then every device must pair again",
  });
}

/**
 * The secret that signs tokens and keys the hashes of pairing codes.
 *
 * @throws UserError when the stored secret is damaged
 */
export async function loadSecret(options: SecretOptions): Promise<Uint8Array> {
  if (options.configured !== null) return new TextEncoder().encode(options.configured);
  const path = join(options.dataDir, SECRET_FILE);
  if (options.share !== undefined) return await sharedSecret(path, options.share);
  const stored = await readGenerated(path);
  if (stored !== null) return stored;
  await Deno.mkdir(options.dataDir, { recursive: true });
  await generateInto(path);
  return await loadSecret(options);
}
