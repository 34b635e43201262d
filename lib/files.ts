/** Files that are replaced atomically, files that may be missing, and files that lock others out. */
import { dirname } from "node:path";
import { UserError } from "./errors.ts";

/** The complete content, or a function that writes it to the draft's path. */
export type FileContent = string | Uint8Array | ((draftPath: string) => Promise<void> | void);

export interface WriteFileOptions {
  /** The file's exact permissions, from its first byte on; what the umask says when absent. Windows ignores it. */
  mode?: number;
  /**
   * The draft's path, in the same folder. By default each write has its own, so that two writers never share one. A
   * fixed path is for a file with a single writer: the next write then replaces the draft that a crash left behind.
   */
  draftPath?: string;
  /** Replace an existing file, which is the default; otherwise the write fails with `Deno.errors.AlreadyExists`. */
  replace?: boolean;
}

/**
 * Writes a file so that readers, also those after a crash or a power cut, find either the old content or the new one,
 * complete. When this returns, the new content is on the disk; when it throws, the file is as it was and no draft is
 * left.
 *
 * @throws what writing the content throws, and `Deno.errors` of the file system
 */
export async function writeFileAtomically(
  path: string,
  content: FileContent,
  options: WriteFileOptions = {},
): Promise<void> {
  const { mode, draftPath = `${path}.part-${crypto.randomUUID()}`, replace = true } = options;
  try {
    await ifPresent(Deno.remove(draftPath));
    await writeDraft(draftPath, content, mode);
    if (replace) await Deno.rename(draftPath, path);
    else await Deno.link(draftPath, path);
    if (!replace) await Deno.remove(draftPath);
    await syncFolder(dirname(path));
  } catch (error) {
    await Deno.remove(draftPath).catch(() => {});
    throw error;
  }
}

async function writeDraft(path: string, content: FileContent, mode: number | undefined): Promise<void> {
  if (typeof content === "function") await content(path);
  else await Deno.writeFile(path, bytesOf(content), { createNew: true, mode });
  // The mode of a new file is narrowed by the umask.
  if (mode !== undefined && Deno.build.os !== "windows") await Deno.chmod(path, mode);
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

/** Makes a rename survive a power cut; Windows has no such call for folders. */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}

/**
 * The result of an operation on a file, or null when there is no such file.
 *
 * @example const text = await ifPresent(Deno.readTextFile(path));
 * @example await ifPresent(Deno.remove(path));
 */
export async function ifPresent<Result>(operation: Promise<Result>): Promise<Result | null> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Whether a file, a folder or a link has this path. */
export async function exists(path: string): Promise<boolean> {
  return await ifPresent(Deno.lstat(path)) !== null;
}

/**
 * Takes the lock of a file, creating the file where there is none. The lock lasts until it is disposed or the process
 * ends, by whatever means; the file stays.
 *
 * @param held what to tell the person when another process holds the lock
 * @throws UserError when another process holds it
 */
export async function lockFile(path: string, held: { message: string; fix?: string }): Promise<Disposable> {
  const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  if (await file.tryLock(true)) return file;
  file.close();
  throw new UserError(held.message, { fix: held.fix });
}

/** Whether a process holds the lock of a file. Creates nothing. */
export async function isLocked(path: string): Promise<boolean> {
  using file = await ifPresent(Deno.open(path));
  return file !== null && !await file.tryLock(false);
}
