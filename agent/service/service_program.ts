/** Which program the service runs: the compiled agent, the one inside the app, or this checkout's task. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where deno.json lies when the agent runs from a checkout. */
const CHECKOUT_CONFIG = new URL("../../deno.json", import.meta.url);

export interface ProgramFacts {
  /** True for the compiled agent. */
  isStandalone: boolean;
  /** True for the menubar app, whose program opens windows and runs no commands. */
  isDesktop: boolean;
  /** Absolute path of the running program: the agent itself, the app's, or Deno. */
  execPath: string;
}

/** The agent's name beside the app's own program, in `Contents/MacOS`. */
const BUNDLED_AGENT = "agent";

/**
 * Facts of this process, or of one that was started otherwise.
 *
 * macOS names a program as it was called, and Homebrew calls the agent in the app through a link: what is installed
 * must be the one in the app, as the app itself installs it. Deno keeps its link, which outlives its updates.
 */
export function programFacts(
  { isStandalone = Deno.build.standalone, execPath = Deno.execPath() }: Partial<
    Omit<ProgramFacts, "isDesktop">
  > = {},
): ProgramFacts {
  return {
    isStandalone,
    isDesktop: "Tray" in Deno,
    execPath: isStandalone ? Deno.realPathSync(execPath) : execPath,
  };
}

/**
 * The program and its arguments. A checkout is run by its task, whose permissions are written in deno.json alone;
 * `deno task` passes SIGTERM on to the agent.
 */
export function serviceProgram({ isStandalone, isDesktop, execPath }: ProgramFacts): [string, ...string[]] {
  if (isDesktop) return [join(dirname(execPath), BUNDLED_AGENT), "run"];
  if (isStandalone) return [execPath, "run"];
  return [execPath, "task", "--quiet", "--config", fileURLToPath(CHECKOUT_CONFIG), "agent", "run"];
}

/** What macOS gives the service's permissions to: the app that its program lies in, else the program itself. */
export function permissionHolder([program]: readonly [string, ...string[]]): string {
  return /^.*?\.app(?=\/Contents\/)/.exec(program)?.[0] ?? program;
}
