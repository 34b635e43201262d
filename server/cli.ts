/** Owns the server's commands for the person at its machine: listing devices and letting one in. */
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { hashPairingCode } from "./auth/credentials.ts";
import { loadSecret } from "./auth/secret.ts";
import type { ServerConfig } from "./config.ts";
import type { DeviceStore } from "./store/devices/device_store.ts";
import type { Device } from "./store/schema.ts";
import { joinStore } from "./store/store.ts";

const USAGE = `Commands of the server:
  devices list            shows every device that registered
  devices approve CODE    lets the device that shows CODE into the account that claimed this server
Without a command the server starts.`;

const PAGE_SIZE = 200;

function lineOf(device: Device): string {
  const seen = device.lastSeenAt?.toISOString().slice(0, 16).replace("T", " ") ?? "never";
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
        `The device "${result.device.name}" is let in: it may verify itself with its code now`,
      );
    case "unclaimed":
      throw new UserError("No device has claimed this server yet: the first one that verifies itself does");
    case "not_found":
      throw new UserError("No device waits with this code: it may have expired or be in use already");
  }
}

/**
 * Runs one command beside a server that may be running.
 *
 * @throws UserError with what is wrong, or how the commands are written
 */
export async function runCommand(args: readonly string[], config: ServerConfig): Promise<void> {
  const [noun, verb, code, ...rest] = args;
  const isList = noun === "devices" && verb === "list" && code === undefined;
  const isApprove = noun === "devices" && verb === "approve" && /^\d{6}$/.test(code ?? "") &&
    rest.length === 0;
  if (!isList && !isApprove) throw new UserError(USAGE);
  await using store = await joinStore(config);
  if (isList) return await listDevices(store.devices);
  const secret = await loadSecret({ configured: config.jwtSecret, dataDir: config.dataDir });
  await approveDevice(store.devices, { code: code ?? "", secret });
}
