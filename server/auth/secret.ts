/** Loads the server's secret: the configured one, or one generated once into the data folder. */
import { join } from "node:path";
import { ifPresent, writeFileAtomically } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";

const SECRET_FILE = "jwt_secret";
const SECRET_BYTES = 32;

/** Writes a new secret, unless another process has written one meanwhile. */
async function generateInto(path: string): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  try {
    await writeFileAtomically(path, bytes.toHex(), { mode: 0o600, replace: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

async function readGenerated(path: string): Promise<Uint8Array | null> {
  const text = await ifPresent(Deno.readTextFile(path));
  if (text === null) return null;
  if (/^[0-9a-f]{64}$/.test(text.trim())) return Uint8Array.fromHex(text.trim());
  throw new UserError(
    `The secret in ${path} is damaged: remove the file to have a new one made (every device must pair again), ` +
      "or set JWT_SECRET",
  );
}

/**
 * The secret that signs tokens and keys the hashes of pairing codes.
 *
 * @throws UserError when the stored secret is damaged
 */
export async function loadSecret(
  options: { configured: string | null; dataDir: string },
): Promise<Uint8Array> {
  if (options.configured !== null) return new TextEncoder().encode(options.configured);
  const path = join(options.dataDir, SECRET_FILE);
  const stored = await readGenerated(path);
  if (stored !== null) return stored;
  await Deno.mkdir(options.dataDir, { recursive: true });
  await generateInto(path);
  return await loadSecret(options);
}
