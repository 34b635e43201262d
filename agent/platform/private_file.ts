/** Owns files that only the agent's user may read, replaced whole and on the disk before a write returns. */
import { dirname } from "node:path";
import { StartError } from "../../lib/lifecycle.ts";

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** True for the refusal of a disk without room, which has no class of its own. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOSPC";
}

/** What a person can do when the disk says no: full, read-only, or somebody else's. */
function diskFault(action: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof StartError) return error;
  if (isDiskFull(error)) {
    return new StartError(`Cannot ${action} ${path}, because the disk is full: make room on it`, {
      cause: error,
    });
  }
  return new StartError(
    `Cannot ${action} ${path} (${error.name}): see that the disk has room and that the folder is yours`,
    { cause: error },
  );
}

/** Makes a folder that only its owner may enter, with its parents. An existing one is somebody's choice and stays. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: PRIVATE_FOLDER });
  } catch (error) {
    throw diskFault("use", path, error);
  }
}

async function writeWhole(path: string, content: string): Promise<void> {
  // A new file has this mode from its first byte on; one that is there would keep its own.
  using file = await Deno.open(path, { write: true, createNew: true, mode: PRIVATE_FILE });
  const bytes = new TextEncoder().encode(content);
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  await file.sync();
}

/** Makes a rename survive a power cut; Windows has no such call for folders. */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}

/**
 * Replaces a private file at once: a reader, or a start after a crash, finds the old content or the new, whole.
 *
 * One process may write a file at a time; `lockWork` sees to that.
 *
 * @throws StartError when the disk does not take it
 */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const draft = `${path}.new`;
  await makePrivateFolder(dirname(path));
  try {
    await Deno.remove(draft).catch(ignoreMissing);
    await writeWhole(draft, content);
    await Deno.rename(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    // Half a draft would only take room, which a full disk has none of.
    await Deno.remove(draft).catch(() => {});
    throw diskFault("write", path, error);
  }
}

/** The content of a file, or null when there is none. */
export async function readFileIfPresent(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw diskFault("read", path, error);
  }
}

/** Removes a file; none there is as good. */
export async function removeIfPresent(path: string): Promise<void> {
  await Deno.remove(path).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
