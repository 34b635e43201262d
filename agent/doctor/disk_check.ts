/** Owns the check of the disk under the agent's own folder: may it be written, and is there room. */
import { dirname } from "node:path";
import { isDiskFull } from "../platform/private_file.ts";
import type { Machine } from "../platform/machine.ts";
import { fault, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** macOS itself begins to misbehave about here. */
const WARNING_BYTES = 2 * GIB;
/** State files are small, but SQLite wants room to open a database in WAL mode. */
const FAILURE_BYTES = 200 * MIB;

/** The folder, or the nearest one above it that is there: the data folder is made when it is first needed. */
async function existingFolder(path: string): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || dirname(path) === path) throw error;
    return await existingFolder(dirname(path));
  }
}

/** A read-only disk has no error class of its own. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}

async function isWritable(folder: string): Promise<boolean> {
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".doctor-" }));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied || codeOf(error) === "EROFS") return false;
    if (isDiskFull(error)) return true;
    throw error;
  }
}

function sizeText(sizeBytes: number): string {
  return sizeBytes >= GIB ? `${(sizeBytes / GIB).toFixed(1)} GiB` : `${Math.floor(sizeBytes / MIB)} MiB`;
}

/** Checks the disk of the data folder. */
export async function checkDisk(
  dataDir: string,
  { freeBytes }: Pick<Machine, "freeBytes">,
): Promise<Finding> {
  const folder = await existingFolder(dataDir);
  if (!await isWritable(folder)) {
    return fault("disk", {
      status: "failure",
      message: `The folder ${folder} may not be written`,
      remedy: "see that it is yours, or set AGENT_DATA_DIR to a folder that is",
    });
  }
  const free = await freeBytes(folder);
  if (free >= WARNING_BYTES) return ok("disk", `${sizeText(free)} are free for ${dataDir}`);
  return fault("disk", {
    status: free < FAILURE_BYTES ? "failure" : "warning",
    message: `Only ${sizeText(free)} are free for ${dataDir}`,
    remedy: "make room on that disk",
    pane: SETTINGS_PANES.storage,
  });
}
