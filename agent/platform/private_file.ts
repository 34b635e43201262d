/** Files that only the agent's user may read, replaced atomically and on the disk before a write returns. */
import { dirname } from "node:path";
import { ifPresent, writeFileAtomically } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** True for the refusal of a disk without room, which has no class of its own. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOSPC";
}

/** What a person can do when the disk says no: full, read-only, or somebody else's. */
export function diskFault(
  action: string,
  path: string,
  { error, isFull = isDiskFull(error) }: { error: unknown; isFull?: boolean },
): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  if (isFull) {
    return new UserError(`Cannot ${action} ${path}, because the disk is full`, {
      fix: "Free some space on it",
      cause: error,
    });
  }
  return new UserError(`Cannot ${action} ${path} (${error.name})`, {
    fix: "Check that the disk has room and that the folder is yours",
    cause: error,
  });
}

/** Makes a folder that only its owner may enter, with its parents. An existing one is somebody's choice and stays. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: PRIVATE_FOLDER });
  } catch (error) {
    throw diskFault("use", path, { error });
  }
}

/**
 * Replaces a private file atomically, as {@linkcode writeFileAtomically} does, in a private folder.
 *
 * One process may write a file at a time; `lockWork` sees to that.
 *
 * @throws UserError when the disk does not take it
 */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  await makePrivateFolder(dirname(path));
  try {
    await writeFileAtomically(path, content, { mode: PRIVATE_FILE, draftPath: `${path}.new` });
  } catch (error) {
    throw diskFault("write", path, { error });
  }
}

/** The content of a file, or null when there is none. */
export async function readFileIfPresent(path: string): Promise<string | null> {
  try {
    return await ifPresent(Deno.readTextFile(path));
  } catch (error) {
    throw diskFault("read", path, { error });
  }
}
