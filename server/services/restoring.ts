/** Restores a backup file: the database, the secret of its tokens, and the adapters of ml. */
import { join } from "node:path";
import { ApiError, messageOf, UserError } from "../../lib/errors.ts";
import { restoreSecret, secretOptionsOf } from "../auth/secret.ts";
import type { MlClient } from "../clients/ml.ts";
import type { ServerConfig } from "../config.ts";
import type { DeviceStore } from "../store/devices/device_store.ts";
import { readBackup } from "../store/backup/backup_file.ts";
import type { Stores } from "../store/store.ts";
import { isSetupCode } from "./devices/pairing.ts";

/** What was done with adapters, for a person. */
export class AdapterTally {
  done = 0;
  /** Those that ml does not serve. */
  leftOut = 0;

  toString(): string {
    const count = (number: number) => `${number} ${number === 1 ? "adapter" : "adapters"}`;
    return count(this.done) +
      (this.leftOut === 0 ? "" : `; ${count(this.leftOut)} left out, which ml does not serve`);
  }
}

/** ml is away, or refuses what would be lost without it. */
export function adaptersFault(what: string, error: unknown): UserError {
  return new UserError(`The adapters, which are files of ml, cannot be ${what}: ${messageOf(error)}`, {
    fix:
      "See that ml runs with their model, or leave the adapters out (`--no-adapters`); nothing was changed",
    cause: error,
  });
}

export interface RestoreDependencies {
  readonly config: Pick<ServerConfig, "jwtSecret" | "dataDir" | "databaseUrl">;
  readonly store: Pick<Stores, "restore" | "sharedSecret">;
  readonly ml: Pick<MlClient, "restoreAdapter">;
}

export interface RestoreChoice {
  /** Called when the file is encrypted; gives the secret key. */
  readonly askForKey: () => Promise<string> | string;
  /** Whether what the database holds may be deleted. */
  readonly replace: boolean;
  /** False leaves the adapters' files out. */
  readonly adapters: boolean;
}

/** What a backup brought. */
export interface Restored {
  /** ISO 8601. */
  readonly createdAt: string;
  readonly rows: number;
  readonly adapters: AdapterTally;
}

/**
 * Restores a file, all of it or nothing.
 *
 * @throws UserError when the file or the key is not the right one, the database is not empty, or ml does not take the
 * adapters
 */
export async function restoreFile(
  path: string,
  { askForKey, replace, adapters }: RestoreChoice,
  { config, store, ml }: RestoreDependencies,
): Promise<Restored> {
  const tally = new AdapterTally();
  const restoreAdapter = async (id: string, bytes: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    try {
      const { state } = await ml.restoreAdapter(id, bytes);
      if (state === "tainted") tally.leftOut++;
      else tally.done++;
    } catch (error) {
      throw adaptersFault("restored", error);
    }
  };
  const dumped = await readBackup(path, { askForKey });
  const { header, rows } = await store.restore({
    dumped,
    replace,
    restoreAdapter: adapters ? restoreAdapter : undefined,
  });
  if (header.secret !== null) {
    await restoreSecret(header.secret, secretOptionsOf(config, store.sharedSecret));
  }
  return { createdAt: header.createdAt, rows, adapters: tally };
}

/** A backup that a browser sends to a server that nobody owns. */
export interface Upload {
  readonly bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly key: string;
  readonly setupCode: string | undefined;
  readonly adapters: boolean;
  /** Whether it comes from this machine. */
  readonly isLocal: boolean;
}

export interface RestoreService {
  /**
   * Restores a backup on a server that nobody owns.
   *
   * @throws ApiError `conflict` when somebody does, or with what is wrong with the file; `setup_code_required`
   */
  restore(upload: Upload): Promise<Restored>;
}

export interface RestoreServiceOptions extends RestoreDependencies {
  readonly devices: Pick<DeviceStore, "isClaimed">;
  readonly secret: Uint8Array;
  readonly isNetworked: boolean;
  /** Called once the database is another one: what was read of it before is out of date. */
  readonly onRestored: () => void;
}

/** Makes the service. */
export function createRestoreService(options: RestoreServiceOptions): RestoreService {
  const { devices, secret, isNetworked, config, onRestored } = options;

  /** As for the first device: whoever may claim the server may restore into it. */
  async function checkAllowed({ setupCode, isLocal }: Upload): Promise<void> {
    if (await devices.isClaimed()) {
      throw new ApiError(
        "conflict",
        "Somebody owns this server already: restore with its command `restore --replace`",
      );
    }
    if (setupCode === undefined ? isLocal && !isNetworked : isSetupCode(setupCode, secret)) return;
    throw new ApiError(
      "setup_code_required",
      "To restore a backup from here takes the setup code that the server prints at its start",
    );
  }

  return {
    async restore(upload) {
      await checkAllowed(upload);
      const path = join(config.dataDir, `restore-${crypto.randomUUID()}`);
      try {
        await Deno.writeFile(path, upload.bytes, { createNew: true, mode: 0o600 });
        const { key, adapters } = upload;
        const restored = await restoreFile(path, { askForKey: () => key, replace: false, adapters }, options);
        onRestored();
        return restored;
      } catch (error) {
        throw error instanceof UserError
          ? new ApiError("conflict", messageOf(error), { cause: error })
          : error;
      } finally {
        await Deno.remove(path).catch(() => {});
      }
    },
  };
}
