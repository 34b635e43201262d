/** Owns what the agent asks of a place for secrets, and the place where there is no keychain: a private file. */
import { ifPresent } from "../../lib/files.ts";
import { readFileIfPresent, writePrivateFile } from "./private_file.ts";

/** Keeps one secret. */
export interface SecretStore {
  /** The secret, or null when none is kept. */
  read(): Promise<string | null>;
  /** Keeps a secret in place of the one before. */
  write(secret: string): Promise<void>;
  remove(): Promise<void>;
}

/** A secret in a file that only its user may read. */
export function createFileSecretStore(path: string): SecretStore {
  return {
    read: async () => (await readFileIfPresent(path))?.trim() || null,
    write: (secret) => writePrivateFile(path, secret),
    async remove() {
      await ifPresent(Deno.remove(path));
    },
  };
}
