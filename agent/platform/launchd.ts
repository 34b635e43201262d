/** Controls one user agent through `/bin/launchctl`: its state, its start, and its stop. */
import { delay } from "../../lib/backoff.ts";
import { UserError } from "../../lib/errors.ts";
import type { CommandResult, CommandRunner } from "./command_runner.ts";

/** A job that launchd has loaded. */
export interface LaunchdJob {
  /** launchd's own word: `running`, `waiting`, `spawn scheduled`, `SIGTERMed`, … */
  readonly state: string;
  readonly pid: number | null;
  /** null when it has never ended. */
  readonly lastExitCode: number | null;
}

export interface Launchd {
  /** The loaded job of this label; null when there is none. */
  job(label: string): Promise<LaunchdJob | null>;
  /** True when the person has switched the job off in Login Items. */
  isDisabled(label: string): Promise<boolean>;
  /**
   * Loads a job in place of the one that is loaded, and switches it on.
   *
   * @throws UserError when launchd does not take it
   */
  load(job: { label: string; plistPath: string }): Promise<void>;
  /** Unloads a job and waits until it is gone. @throws UserError when it stays */
  unload(label: string): Promise<void>;
}

export interface LaunchdOptions {
  commands: CommandRunner;
  userId: number;
  /** Waits; a test passes its own. */
  wait?: (durationMs: number) => Promise<void>;
}

const LAUNCHCTL = "/bin/launchctl";

/**
 * `Input/output error`: the job is still draining after a bootout, or there is no session at the screen.
 * `Operation already in progress` is the same from another side (macOS 27).
 */
const PASSING_FAILURES: readonly (number | null)[] = [5, 36, 37];
/** `Domain does not support specified action`: nobody is logged in at the screen (duh17/oppi#31). */
const NO_SESSION = 125;
const LOAD_TRIES = 6;
const RETRY_MS = 2_000;
/** launchd kills a job that does not end within 20 s of its SIGTERM (`ExitTimeOut` in launchd.plist(5)). */
const DRAIN_TRIES = 60;
const DRAIN_POLL_MS = 500;

/** A field at the first level of `launchctl print`; deeper levels are indented by more than one tab. */
function fieldOf(printed: string, name: string): string | null {
  return new RegExp(`^\\t${name} = (.+)$`, "m").exec(printed)?.[1] ?? null;
}

function numberOf(value: string | null): number | null {
  return value !== null && /^-?\d+$/.test(value) ? Number(value) : null;
}

function jobOf(printed: string): LaunchdJob {
  return {
    state: fieldOf(printed, "state") ?? "unknown",
    pid: numberOf(fieldOf(printed, "pid")),
    lastExitCode: numberOf(fieldOf(printed, "last exit code")),
  };
}

function launchdError(action: string, { code }: CommandResult): UserError {
  const status = code === null ? "did not answer" : `gave status ${code}`;
  const fix = code === NO_SESSION || PASSING_FAILURES.includes(code)
    ? "Log in at the Mac's own screen, since a session over SSH alone has no place for it, and try again"
    : "Check that `launchctl print gui/$(id -u)` works, and try again";
  return new UserError(`launchd ${status} when asked to ${action} the service`, { fix });
}

/** The launchd of the user's session at the screen. */
export function createLaunchd({ commands, userId, wait = delay }: LaunchdOptions): Launchd {
  const domain = `gui/${userId}`;
  const launchctl = (...args: string[]) => commands.run([LAUNCHCTL, ...args]);

  async function job(label: string): Promise<LaunchdJob | null> {
    const { code, stdout } = await launchctl("print", `${domain}/${label}`);
    return code === 0 ? jobOf(stdout) : null;
  }

  async function unload(label: string): Promise<void> {
    if (await job(label) === null) return;
    const result = await launchctl("bootout", `${domain}/${label}`);
    // A job is gone only when it is no longer printed: one that ends shows as SIGTERMed, and blocks a bootstrap.
    for (let attempt = 0; attempt < DRAIN_TRIES; attempt++) {
      if (await job(label) === null) return;
      await wait(DRAIN_POLL_MS);
    }
    throw launchdError("stop", result);
  }

  /** Something else may load the job between the tries, so each begins without it. */
  async function bootstrap({ label, plistPath }: { label: string; plistPath: string }): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const result = await launchctl("bootstrap", domain, plistPath);
      if (result.code === 0) return;
      if (attempt === LOAD_TRIES || !PASSING_FAILURES.includes(result.code)) {
        throw launchdError("start", result);
      }
      await wait(RETRY_MS);
      await unload(label);
    }
  }

  return {
    job,
    unload,
    async isDisabled(label) {
      const { stdout } = await launchctl("print-disabled", domain);
      const pattern = new RegExp(`^\\s*"${RegExp.escape(label)}" => (?:disabled|true)$`, "m");
      return pattern.test(stdout);
    },
    async load({ label, plistPath }) {
      await unload(label);
      // A job that was switched off cannot be loaded; installing it is the person's word that it shall run.
      await launchctl("enable", `${domain}/${label}`);
      await bootstrap({ label, plistPath });
    },
  };
}
