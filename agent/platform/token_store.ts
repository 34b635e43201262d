/** Owns where the device's token is kept: the macOS Keychain, elsewhere a file that only its user may read. */
import { join } from "node:path";
import type { CommandRunner } from "./command_runner.ts";
import { createKeychainStore } from "./keychain_store.ts";
import { createFileSecretStore, type SecretStore } from "./secret_store.ts";

export interface TokenStoreOptions {
  dataDir: string;
  /** Tells the agents of one user apart: letters, digits and hyphens; not secret. */
  account: string;
  commands: CommandRunner;
  /** `Deno.build.os`. */
  os: string;
}

const TOKEN_FILE = "token";

/** The place for the token on this operating system. */
export function createTokenStore({ dataDir, account, commands, os }: TokenStoreOptions): SecretStore {
  if (os === "darwin") return createKeychainStore({ account, commands });
  return createFileSecretStore(join(dataDir, TOKEN_FILE));
}
