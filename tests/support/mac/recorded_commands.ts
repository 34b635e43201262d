/** A command runner for tests of what only a Mac can run: it records each command and gives prepared answers. */
import type { CommandRequest, CommandResult, CommandRunner } from "../../../agent/platform/command_runner.ts";

export interface RecordedCommand extends CommandRequest {
  readonly command: readonly [string, ...string[]];
}

/** What a command answers: an exit code alone stands for one without output, null for one that does not end. */
export type RecordedAnswer = number | null | Partial<CommandResult>;

export class RecordedCommands implements CommandRunner {
  readonly recorded: RecordedCommand[] = [];
  readonly #answer: (command: readonly string[], request: CommandRequest) => RecordedAnswer;

  constructor(answer: (command: readonly string[], request: CommandRequest) => RecordedAnswer) {
    this.#answer = answer;
  }

  /** Each command as one line. */
  get lines(): string[] {
    return this.recorded.map(({ command }) => command.join(" "));
  }

  run(command: readonly [string, ...string[]], request: CommandRequest = {}): Promise<CommandResult> {
    this.recorded.push({ command, ...request });
    const answer = this.#answer(command, request);
    const given = typeof answer === "object" && answer !== null ? answer : { code: answer };
    return Promise.resolve({ code: 0, started: true, stdout: "", stderr: "", ...given });
  }
}
