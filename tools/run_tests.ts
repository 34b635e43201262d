/** The test command: runs Deno's test runner over the tree, shows its output as it comes, ends with a plain line. */

import { join } from "node:path";
import { verdictOf } from "./test_verdict.ts";

/** How long an interrupted run may take to end its own processes before they are killed. */
const INTERRUPT_GRACE_MS = 5_000;

/** How long to read on after the runner has ended. */
const DRAIN_MS = 1_000;

/** The runner's last lines are what is read back; failures print far above them. */
const KEPT_OUTPUT_CHARS = 16_384;

const INTERRUPTS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs the tests and prints the verdict.
 *
 * @param args file names and flags for `deno test`; none runs every test of the current folder
 * @returns the exit code: 0 only when tests ran, all passed and none was ignored
 */
export async function runTests(args: readonly string[]): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "test_report_" });
  try {
    const reportPath = join(folder, "report.xml");
    const runner = startRunner([`--junit-path=${reportPath}`, ...args]);
    const { exitCode, output } = await follow(runner);
    const report = await Deno.readTextFile(reportPath).catch(() => undefined);
    const { ok, faults, closing } = verdictOf({ exitCode, output, report });
    await print(`\n${[...faults, closing].join("\n")}\n`);
    return ok ? 0 : 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts the runner as the leader of a process group, so that all it starts can be ended with it. */
function startRunner(args: readonly string[]): Deno.ChildProcess {
  const colour = Deno.stdout.isTerminal() && !Deno.noColor;
  return new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", ...args],
    env: {
      DENO_NO_UPDATE_CHECK: "1",
      DENO_NO_PROMPT: "1",
      ...(colour ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }),
    },
    stdin: "null",
    stdout: "piped",
    detached: true,
  }).spawn();
}

/** Passes the runner's output on until it ends; an interrupt ends the whole group. */
async function follow(runner: Deno.ChildProcess): Promise<{ exitCode: number; output: string }> {
  let deadline: ReturnType<typeof setTimeout> | undefined;
  const interrupt = (): void => {
    signalGroup(runner.pid, "SIGINT");
    deadline ??= setTimeout(() => signalGroup(runner.pid, "SIGKILL"), INTERRUPT_GRACE_MS);
  };
  for (const signal of INTERRUPTS) Deno.addSignalListener(signal, interrupt);
  try {
    const copy = passOn(runner.stdout);
    const { code } = await runner.status;
    signalGroup(runner.pid, "SIGKILL");
    return { exitCode: code, output: await copy.end() };
  } finally {
    clearTimeout(deadline);
    for (const signal of INTERRUPTS) Deno.removeSignalListener(signal, interrupt);
  }
}

/**
 * Writes a stream to standard output chunk by chunk. `end()` returns the last part of it as text; it does not wait
 * for long for a stream that a process left behind keeps open.
 */
function passOn(stream: ReadableStream<Uint8Array>): { end(): Promise<string> } {
  const decoder = new TextDecoder();
  let tail = "";
  const stop = new AbortController();
  const write = async (chunk: Uint8Array): Promise<void> => {
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-KEPT_OUTPUT_CHARS);
    await writeAll(chunk);
  };
  const copied = stream.pipeTo(new WritableStream({ write }), { signal: stop.signal }).catch(() => {});
  return {
    async end() {
      const timer = setTimeout(() => stop.abort(), DRAIN_MS);
      await copied;
      clearTimeout(timer);
      return tail;
    },
  };
}

/** Signals every process of a group; a group that has ended is no error. */
function signalGroup(leader: number, signal: Deno.Signal): void {
  try {
    Deno.kill(Deno.build.os === "windows" ? leader : -leader, signal);
  } catch (error) {
    const ended = error instanceof Deno.errors.NotFound || error instanceof TypeError;
    if (!ended) throw error;
  }
}

async function print(text: string): Promise<void> {
  await writeAll(new TextEncoder().encode(text));
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

if (import.meta.main) Deno.exit(await runTests(Deno.args));
