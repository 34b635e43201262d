/** Owns the process that a training job runs in: its start, its events, its end; a native crash ends it alone. */
import { fileURLToPath } from "node:url";
import { pushStream, textLinesOf } from "../../../lib/async.ts";
import type { TrainingEnd, TrainingEvent } from "../job/training_event.ts";

const MAIN = fileURLToPath(new URL("./training_main.ts", import.meta.url));

/** What the child may do; node-llama-cpp asks for all of the environment and for a test run of its library. */
const PERMISSIONS = ["read", "write", "env", "sys", "ffi", "run"].map((name) => `--allow-${name}`);

/** A small young generation: what the process needs is native, and V8's default takes 30 MB more. */
const V8_FLAGS = "--v8-flags=--max-semi-space-size=4";

/** Training takes what serving leaves: the lowest priority, for all threads of the process. */
const LOWEST_PRIORITY: readonly string[] = Deno.build.os === "windows" ? [] : ["nice", "-n", "19"];

/** What the process is told to end; the end of its input says that its parent has ended. */
export const CANCEL_LINE = "cancel\n";

/** A step of a large model takes a while; after this the process is killed. */
const CANCEL_GRACE_MS = 30_000;

/** Words by which the native libraries and the runtime open their last lines; nothing else of stderr is kept. */
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
  /** For one reader; what is not read is kept. Ends with the process. */
  readonly events: AsyncIterable<TrainingEvent>;
  /** Resolves when the process has ended; never rejects. */
  readonly end: Promise<TrainingEnd>;
  /** Ends the job within a step; `end` tells when. */
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
  if (event.type === "failed") return { status: "failed", code: event.code, message: event.message };
  return event.type === "cancelled" ? { status: "cancelled" } : undefined;
}

function crashOf(status: Deno.CommandStatus, nativeLine: string | undefined): TrainingEnd {
  const how = status.signal === null ? `with exit code ${status.code}` : `by ${status.signal}`;
  const line = nativeLine === undefined ? "" : `: ${nativeLine}`;
  return { status: "crashed", reason: `The training process ended ${how}${line}` };
}

/** Reads a line of the process; what a native library may have written there is none. */
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

/** Asks the process to end, and kills it when it does not. */
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

  /** The process has ended. */
  over(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

/**
 * Starts the job of a folder, or goes on with it from its last checkpoint. The process ends with this one.
 *
 * @param folder holds a request as `writeTrainingRequest` leaves it
 */
export function startTrainingProcess(folder: string, options: TrainingProcessOptions = {}): TrainingProcess {
  const child = spawn(folder, options.through ?? LOWEST_PRIORITY);
  const cancellation = new Cancellation(child, options.cancelGraceMs ?? CANCEL_GRACE_MS);
  const events = pushStream<TrainingEvent>();
  let told: TrainingEnd | undefined;
  const follow = async () => {
    for await (const line of textLinesOf(child.stdout)) {
      const event = eventOf(line);
      if (event === undefined) continue;
      told = endOf(event) ?? told;
      events.push(event);
    }
  };
  const end = (async (): Promise<TrainingEnd> => {
    const [status, nativeLine] = await Promise.all([child.status, lastNativeLine(child.stderr), follow()]);
    cancellation.over();
    await child.stdin.close().catch(() => {});
    events.end();
    if (told !== undefined) return told;
    return cancellation.killed ? { status: "cancelled" } : crashOf(status, nativeLine);
  })();
  return { pid: child.pid, events: events.stream, end, cancel: () => cancellation.ask() };
}
