/** Owns the command line: which command is meant, with which options, and its exit code. */
import { parseArgs } from "node:util";
import { VERSION } from "../../lib/version.ts";
import type { AgentServices } from "./agent_services.ts";
import { doctorCommand } from "./doctor_command.ts";
import type { Output } from "./output.ts";
import { menubarCommand } from "./menubar_command.ts";
import { pairCommand } from "./pair_command.ts";
import { runCommand } from "./run_command.ts";
import { serviceCommand } from "./service_command.ts";
import { statusCommand } from "./status_command.ts";
import { suggestCommand } from "./suggest_command.ts";
import { syncCommand } from "./sync_command.ts";
import { USAGE, UsageError, usageHint } from "./usage.ts";

export interface CliEnvironment {
  readonly output: Output;
  /** Opens what commands work on; `help` and `--version` work without. */
  readonly services: () => AgentServices;
}

type Command = (args: string[], services: () => AgentServices) => Promise<number>;

const USAGE_EXIT_CODE = 2;

type Options = NonNullable<Parameters<typeof parseArgs>[0]>["options"];

/** Options of a command; anything else on its line is a fault. */
function parseOptions<const Config extends NonNullable<Options>>(args: string[], options: Config) {
  return parseLine(args, { options, allowPositionals: false }).values;
}

/** Options and words of a command. */
function parseLine<const Config extends NonNullable<Options>>(
  args: string[],
  line: { options: Config; allowPositionals: boolean },
) {
  try {
    return parseArgs({ args, ...line, strict: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.split(". ", 1)[0]);
    throw error;
  }
}

const COMMANDS: Record<string, Command> = {
  pair: (args, services) => {
    const options = parseOptions(args, { name: { type: "string" }, continue: { type: "boolean" } });
    return pairCommand(options, services());
  },
  run: (args, services) => {
    parseOptions(args, {});
    return runCommand(services());
  },
  sync: (args, services) => {
    const options = parseOptions(args, {
      once: { type: "boolean" },
      since: { type: "string" },
      "dry-run": { type: "boolean" },
      json: { type: "boolean" },
    });
    return syncCommand(options, services());
  },
  status: (args, services) => {
    return statusCommand(parseOptions(args, { json: { type: "boolean" } }), services());
  },
  doctor: (args, services) => {
    return doctorCommand(parseOptions(args, { json: { type: "boolean" } }), services());
  },
  service: ([action, ...args], services) => {
    const options = parseOptions(args, { json: { type: "boolean" }, print: { type: "boolean" } });
    return serviceCommand({ action, ...options }, services());
  },
  menubar: (args, services) => {
    parseOptions(args, {});
    return menubarCommand(services());
  },
  suggest: (args, services) => {
    const { values, positionals: words } = parseLine(args, {
      options: { conversation: { type: "string" }, json: { type: "boolean" }, send: { type: "boolean" } },
      allowPositionals: true,
    });
    return suggestCommand({ ...values, words }, services());
  },
};

async function run(args: string[], { output, services }: CliEnvironment): Promise<number> {
  const [name, ...rest] = args;
  if (name === "help" || name === "--help" || name === "-h" || rest.includes("--help")) {
    output.line(USAGE);
    return 0;
  }
  if (name === "--version") {
    output.line(VERSION);
    return 0;
  }
  if (name === undefined) throw new UsageError("a command is missing");
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new UsageError(`there is no command ${JSON.stringify(name)}`);
  return await command(rest, services);
}

/**
 * Runs one command line and returns its exit code: 0, or 1 for a pairing that waits, or 2 for a wrong command line.
 *
 * @throws UserError with one sentence when the command fails
 */
export async function runCli(args: string[], environment: CliEnvironment): Promise<number> {
  try {
    return await run(args, environment);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    environment.output.errorLine(`agent: ${error.message}\n\n${usageHint(args[0])}`);
    return USAGE_EXIT_CODE;
  }
}
