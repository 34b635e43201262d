/** Runs another service for a bench: the program that builds it, the process, the wait until it answers. */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../lib/errors.ts";

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 20;

export interface PeerOptions {
  /** What errors call it. */
  name: string;
  program: string;
  args: readonly string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Whether it is ready to be asked. */
  isReady: () => Promise<boolean>;
}

/** A running service of others; disposing it ends it. */
export interface Peer extends AsyncDisposable {
  readonly pid: number;
}

/**
 * Runs a program to its end.
 *
 * @throws UserError with its last lines when it fails or is not installed
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const command = new Deno.Command(program, { ...options, args: [...args], stdout: "null" });
  const { success, stderr } = await command.output().catch(() => {
    throw new UserError(`${program} is not installed`);
  });
  if (success) return;
  const lines = new TextDecoder().decode(stderr).trimEnd().split("\n").slice(-5).join("\n");
  throw new UserError(`${program} failed: ${lines}`);
}

/** @throws UserError when it is not installed, or ends before it answers */
export async function startPeer({ name, program, isReady, ...options }: PeerOptions): Promise<Peer> {
  const child = spawned(program, options);
  let hasEnded = false;
  const ended = child.status.finally(() => hasEnded = true);
  const peer = {
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      if (!hasEnded) child.kill("SIGTERM");
      await ended;
    },
  };
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!hasEnded && Date.now() < deadline) {
    if (await isReady()) return peer;
    await sleep(READY_POLL_MS);
  }
  await peer[Symbol.asyncDispose]();
  throw new UserError(`${name} did not get ready`);
}

/** True once an address answers with success. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => null);
  await response?.body?.cancel();
  return response?.ok ?? false;
}

function spawned(program: string, options: Pick<PeerOptions, "args" | "cwd" | "env">): Deno.ChildProcess {
  const args = [...options.args];
  try {
    return new Deno.Command(program, { ...options, args, stdin: "null", stdout: "null", stderr: "null" })
      .spawn();
  } catch (cause) {
    throw new UserError(`${program} is not installed`, { cause });
  }
}
