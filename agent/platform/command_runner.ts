/** Runs the operating system's commands; the only place where the agent starts a process. */

export interface CommandRequest {
  /** Written to the command's stdin: the place for secrets, since arguments are visible to every process. */
  stdin?: string;
  timeoutMs?: number;
}

export interface CommandResult {
  /** The exit code; null when the command could not be started or did not end in time. */
  code: number | null;
  /** False for a command that could not be started, and so did nothing. */
  started: boolean;
  stdout: string;
  stderr: string;
}

export interface CommandRunner {
  /** Runs a command to its end. Never throws: a command that cannot run gives a null code. */
  run(command: readonly [string, ...string[]], request?: CommandRequest): Promise<CommandResult>;
}

const DEFAULT_TIMEOUT_MS = 30_000;

async function runToEnd(
  [program, ...args]: readonly [string, ...string[]],
  { stdin, timeoutMs = DEFAULT_TIMEOUT_MS }: CommandRequest,
): Promise<CommandResult> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    const child = new Deno.Command(program, {
      args,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      signal: timeout.signal,
    }).spawn();
    // A command may end without reading its input; its exit code then tells the story.
    const fed = stdin === undefined ? null : new Response(stdin).body?.pipeTo(child.stdin).catch(() => {});
    const output = await child.output();
    await fed;
    const decoder = new TextDecoder();
    return {
      code: timeout.signal.aborted ? null : output.code,
      started: true,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs real commands. */
export function systemCommands(): CommandRunner {
  return {
    run: (command, request = {}) =>
      runToEnd(command, request).catch(() => ({ code: null, started: false, stdout: "", stderr: "" })),
  };
}
