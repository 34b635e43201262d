/** Chooses the user who runs the embedded PostgreSQL, which refuses root. */
import { dirname } from "node:path";
import { UserError } from "../../../lib/errors.ts";

/** The user and group that PostgreSQL's processes and files belong to. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody` and its group on Debian, macOS and most others know this number too. */
const NOBODY: Owner = { uid: 65_534, gid: 65_534 };
const ENTER_BY_OTHERS = 0o001;
/** Private folders in here hold nothing that lasts, so they may be opened for passage. */
const TEMPORARY_FOLDERS = ["/tmp", "/var/tmp", "/private/tmp", "/private/var/tmp"];

/** Who is to pass, and where private folders may be opened for that. */
export interface PassageOptions {
  readonly owner: Owner | undefined;
  readonly temporaryFolders?: readonly string[];
}

function isRoot(): boolean {
  return Deno.build.os !== "windows" && Deno.uid() === 0;
}

/**
 * Who is to run PostgreSQL on this folder: undefined for the present user; under root whoever the folder belongs to,
 * or an unprivileged user when it is root's or not there yet.
 */
export async function ownerFor(folder: string): Promise<Owner | undefined> {
  if (!isRoot()) return undefined;
  const found = await Deno.stat(folder).catch(() => undefined);
  return found?.uid ? { uid: found.uid, gid: found.gid ?? found.uid } : NOBODY;
}

/** Gives a new, empty folder to the owner. */
export async function giveTo(owner: Owner | undefined, folder: string): Promise<void> {
  if (owner) await Deno.chown(folder, owner.uid, owner.gid);
}

/**
 * Lets the owner pass through `folder` and all its parents. The folder itself, and private temporary ones above it,
 * are opened for passage, which does not let anyone list them.
 *
 * @throws UserError when another folder above it is closed to the owner
 */
export async function openPathTo(
  folder: string,
  { owner, temporaryFolders = TEMPORARY_FOLDERS }: PassageOptions,
): Promise<void> {
  if (!owner) return;
  for (let path = folder; path !== dirname(path); path = dirname(path)) {
    const { mode, uid } = await Deno.stat(path);
    if (mode === null || mode & ENTER_BY_OTHERS || uid === owner.uid) continue;
    if (path !== folder && !temporaryFolders.some((temporary) => path.startsWith(`${temporary}/`))) {
      throw new UserError(
        `PostgreSQL, which refuses to run as root, cannot reach ${folder} because ${path} is closed to other users: ` +
          "set DATA_DIR to a folder they can pass through, such as /var/lib/conversation-assistant, or set DATABASE_URL",
      );
    }
    await Deno.chmod(path, mode & 0o7777 | ENTER_BY_OTHERS);
  }
}
