/**
 * Runs a part of ml in a process of its own, where a native crash ends that process alone; messages are JSON lines.
 *
 * The process is this program again, with a command that only this module gives: a compiled program holds no `deno` that
 * could run another module.
 */
import { fileURLToPath } from "node:url";
import { textLinesOf } from "../../lib/async.ts";

/** The child's permissions; node-llama-cpp reads the environment and test-runs its library. */
const PERMISSIONS = ["read", "write", "env", "sys", "ffi", "run"].map((name) => `--allow-${name}`);

/** A small young generation: most of the process's memory is native, and V8's default takes 30 MB more. */
export const CHILD_V8_FLAGS = "--v8-flags=--max-semi-space-size=4";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** How last lines of native libraries and the runtime begin; nothing else of stderr is used. */
const NATIVE_LINE =
  /^\W*(?:.*GGML_ASSERT|ggml|gguf|llama|terminate called|fatal|malloc|double free|.*panicked)/i;
const NATIVE_LINE_LENGTH = 300;

/** What both directions carry. */
export interface Message {
  type: string;
}

/** ml's command for its own processes; behind it, the part and that part's argument. */
export const CHILD_COMMAND = "child-process";

/** What runs in a process of its own; each follows its parent by `followParent` of `parent.ts`. */
export type ChildPart = "engine" | "training";

export interface ChildOptions<Received extends Message> {
  part: ChildPart;
  /** What the part's `main` gets. */
  argument: string;
  /** The program that starts this one, with its arguments, such as `nice`. Default: none. */
  through?: readonly string[];
  onMessage: (message: Received) => void;
}

/** A running child. It ends when this process ends. */
export interface Child<Sent extends Message> {
  readonly pid: number;
  /** How it ended, such as "by SIGABRT: GGML_ASSERT(…) failed"; resolves after its last message, never rejects. */
  readonly ended: Promise<string>;
  /** Does nothing once it has ended. */
  send(message: Sent): void;
  /** Ends it at once. */
  kill(): void;
}

async function lastNativeLine(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string | undefined> {
  let last: string | undefined;
  for await (const line of textLinesOf(stderr)) {
    if (NATIVE_LINE.test(line)) last = line.trim().slice(0, NATIVE_LINE_LENGTH);
  }
  return last;
}

/** Parses a line; undefined for anything a native library may have written. */
export function messageOfLine<Received extends Message>(line: string): Received | undefined {
  try {
    const message = JSON.parse(line);
    return typeof message?.type === "string" ? message : undefined;
  } catch {
    // A killed process may leave half a line.
    return undefined;
  }
}

function endOf(status: Deno.CommandStatus, nativeLine: string | undefined): string {
  const how = status.signal === null ? `with exit code ${status.code}` : `by ${status.signal}`;
  return nativeLine === undefined ? how : `${how}: ${nativeLine}`;
}

/** The words that start ml as one of its parts: the compiled program has its flags and its module built in. */
export function childCommand(
  { part, argument }: { part: ChildPart; argument: string },
  { isStandalone = Deno.build.standalone, execPath = Deno.execPath() } = {},
): string[] {
  const run = ["run", "--quiet", "--no-prompt", CHILD_V8_FLAGS, ...PERMISSIONS, MAIN];
  return [execPath, ...(isStandalone ? [] : run), CHILD_COMMAND, part, argument];
}

/** Starts a child. */
export function startChild<Received extends Message, Sent extends Message>(
  { part, argument, through = [], onMessage }: ChildOptions<Received>,
): Child<Sent> {
  const [program = "", ...rest] = [...through, ...childCommand({ part, argument })];
  const child = new Deno.Command(program, {
    args: rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  const encoder = new TextEncoder();
  let isOver = false;
  const follow = async () => {
    for await (const line of textLinesOf(child.stdout)) {
      const message = messageOfLine<Received>(line);
      if (message !== undefined) onMessage(message);
    }
  };
  const ended = (async () => {
    const [status, nativeLine] = await Promise.all([child.status, lastNativeLine(child.stderr), follow()]);
    isOver = true;
    await stdin.close().catch(() => {});
    return endOf(status, nativeLine);
  })();
  // Once its status is known its id may be another process's.
  void child.status.then(() => isOver = true);
  return {
    pid: child.pid,
    ended,
    send(message) {
      if (!isOver) stdin.write(encoder.encode(`${JSON.stringify(message)}\n`)).catch(() => {});
    },
    kill() {
      if (!isOver) child.kill("SIGKILL");
    },
  };
}
