/** The server's commands for the person at its machine: its health, its devices, backups. */
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { localTimeText } from "../lib/clock.ts";
import { UserError } from "../lib/errors.ts";
import { checkHealth } from "../lib/http/healthcheck.ts";
import { writeLine } from "../lib/log.ts";
import { SERVICE_COMMANDS } from "../lib/service/own_service.ts";
import { commandOf, VERSION } from "../lib/version.ts";
import { type AdapterChoice, askOnTerminal, backUp, restoreBackup } from "./backup.ts";
import { hashPairingCode } from "./services/devices/pairing.ts";
import { loadSecret, secretOptionsOf } from "./auth/secret.ts";
import { readServerConfig, serverService } from "./config.ts";
import type { DeviceStore } from "./store/devices/device_store.ts";
import type { Device } from "./store/schema.ts";
import { joinStore } from "./store/store.ts";

/** The exit code of a command line that cannot be understood. */
const USAGE_EXIT_CODE = 2;
const PAGE_SIZE = 200;

function lineOf(device: Device): string {
  const seen = device.lastSeenAt === null ? "never" : localTimeText(device.lastSeenAt);
  return `${device.id}  ${device.status.padEnd(11)}  ${device.scope.padEnd(4)}  seen ${seen}  ${device.name}`;
}

async function listDevices(devices: DeviceStore): Promise<void> {
  for (let page = 1;; page++) {
    const { rows, total } = await devices.listAll({ page, pageSize: PAGE_SIZE });
    if (total === 0) writeLine("No device has registered yet");
    for (const device of rows) writeLine(lineOf(device));
    if (page * PAGE_SIZE >= total) return;
  }
}

async function approveDevice(
  devices: DeviceStore,
  { code, secret }: { code: string; secret: Uint8Array },
): Promise<void> {
  const result = await devices.approve({ codeHash: hashPairingCode(secret, code), now: new Date() });
  switch (result.outcome) {
    case "linked":
      return writeLine(
        `The device "${result.device.name}" is approved: it can verify itself with its code now`,
      );
    case "unclaimed":
      throw new UserError("No device has claimed this server yet", {
        fix:
          "Pair the first device: it needs no approval, and over a network the setup code that the server prints at its start",
      });
    case "not_found":
      throw new UserError("No device shows this code: it may have expired or been used", {
        fix: "List the devices, and register the device again for a new code",
      });
  }
}

/** A pairing code, as a device shows it. */
function pairingCode(text: string): string {
  if (/^\d{6}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be the six digits that the device shows.");
}

/** The program as a service of this machine. */
function addServiceCommands(program: Command): void {
  const service = program.command("service").description(
    "The server as a service that starts with the machine or at login",
  );
  for (const [name, { help, act }] of Object.entries(SERVICE_COMMANDS)) {
    service.command(name).description(help).action(async () => writeLine(await act(serverService())));
  }
}

function commands(): Command {
  const program = new Command(commandOf("server")).description("Without a command the server starts.")
    .version(VERSION);
  const devices = program.command("devices").description("The devices of this server");
  devices.command("list").description("Lists every device that registered").action(async () => {
    await using store = await joinStore(readServerConfig());
    await listDevices(store.devices);
  });
  devices.command("approve").usage("CODE").argument("<code>", "the six digits it shows", pairingCode)
    .description("Lets the device that shows CODE into the account that claimed this server")
    .action(async (code: string) => {
      const config = readServerConfig();
      await using store = await joinStore(config);
      const secret = await loadSecret(secretOptionsOf(config, store.sharedSecret));
      await approveDevice(store.devices, { code, secret });
    });
  program.command("healthcheck").description("Says whether the server of these settings answers")
    .action(async () => writeLine(await checkHealth(readServerConfig())));
  addServiceCommands(program);
  const context = () => ({ config: readServerConfig(), ask: askOnTerminal });
  program.command("backup").usage("[options] FILE").argument("<file>", "a new file")
    .description(
      "Writes the database and the trained adapters into one encrypted file; the server may be running",
    )
    .option("--no-adapters", "leave the adapters out: ml need not run then")
    .action((file: string, options: AdapterChoice) => backUp(file, options, context()));
  program.command("restore").usage("[options] FILE").argument("<file>", "a file that `backup` wrote")
    .description("Restores a backup into an empty database")
    .option("--replace", "delete what the database holds")
    .option("--key <path>", "a file with the secret key, instead of asking for it")
    .option("--no-adapters", "leave the adapters out: ml need not run then")
    .action((file: string, options: AdapterChoice & { replace?: boolean; key?: string }) =>
      restoreBackup(file, options, context())
    );
  return program;
}

/**
 * Runs one command beside a server that may be running; exits with 2 when the arguments name none.
 *
 * @throws UserError with what is wrong, or ConfigError
 */
export async function runCommand(args: readonly string[]): Promise<void> {
  const program = commands();
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.showHelpAfterError().exitOverride();
  }
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) Deno.exit(USAGE_EXIT_CODE);
  }
}
