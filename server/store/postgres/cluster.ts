/** Creates a PostgreSQL cluster on disk, and finds out whether a postmaster runs on it. */
import { dirname, join } from "node:path";
import process from "node:process";
import { ifPresent } from "../../../lib/files.ts";
import { majorVersion, partialPath, runProgram, SUPERUSER } from "./program.ts";
import { removeSocketFolder } from "./endpoint.ts";
import { giveTo, type Owner } from "./owner.ts";

/** A cluster's folder, its programs and who runs them. */
export interface Cluster {
  readonly binDir: string;
  readonly folder: string;
  readonly owner: Owner | undefined;
}

/** What a postmaster says of itself in its cluster's folder. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly socketDir: string;
  /** True once it accepts connections. */
  readonly ready: boolean;
}

/** The locale provider `builtin` came with 17; it sorts by code point on every platform, as C.UTF-8 does elsewhere. */
const FIRST_WITH_BUILTIN_LOCALE = 17;
/** Lines of the pid file: https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/utils/pidfile.h */
const PID_FILE = "postmaster.pid";
const PID_LINES = { pid: 0, port: 3, socketDir: 4, status: 7 };
const PASSWORD_FILE = "superuser.password";
const STOP_TIMEOUT_SECONDS = 60;

/** Makes a cluster, and in its folder a file with its superuser's password. A half-made one never has the cluster's name. */
export async function initCluster({ binDir, folder, owner }: Cluster): Promise<void> {
  const partial = partialPath(dirname(folder));
  const passwordFile = `${partial}.password`;
  await Deno.mkdir(partial, { mode: 0o700 });
  await giveTo(owner, partial);
  await Deno.writeTextFile(passwordFile, crypto.randomUUID(), { mode: 0o600 });
  await giveTo(owner, passwordFile);
  const locale = await majorVersion(binDir) >= FIRST_WITH_BUILTIN_LOCALE
    ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    : ["--locale=C.UTF-8"];
  await runProgram(join(binDir, "initdb"), {
    owner,
    args: [
      `--pgdata=${partial}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      "--auth-local=trust",
      "--auth-host=scram-sha-256",
      "--encoding=UTF8",
      ...locale,
    ],
  });
  await Deno.rename(passwordFile, join(partial, PASSWORD_FILE));
  await Deno.rename(partial, folder);
}

/** The password of the cluster's superuser. */
export function readPassword(folder: string): Promise<string> {
  return Deno.readTextFile(join(folder, PASSWORD_FILE));
}

/** What the cluster's pid file says; undefined when there is none, or it is incomplete. */
export async function readPostmaster(folder: string): Promise<Postmaster | undefined> {
  const text = await ifPresent(Deno.readTextFile(join(folder, PID_FILE))) ?? "";
  const lines = text.split("\n").map((line) => line.trim());
  const pid = Number(lines[PID_LINES.pid]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return {
    pid,
    port: Number(lines[PID_LINES.port]),
    socketDir: lines[PID_LINES.socketDir] ?? "",
    ready: lines[PID_LINES.status] === "ready",
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/**
 * The command line of a process; empty for one that has ended.
 *
 * Linux shows it in /proc, which Deno opens to programs with every permission only, so `cat` reads it; `ps` is not
 * everywhere.
 */
async function commandLine(pid: number): Promise<string> {
  const [program, ...args] = Deno.build.os === "linux"
    ? ["/bin/cat", `/proc/${pid}/cmdline`]
    : ["/bin/ps", "-o", "command=", "-p", `${pid}`];
  return await runProgram(program, { args, owner: undefined }).catch(() => "");
}

/**
 * The postmaster that runs on the cluster. A pid file outlives a crash, and its number may by now be another process's,
 * in a container even our own, so the process must name the cluster in its command line. Windows does not show that.
 */
export async function livePostmaster(folder: string): Promise<Postmaster | undefined> {
  const postmaster = await readPostmaster(folder);
  if (!postmaster || !isAlive(postmaster.pid)) return undefined;
  if (Deno.build.os === "windows") return postmaster;
  return (await commandLine(postmaster.pid)).includes(folder) ? postmaster : undefined;
}

/** Ends whatever postmaster still runs on the cluster, waits for its end, and removes what it left. */
export async function endPostmaster({ binDir, folder, owner }: Cluster): Promise<void> {
  const left = await readPostmaster(folder);
  if (await livePostmaster(folder)) {
    const args = ["stop", `--pgdata=${folder}`, "--mode=fast", `--timeout=${STOP_TIMEOUT_SECONDS}`];
    await runProgram(join(binDir, "pg_ctl"), { args, owner }).catch(async (error) => {
      // It may have ended between the look and the call.
      if (await livePostmaster(folder)) throw error;
    });
  }
  await ifPresent(Deno.remove(join(folder, PID_FILE)));
  await removeSocketFolder(left?.socketDir ?? "");
}
