/** The checks of the machine: room on the disk under the agent's folder, and the permission to control Messages. */
import { dirname } from "node:path";
import { isDiskFull } from "../platform/private_file.ts";
import type { Machine } from "../platform/machine.ts";
import type { AutomationAccess, MessagesApp } from "../platform/messages_app.ts";
import { fault, type FaultOptions, type Finding, ok, SETTINGS_PANES } from "./finding.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** macOS itself begins to misbehave about here. */
const WARNING_BYTES = 2 * GIB;
/** State files are small, but SQLite wants room to open a database in WAL mode. */
const FAILURE_BYTES = 200 * MIB;

/** The folder, or the nearest existing one above it: the data folder is made when it is first needed. */
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

/** Checks the disk of the agent's own folder: may it be written, and is there room. */
export async function checkDisk(
  dataDir: string,
  { freeBytes }: Pick<Machine, "freeBytes">,
): Promise<Finding> {
  const folder = await existingFolder(dataDir);
  if (!await isWritable(folder)) {
    return fault("disk", {
      status: "failure",
      message: `The folder ${folder} may not be written`,
      fix: "Make it yours, or set AGENT_DATA_DIR to a folder that is",
    });
  }
  const free = await freeBytes(folder);
  if (free >= WARNING_BYTES) return ok("disk", `${sizeText(free)} free for ${dataDir}`);
  return fault("disk", {
    status: free < FAILURE_BYTES ? "failure" : "warning",
    message: `Only ${sizeText(free)} free for ${dataDir}`,
    fix: "Free some space on that disk",
    pane: SETTINGS_PANES.storage,
  });
}

const AUTOMATION_FAULTS: Record<Exclude<AutomationAccess, "allowed">, Omit<FaultOptions, "status">> = {
  denied: {
    message: "The agent may not control Messages, so it cannot send replies",
    fix: "Switch on Messages under the program that runs the agent",
    pane: SETTINGS_PANES.automation,
  },
  not_running: {
    message: "Can't check whether the agent may control Messages, because Messages is not running",
    fix: "Open Messages and run the doctor again",
  },
  unclear: {
    message: "Messages did not answer a harmless question",
    fix:
      "Answer the question that macOS may be showing, or quit and open Messages, then run the doctor again",
  },
};

/** Asks Messages for something harmless; macOS may show its question the first time. */
export async function checkAutomation(messages: MessagesApp): Promise<Finding> {
  const access = await messages.probeAccess();
  if (access === "allowed") return ok("automation", "The agent may control Messages");
  return fault("automation", { status: "warning", ...AUTOMATION_FAULTS[access] });
}
