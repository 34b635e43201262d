/** Owns the lock that lets only one server use a data folder; it dies with its process. */
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";

const LOCK_FILE = "server.lock";

/**
 * Takes the lock of a data folder, and holds it until disposed or until the process ends, by whatever means.
 *
 * @throws UserError when another process holds it
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  const file = await Deno.open(join(dataDir, LOCK_FILE), {
    read: true,
    write: true,
    create: true,
    mode: 0o600,
  });
  if (!await file.tryLock(true)) {
    file.close();
    throw new UserError(
      `Another server is using ${dataDir}: stop it first, or give this one a DATA_DIR of its own`,
    );
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await file.unlock();
      file.close();
    },
  };
}
