/** A launchd for tests: it answers `launchctl` as macOS does, and drains a job for a while after its bootout. */
import type { CommandRequest } from "../../../agent/platform/command_runner.ts";
import { type RecordedAnswer, RecordedCommands } from "./recorded_commands.ts";

/** What `launchctl` answers for a service that its domain does not have. */
const NO_SUCH_SERVICE = 113;
const INPUT_OUTPUT_ERROR = 5;
const SERVICE_DISABLED = 119;

export class FakeLaunchctl extends RecordedCommands {
  /** Looks at a job that still show it after its bootout. */
  drainLooks = 0;
  /** Bootstraps that fail although the job is gone. */
  transientFailures = 0;
  /** True when something else loads the job just before the next bootstrap. */
  isLoadedMeanwhile = false;
  /** What every bootstrap answers. */
  bootstrapCode = 0;
  loaded = false;
  disabled = false;
  pid: number | null = 4321;
  lastExitCode: number | null = null;
  #draining = 0;

  constructor() {
    super((command, request) => this.#reply(command, request));
  }

  #reply([program, verb]: readonly string[], _request: CommandRequest): RecordedAnswer {
    if (program !== "/bin/launchctl") return null;
    switch (verb) {
      case "print":
        return this.#print();
      case "print-disabled":
        return {
          stdout: `\tdisabled services = {\n\t\t"app.other" => enabled\n${this.#disabledLine()}\t}\n`,
        };
      case "enable":
        this.disabled = false;
        return 0;
      case "bootout":
        this.#draining = this.drainLooks;
        this.loaded = this.#draining > 0;
        return 0;
      case "bootstrap":
        return this.#bootstrap();
    }
    return 64;
  }

  #disabledLine(): string {
    return `\t\t"app.conversation-assistant.agent" => ${this.disabled ? "disabled" : "enabled"}\n`;
  }

  #bootstrap(): RecordedAnswer {
    if (this.disabled) return SERVICE_DISABLED;
    if (this.isLoadedMeanwhile) this.loaded = true;
    this.isLoadedMeanwhile = false;
    if (this.loaded || this.transientFailures-- > 0) {
      return { code: INPUT_OUTPUT_ERROR, stderr: "Bootstrap failed: 5: Input/output error\n" };
    }
    this.loaded = this.bootstrapCode === 0;
    return this.bootstrapCode;
  }

  #print(): RecordedAnswer {
    if (!this.loaded) return { code: NO_SUCH_SERVICE, stderr: "Could not find service\n" };
    const state = this.#draining > 0 ? "SIGTERMed" : this.pid === null ? "spawn scheduled" : "running";
    if (this.#draining > 0 && --this.#draining === 0) this.loaded = false;
    return { stdout: printed(state, { pid: this.pid, lastExitCode: this.lastExitCode }) };
  }
}

/** The shape of `launchctl print gui/501/LABEL`, with a nested block whose fields are not the job's. */
function printed(
  state: string,
  { pid, lastExitCode }: { pid: number | null; lastExitCode: number | null },
): string {
  return [
    `gui/501/app.conversation-assistant.agent = {`,
    `\tactive count = 1`,
    `\tpath = /Users/me/Library/LaunchAgents/app.conversation-assistant.agent.plist`,
    `\ttype = LaunchAgent`,
    `\tstate = ${state}`,
    ``,
    `\tdefault environment = {`,
    `\t\tstate = nested`,
    `\t\tpid = 1`,
    `\t}`,
    ...(pid === null ? [] : [`\tpid = ${pid}`]),
    `\tlast exit code = ${lastExitCode ?? "(never exited)"}`,
    `}`,
    ``,
  ].join("\n");
}
