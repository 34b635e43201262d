/** The test command: runs Deno's test runner, ends all that the tests have started, and closes with a plain line. */

/** How long an interrupted run may take to end its own processes before they are killed. */
const INTERRUPT_GRACE_MS = 5_000;
/** How long to read on after the runner has ended: a process left behind may keep its output open. */
const DRAIN_MS = 1_000;
/** The runner's last lines are what is read back; failures print far above them. */
const TAIL_CHARS = 16_384;

const INTERRUPTS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

const STEPS = String.raw`(?: \(\d+ steps?\))?`;
/** As `deno test` ends its output: `ok | 3 passed (2 steps) | 0 failed | 1 ignored (20ms)`. */
const CLOSING_LINE = new RegExp(
  String.raw`^(?:ok|FAILED) \| (\d+) passed${STEPS} \| (\d+) failed${STEPS}(?: \| (\d+) ignored)?`,
  "gm",
);
// deno-lint-ignore no-control-regex -- colours are control sequences
const COLOURS = /\x1b\[[\d;]*m/g;

/**
 * Runs the tests and prints `N passed, N failed` as the last line.
 *
 * @param args file names and flags for `deno test`; none runs every test of the current folder
 * @returns the exit code: 0 only when tests ran, all passed and none was ignored
 */
export async function runTests(args: readonly string[]): Promise<number> {
  const { exitCode, output } = await follow(startRunner(args));
  const { closing, ok } = closingOf(output, exitCode);
  await writeAll(new TextEncoder().encode(`\n${closing}\n`));
  return ok ? 0 : 1;
}

/** A run that is bad without a failed test (a fault of types, an exit, no test at all) counts itself as one. */
function closingOf(output: string, exitCode: number): { closing: string; ok: boolean } {
  const line = [...output.replace(COLOURS, "").matchAll(CLOSING_LINE)].at(-1);
  const [passed = 0, failed = 0, ignored = 0] = (line ?? []).slice(1).map((digits) => Number(digits ?? 0));
  const ok = exitCode === 0 && passed > 0 && failed === 0 && ignored === 0;
  const faults = ok || ignored > 0 ? failed : Math.max(failed, 1);
  return { ok, closing: `${passed} passed, ${faults} failed${ignored > 0 ? `, ${ignored} ignored` : ""}` };
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
  const output = passOn(runner.stdout);
  try {
    const { code } = await runner.status;
    signalGroup(runner.pid, "SIGKILL");
    return { exitCode: code, output: await output.end() };
  } finally {
    clearTimeout(deadline);
    for (const signal of INTERRUPTS) Deno.removeSignalListener(signal, interrupt);
  }
}

/** Writes a stream to standard output as it comes; `end()` returns its last part as text. */
function passOn(stream: ReadableStream<Uint8Array>): { end(): Promise<string> } {
  const decoder = new TextDecoder();
  let tail = "";
  const write = async (chunk: Uint8Array): Promise<void> => {
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_CHARS);
    await writeAll(chunk);
  };
  const stop = new AbortController();
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

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

if (import.meta.main) Deno.exit(await runTests(Deno.args));
