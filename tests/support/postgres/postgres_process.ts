/** Starts processes that run an embedded PostgreSQL, for tests that kill them or run them as another user. */
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { PostgresLogin } from "../../../server/store/database.ts";
import { delay } from "../../../lib/backoff.ts";

/** A process that runs an embedded PostgreSQL until it is killed, or disposed. */
export interface PostgresProcess extends AsyncDisposable {
  readonly pid: number;
  readonly address: PostgresLogin;
  /** Ends it as a power cut would, and waits for its end. */
  kill(): Promise<void>;
}

/** Who runs such a process, and from where; by default the present user from this checkout. */
export interface ProcessUser {
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: Record<string, string>;
  readonly deno?: string;
  readonly checkout?: string;
}

const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));
/** The program that runs, from the root of a checkout. */
export const POSTGRES_CHILD = "tests/support/postgres/postgres_child.ts";
const CONFIG = "deno.json";
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
  { deno = Deno.execPath(), checkout = CHECKOUT, ...user }: ProcessUser = {},
): Promise<PostgresProcess> {
  const files = ["--config", join(checkout, CONFIG), join(checkout, POSTGRES_CHILD)];
  const child = new Deno.Command(deno, {
    ...user,
    args: ["run", "--quiet", "--no-check", "--no-lock", "--allow-all", ...files, dataDir],
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
    await delay(POLL_MS);
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
