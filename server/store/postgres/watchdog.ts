/** Runs the postmaster so that it cannot outlive this process. */
import { join } from "node:path";
import { delay } from "../../../lib/backoff.ts";
import { withDeadline } from "../../../lib/async.ts";
import { UserError } from "../../../lib/errors.ts";
import { type Cluster, endPostmaster, readPostmaster } from "./cluster.ts";
import { type Endpoint, openEndpoint } from "./endpoint.ts";
import { programOptions } from "./program.ts";

/** How to start a postmaster. */
export interface PostmasterOptions {
  /** Values of PostgreSQL's settings, beside those that say where it listens. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Its output; overwritten at each start. */
  readonly logFile: string;
  /** Where it listens; absent: at an address of its own, new at each start. */
  readonly endpoint?: Endpoint;
}

/** A postmaster that accepts connections; disposing it shuts it down and waits for its end. */
export interface RunningPostmaster extends AsyncDisposable {
  /** The Unix socket's folder, or a loopback address. */
  readonly host: string;
  readonly port: number;
  /** Settles when the postmaster has ended, for whatever reason, with its exit status. */
  readonly ended: Promise<number>;
}

/**
 * Runs the postmaster, named by all arguments but the first two, beside a reader of our stdin, a pipe from the server.
 * Its end of file means that the server is gone, however it went: SIGINT then is PostgreSQL's fast shutdown. The
 * shell lives as long as the postmaster, and hands on its exit status.
 */
const WATCHDOG = `
log=$1 socket_dir=$2
shift 2
exec 3<&0
"$@" </dev/null >"$log" 2>&1 3<&- &
postmaster=$!
(read -r _ <&3; kill -INT "$postmaster") >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$postmaster"
status=$?
kill "$reader" 2>/dev/null
rm -rf "$socket_dir"
exit "$status"
`;
/** A crash may leave a gigabyte of log to replay. */
const START_TIMEOUT_MS = 300_000;
const POLL_MS = 20;
/** After a postmaster was killed, its last processes hold its shared memory for a moment. */
const LEFT_BEHIND = /pre-existing shared memory block/;
const LEFT_BEHIND_TIMEOUT_MS = 10_000;
const RETRY_MS = 200;

function spawn(
  { binDir, owner }: Cluster,
  { args, logFile, socketDir }: { args: string[]; logFile: string; socketDir: string },
): Deno.ChildProcess {
  const program = join(binDir, "postgres");
  // Windows has no such shell; there a postmaster that outlived its server is ended by the next start.
  const [command, commandArgs] = Deno.build.os === "windows"
    ? [program, args]
    : ["/bin/sh", ["-c", WATCHDOG, "sh", logFile, socketDir, program, ...args]];
  return new Deno.Command(command, {
    ...programOptions(owner),
    args: commandArgs,
    // Out of our terminal's process group: Ctrl-C is for us, and the database must outlive our last request.
    detached: true,
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** The reason a postmaster gave in its log for not starting. */
async function lastWords(logFile: string): Promise<string> {
  const lines = (await Deno.readTextFile(logFile).catch(() => "")).trim().split("\n");
  const fatal = lines.findLast((line) => /FATAL|PANIC/.test(line)) ?? lines.at(-1) ?? "";
  return fatal.replace(/^.*(?:FATAL|PANIC):\s*/, "");
}

/** True once the postmaster accepts connections, false when it ended instead. */
async function untilReady(folder: string, child: Deno.ChildProcess): Promise<boolean> {
  let running = true;
  child.status.then(() => running = false);
  while (running && !(await readPostmaster(folder))?.ready) await delay(POLL_MS);
  return running;
}

/**
 * Starts a postmaster on a cluster that none runs on.
 *
 * @throws UserError with PostgreSQL's reason when it does not start
 */
export async function startPostmaster(
  cluster: Cluster,
  options: PostmasterOptions,
): Promise<RunningPostmaster> {
  const giveUpAt = Date.now() + LEFT_BEHIND_TIMEOUT_MS;
  while (true) {
    const postmaster = await tryStart(cluster, options);
    if (typeof postmaster !== "string") return postmaster;
    if (!LEFT_BEHIND.test(postmaster) || Date.now() > giveUpAt) {
      throw new UserError(`PostgreSQL did not start on ${cluster.folder}: ${postmaster}`);
    }
    await delay(RETRY_MS);
  }
}

/** A running postmaster, or the reason why there is none. */
async function tryStart(
  cluster: Cluster,
  { settings, logFile, endpoint: fixed }: PostmasterOptions,
): Promise<RunningPostmaster | string> {
  const endpoint = fixed ?? await openEndpoint(cluster.owner);
  const all = Object.entries({ ...settings, ...endpoint.settings });
  const args = ["-D", cluster.folder, ...all.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const child = spawn(cluster, { args, logFile, socketDir: endpoint.socketDir });
  const ended = child.status.then((status) => status.code);
  const stop = async () => {
    await child.stdin.close().catch(() => {});
    if (Deno.build.os === "windows") await endPostmaster(cluster);
    await ended;
  };
  const ready = untilReady(cluster.folder, child);
  if (!await withDeadline(ready, START_TIMEOUT_MS)) {
    await stop();
    return `it was not ready within ${START_TIMEOUT_MS / 1_000} s`;
  }
  if (!await ready) return await lastWords(logFile);
  return { host: endpoint.host, port: endpoint.port, ended, [Symbol.asyncDispose]: stop };
}
