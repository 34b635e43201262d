/** Stores the device's token: in the macOS Keychain through `/usr/bin/security`, elsewhere in a private file. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { ifPresent } from "../../lib/files.ts";
import type { CommandResult, CommandRunner } from "./command_runner.ts";
import { readFileIfPresent, writePrivateFile } from "./private_file.ts";

const SECURITY = "/usr/bin/security";
const SERVICE = "Conversation Assistant";

/** `security` ends with the low byte of an OSStatus: errSecItemNotFound, -25300 (Security/SecBase.h). */
const ITEM_NOT_FOUND = 44;
/** errSecAuthFailed, -25293. */
const AUTH_FAILED = 51;
/** errSecInteractionNotAllowed, -25308: the keychain is locked and nobody can be asked. */
const INTERACTION_NOT_ALLOWED = 36;
/** `security -i` reads its commands into a buffer of 4,096 bytes a line (SecurityTool readline.c). */
const MAX_COMMAND_BYTES = 4_095;

export interface KeychainOptions {
  account: string;
  commands: CommandRunner;
}

function keychainError(action: string, result: CommandResult): UserError {
  const locked = result.code === INTERACTION_NOT_ALLOWED || result.code === AUTH_FAILED;
  const fix = locked
    ? "Unlock it with `security unlock-keychain` and try again"
    : "Check that `security list-keychains` works in this session";
  const status = result.code === null ? "did not answer" : `gave status ${result.code}`;
  return new UserError(`The Keychain ${status} when asked to ${action} the pairing's token`, { fix });
}

function hexOf(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The command travels on stdin, because arguments of a process are visible to every other one. */
function addCommand(account: string, secret: string): string {
  const command = `add-generic-password -U -a "${account}" -s "${SERVICE}" -X ${hexOf(secret)}\n`;
  if (command.length > MAX_COMMAND_BYTES) {
    throw new UserError("This server's token is too long for the Keychain's command", {
      fix: "Update the agent",
    });
  }
  return command;
}

/**
 * A secret of the login keychain. Its methods throw a UserError when the keychain is locked or out of reach.
 *
 * @param options.account letters, digits and hyphens only
 */
export function createKeychainStore({ account, commands }: KeychainOptions): SecretStore {
  const item = ["-a", account, "-s", SERVICE] as const;

  async function read(): Promise<string | null> {
    const result = await commands.run([SECURITY, "find-generic-password", ...item, "-w"]);
    if (result.code === ITEM_NOT_FOUND) return null;
    if (result.code !== 0) throw keychainError("read", result);
    return result.stdout.trim() || null;
  }

  return {
    read,
    async write(secret) {
      const result = await commands.run([SECURITY, "-i"], { stdin: addCommand(account, secret) });
      // In interactive mode an exit code of 0 does not promise that each command succeeded.
      if (result.code !== 0 || await read() !== secret) throw keychainError("keep", result);
    },
    async remove() {
      const result = await commands.run([SECURITY, "delete-generic-password", ...item]);
      if (result.code !== 0 && result.code !== ITEM_NOT_FOUND) throw keychainError("remove", result);
    },
  };
}

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

export interface TokenStoreOptions {
  dataDir: string;
  /** Tells the agents of one user apart: letters, digits and hyphens; not secret. */
  account: string;
  commands: CommandRunner;
  /** `Deno.build.os`. */
  os: string;
}

/** The place for the token on this operating system. */
export function createTokenStore({ dataDir, account, commands, os }: TokenStoreOptions): SecretStore {
  if (os === "darwin") return createKeychainStore({ account, commands });
  return createFileSecretStore(join(dataDir, "token"));
}

/** The place for the refresh token on this operating system. */
export function createRefreshTokenStore(options: TokenStoreOptions): SecretStore {
  const { dataDir, account, commands, os } = options;
  if (os === "darwin") return createKeychainStore({ account: `${account}-refresh`, commands });
  return createFileSecretStore(join(dataDir, "refresh_token"));
}
