/** The lock by which a Deno KV file, and with it its job queues, belongs to one process at a time. */
import { UserError } from "../errors.ts";

/**
 * Takes the lock of a KV file, and holds it until disposed or until the process ends, by whatever means.
 *
 * @throws UserError when another process holds it
 */
export async function lockKvFile(path: string): Promise<Disposable> {
  const file = await Deno.open(`${path}.lock`, { create: true, write: true, mode: 0o600 });
  if (await file.tryLock(true)) return file;
  file.close();
  throw new UserError(`Another process is using ${path}`, {
    fix: "Stop it first, or give this one a DATA_DIR of its own",
  });
}
