/** Locks that keep two agents from doing the same work on one data folder. */
import { join } from "node:path";
import { isLocked, lockFile } from "../../lib/files.ts";
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
  return await lockFile(lockPath(dataDir, work), {
    message: `Another agent is already running on ${dataDir}`,
    fix: "Wait for it, or stop it",
  });
}

/** True while a process does this work on a data folder. Makes no file and no folder. */
export function isWorkHeld(dataDir: string, work: Work): Promise<boolean> {
  return isLocked(lockPath(dataDir, work));
}

function lockPath(dataDir: string, work: Work): string {
  return join(dataDir, `${work}.lock`);
}
