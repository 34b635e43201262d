/** Starts a training job's process and follows its events and its end; a native crash ends only that process. */
import { fileURLToPath } from "node:url";
import { pushStream, textLinesOf } from "../../../lib/async.ts";
import type { TrainingEnd, TrainingEvent } from "../job/training_event.ts";

const MAIN = fileURLToPath(new URL("./training_main.ts", import.meta.url));

/** The child's permissions; node-llama-cpp reads the environment and test-runs its library. */
const PERMISSIONS = ["read", "write", "env", "sys", "ffi", "run"].map((name) => `--allow-${name}`);

/** A small young generation: most of the process's memory is native, and V8's default takes 30 MB more. */
const V8_FLAGS = "--v8-flags=--max-semi-space-size=4";

/** Training yields to serving: the lowest priority, for all threads of the process. */
const LOWEST_PRIORITY: readonly string[] = Deno.build.os === "windows" ? [] : ["nice", "-n", "19"];

/** Written to the process's stdin to cancel it; end of input means that its parent has ended. */
export const CANCEL_LINE = "cancel\n";

/** How long a cancelled process may take before it is killed: a step of a large model is slow. */
const CANCEL_GRACE_MS = 30_000;

/** How last lines of native libraries and the runtime begin; nothing else of stderr is used. */
const NATIVE_LINE =
  /^\W*(?:.*GGML_ASSERT|ggml|gguf|llama|terminate called|fatal|malloc|double free|.*panicked)/i;
const NATIVE_LINE_LENGTH = 300;

export interface TrainingProcessOptions {
  /** How long a cancelled process may take to end. */
  cancelGraceMs?: number;
  /** The program that starts Deno, with its arguments. Default: `nice`. */
  through?: readonly string[];
}

/** A running job. */
export interface TrainingProcess {
  readonly pid: number;
  /** For one reader; unread events are buffered. Ends with the process. */
  readonly events: AsyncIterable<TrainingEvent>;
  /** Resolves when the process has ended; never rejects. */
  readonly end: Promise<TrainingEnd>;
  /** Cancels the job within a step; `end` then resolves. */
  cancel(): void;
}

async function lastNativeLine(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string | undefined> {
  let last: string | undefined;
  for await (const line of textLinesOf(stderr)) {
    if (NATIVE_LINE.test(line)) last = line.trim().slice(0, NATIVE_LINE_LENGTH);
  }
  return last;
}

function endOf(event: TrainingEvent): TrainingEnd | undefined {
  if (event.type === "completed") return { status: "completed", result: event.result };
  if (event.type === "failed") {
    const { type: status, ...failure } = event;
    return { status, ...failure };
  }
  return event.type === "cancelled" ? { status: "cancelled" } : undefined;
}

function crashOf(status: Deno.CommandStatus, nativeLine: string | undefined): TrainingEnd {
  const how = status.signal === null ? `with exit code ${status.code}` : `by ${status.signal}`;
  const line = nativeLine === undefined ? "" : `: ${nativeLine}`;
  return { status: "crashed", reason: `The training process ended ${how}${line}` };
}

/** Parses a line of the process; undefined for anything a native library may have written. */
function eventOf(line: string): TrainingEvent | undefined {
  try {
    const event = JSON.parse(line);
    return typeof event?.type === "string" ? event : undefined;
  } catch {
    // A killed process may leave half a line.
    return undefined;
  }
}

function spawn(folder: string, through: readonly string[]): Deno.ChildProcess {
  const deno = [Deno.execPath(), "run", "--quiet", "--no-prompt", V8_FLAGS, ...PERMISSIONS, MAIN, folder];
  const [program = "", ...args] = [...through, ...deno];
  return new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
}

/** Asks the process to end, and kills it if it does not. */
class Cancellation {
  readonly #child: Deno.ChildProcess;
  readonly #graceMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  killed = false;

  constructor(child: Deno.ChildProcess, graceMs: number) {
    this.#child = child;
    this.#graceMs = graceMs;
  }

  ask(): void {
    if (this.#isOver || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.killed = true;
      this.#child.kill("SIGKILL");
    }, this.#graceMs);
    const writer = this.#child.stdin.getWriter();
    writer.write(new TextEncoder().encode(CANCEL_LINE)).catch(() => {}).finally(() => writer.releaseLock());
  }

  /** Records that the process has ended. */
  over(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

/**
 * Starts the job of a folder, or resumes it from its last checkpoint. The process ends with this one.
 *
 * @param folder holds a request as `writeTrainingRequest` leaves it
 */
export function startTrainingProcess(folder: string, options: TrainingProcessOptions = {}): TrainingProcess {
  const child = spawn(folder, options.through ?? LOWEST_PRIORITY);
  const cancellation = new Cancellation(child, options.cancelGraceMs ?? CANCEL_GRACE_MS);
  const events = pushStream<TrainingEvent>();
  let reportedEnd: TrainingEnd | undefined;
  const follow = async () => {
    for await (const line of textLinesOf(child.stdout)) {
      const event = eventOf(line);
      if (event === undefined) continue;
      reportedEnd = endOf(event) ?? reportedEnd;
      events.push(event);
    }
  };
  const end = (async (): Promise<TrainingEnd> => {
    const [status, nativeLine] = await Promise.all([child.status, lastNativeLine(child.stderr), follow()]);
    cancellation.over();
    await child.stdin.close().catch(() => {});
    events.end();
    if (reportedEnd !== undefined) return reportedEnd;
    return cancellation.killed ? { status: "cancelled" } : crashOf(status, nativeLine);
  })();
  return { pid: child.pid, events: events.stream, end, cancel: () => cancellation.ask() };
}
