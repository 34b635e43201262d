/** Runs an AppleScript: the script on stdin, its arguments beside it, never inside it. */
import type { CommandRunner } from "./command_runner.ts";

/**
 * `silent`: osascript did not end in time; what it did until then is not known. `not_started`: it did nothing, for
 * there is no osascript, or it does not take arguments as long as these.
 */
export type ScriptResult =
  | { readonly kind: "done"; readonly output: string }
  | { readonly kind: "error"; readonly number: number | null }
  | { readonly kind: "silent" | "not_started" };

export interface ScriptRequest {
  script: string;
  /** `item 1 of argv` and so on. No argument is ever read as AppleScript. */
  args?: readonly string[];
  timeoutMs: number;
}

export interface ScriptHost {
  run(request: ScriptRequest): Promise<ScriptResult>;
}

export const OSASCRIPT = "/usr/bin/osascript";

/** Error numbers of AppleScript and the Apple Event Manager (chat.db readers' reports; MacErrors.h). */
export const SCRIPT_ERRORS = {
  notAuthorized: -1743,
  noSuchObject: -1728,
  badIndex: -1719,
  wrongType: -1700,
  notDefined: -2753,
  notRunning: -600,
  timedOut: -1712,
} as const;

/** The last thing that osascript says of an error is its number, in whatever language the rest is. */
const ERROR_NUMBER = /\((-?\d+)\)\s*$/;

/** A host of AppleScripts. `program` is osascript's path. */
export function createScriptHost(commands: CommandRunner, program: string = OSASCRIPT): ScriptHost {
  return {
    async run({ script, args = [], timeoutMs }) {
      const { code, started, stdout, stderr } = await commands.run([program, "-", ...args], {
        stdin: script,
        timeoutMs,
      });
      if (code === null) return { kind: started ? "silent" : "not_started" };
      if (code === 0) return { kind: "done", output: stdout.trimEnd() };
      const number = ERROR_NUMBER.exec(stderr)?.[1];
      return { kind: "error", number: number === undefined ? null : Number(number) };
    },
  };
}
