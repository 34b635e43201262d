/** Locks that keep two agents from doing the same work on one data folder. */
import { join } from "node:path";
import { ifPresent } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";
import { makePrivateFolder } from "./private_file.ts";

/** Work that one process at a time may do. */
export type Work = "sync" | "pair" | "suggest" | "policy" | "send" | "run" | "menubar";

/**
 * Takes a work of a data folder for this process until the lock is disposed or the process ends, by whatever means.
 *
 * @throws UserError when another agent has it
 */
export async function lockWork(dataDir: string, work: Work): Promise<Disposable> {
  await makePrivateFolder(dataDir);
  const file = await Deno.open(join(dataDir, `${work}.lock`), { create: true, write: true, mode: 0o600 });
  if (await file.tryLock(true)) return file;
  file.close();
  throw new UserError(`Another agent is already running on ${dataDir}`, { fix: "Wait for it, or stop it" });
}

/** True while a process does this work on a data folder. Makes no file and no folder. */
export async function isWorkHeld(dataDir: string, work: Work): Promise<boolean> {
  using file = await ifPresent(Deno.open(join(dataDir, `${work}.lock`)));
  return file !== null && !await file.tryLock(false);
}
