/**
 * The agent's command line: its commands and options, their help, and the exit codes.
 *
 * Each command's module is loaded when the command runs: the agent that stays needs none of the others.
 */
import { Command, CommanderError } from "commander";
import { VERSION } from "../../lib/version.ts";
import type { AgentContext } from "./agent_context.ts";
import { type Output, UsageError } from "./output.ts";

export interface CliEnvironment {
  readonly output: Output;
  /** Opens what commands work on; help and `--version` work without. */
  readonly services: () => AgentContext;
}

const USAGE_EXIT_CODE = 2;
const HELP_HINT = "`agent help` shows every command.";
const JSON_OPTION = ["--json", "print one line of JSON for programs"] as const;

const CLOSING_HELP = `
Settings are environment variables: AGENT_SERVER_URL, AGENT_DATA_DIR, AGENT_CHAT_DB, AGENT_ADDRESS_BOOK.
Exit codes: 0 done, 1 it did not work (a sentence says why), 2 the command line is wrong.`;

const SUGGEST_HELP = `
Actions:
  accept       take the draft shown last; --send also sends it
  edit TEXT    take your own words instead; --send also sends them
  reject [WHY] turn the draft down
  another      have a new draft written; nothing is said of the one before
  policy MODE  off, on_demand or automatic, for one conversation`;

/** What a command does with its options; the exit code comes back through `exit`. */
interface CommandContext extends CliEnvironment {
  readonly exit: (code: number) => void;
}

function addSyncCommands(program: Command, { services, exit }: CommandContext): void {
  program.command("pair").description("register this device with the server and pair it")
    .option("--name <NAME>", "the name of this device; by default its host name")
    .option("--continue", "finish a pairing whose code was approved")
    .option("--setup-code <CODE>", "what a server that nobody owns yet printed at its start")
    .action(async (options) => {
      const { pairCommand } = await import("./pair_command.ts");
      exit(await pairCommand(options, services()));
    });
  program.command("run").description("send everything that is new, then stay and send what comes")
    .action(async () => {
      const { runCommand } = await import("./run_command.ts");
      exit(await runCommand(services()));
    });
  program.command("sync").description("send everything that is new, then end")
    .option("--once", "send what is new and end")
    .option("--since <DATE>", "send what is new since that day and end; later syncs skip what is older, too")
    .option("--dry-run", "only count what would be sent")
    .option(...JSON_OPTION)
    .action(async ({ dryRun, ...options }) => {
      const { syncCommand } = await import("./sync_command.ts");
      exit(await syncCommand({ ...options, "dry-run": dryRun }, services()));
    });
}

function addDeviceCommands(program: Command, { services, exit }: CommandContext): void {
  const devices = program.command("devices").description("list the devices of your account, or let one in")
    .option(...JSON_OPTION)
    .action(async (options) => {
      const { devicesCommand } = await import("./devices_command.ts");
      exit(await devicesCommand(options, services()));
    });
  devices.command("approve").description("let the device that shows this code into your account")
    .argument("<CODE>", "the six digits it shows")
    .action(async (code: string) => {
      const { approveCommand } = await import("./devices_command.ts");
      exit(await approveCommand(code, services()));
    });
  program.command("unpair").description("end this device's pairing, here and on the server")
    .option("--force", "also when the server cannot be reached: revoke the device on its page then")
    .action(async (options) => {
      const { unpairCommand } = await import("./devices_command.ts");
      exit(await unpairCommand(options, services()));
    });
}

function addLookCommands(program: Command, { services, exit }: CommandContext): void {
  program.command("status").description("show the pairing, the server, and what is waiting to be sent")
    .option(...JSON_OPTION)
    .action(async (options) => {
      const { statusCommand } = await import("./status_command.ts");
      exit(await statusCommand(options, services()));
    });
  program.command("healthcheck").description(
    "exit with 0 if the agent runs and nothing keeps it from sending",
  )
    .action(async () => {
      const { healthcheckCommand } = await import("./status_command.ts");
      exit(await healthcheckCommand(services()));
    });
  program.command("doctor").description("check everything that can go wrong, and say how to fix it")
    .option(...JSON_OPTION)
    .action(async (options) => {
      const { doctorCommand } = await import("./doctor_command.ts");
      exit(await doctorCommand(options, services()));
    });
}

function addServiceCommands(program: Command, { services, exit }: CommandContext): void {
  const act = (action: string) => async (options: { print?: boolean; json?: boolean }) => {
    const { serviceCommand } = await import("./service_command.ts");
    exit(await serviceCommand({ action, ...options }, services()));
  };
  const service = program.command("service").description(
    "run the agent as a service that starts at each login",
  );
  service.command("install").description("install the service and start it")
    .option("--print", "only print the service's file")
    .action(act("install"));
  service.command("uninstall").description("remove the service").action(act("uninstall"));
  service.command("status").description("show whether it runs").option(...JSON_OPTION).action(act("status"));
  program.command("menubar").description("open the menubar app")
    .action(async () => {
      const { menubarCommand } = await import("./service_command.ts");
      exit(await menubarCommand(services()));
    });
}

function addSuggestCommand(program: Command, { services, exit }: CommandContext): void {
  program.command("suggest").description("draft a reply to the newest unanswered message")
    .argument("[words...]", "what to do with the draft that was shown last")
    .usage("[ACTION] [options]")
    .option("--conversation <WHICH>", "a phone number, an e-mail address, a name, or the server's id")
    .option("--send", "also send the reply")
    .option(...JSON_OPTION)
    .addHelpText("after", SUGGEST_HELP)
    .action(async (words: string[], options) => {
      const { suggestCommand } = await import("./suggest_command.ts");
      exit(await suggestCommand({ ...options, words }, services()));
    });
}

function createProgram(context: CommandContext): Command {
  const { output } = context;
  const program = new Command("agent")
    .description(
      "The agent of Conversation Assistant: sends this Mac's messages and contacts to your own server.",
    )
    .usage("COMMAND")
    .version(VERSION, "--version", "show the version")
    .helpOption("-h, --help", "show help for a command")
    .helpCommand("help [COMMAND]", "show help for a command")
    .configureOutput({
      writeOut: (text) => output.line(text.trimEnd()),
      writeErr: (text) => output.errorLine(text.trimEnd()),
      outputError: (text, write) => write(text.replace(/^error: /, "agent: ")),
    })
    .addHelpText("after", CLOSING_HELP)
    .showHelpAfterError(`\n${HELP_HINT}`)
    .exitOverride();
  addSyncCommands(program, context);
  addDeviceCommands(program, context);
  addLookCommands(program, context);
  addServiceCommands(program, context);
  addSuggestCommand(program, context);
  return program;
}

/**
 * Runs one command line and returns its exit code: 0, or 1 for a pairing that waits, or 2 for a wrong command line.
 *
 * @throws UserError when the command fails
 */
export async function runCli(args: string[], environment: CliEnvironment): Promise<number> {
  let exitCode = 0;
  const program = createProgram({ ...environment, exit: (code) => void (exitCode = code) });
  try {
    if (args.length === 0) throw new UsageError("a command is missing");
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
    if (!(error instanceof UsageError)) throw error;
    const hint = args.length === 0 ? program.helpInformation() : HELP_HINT;
    environment.output.errorLine(`agent: ${error.message}\n\n${hint.trimEnd()}`);
    return USAGE_EXIT_CODE;
  }
}
