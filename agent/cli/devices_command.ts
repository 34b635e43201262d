/** `agent devices`, `agent devices approve` and `agent unpair`: who is in the owner's account. */
import { type Device, pairingCodeSchema } from "../../contract/devices.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";
import { localTimeText } from "../../lib/clock.ts";
import { UserError } from "../../lib/errors.ts";
import { isPairingEnded, serverFault } from "../clients/server_faults.ts";
import { endPairing, requirePairing } from "../pairing/pairing.ts";
import type { AgentContext } from "./agent_context.ts";
import { terminalText, UsageError } from "./output.ts";

function lineOf(device: Device, ownId: string): string {
  const seen = device.lastSeenAt === null ? "never" : localTimeText(device.lastSeenAt);
  const mark = device.id === ownId ? " (this device)" : "";
  return `${device.status.padEnd(11)}  ${device.scope.padEnd(4)}  seen ${seen.padEnd(16)}  ${
    terminalText(device.name)
  }${mark}`;
}

/** Lists the devices of the account, newest first. */
export async function devicesCommand(options: { json?: boolean }, services: AgentContext): Promise<number> {
  const { output, pairing: dependencies } = services;
  const { pairing, token } = await requirePairing(dependencies);
  const devices = await dependencies.server(token).devices().catch((error) => {
    throw serverFault(error, pairing.serverUrl);
  });
  if (options.json) output.line(JSON.stringify({ devices }));
  else for (const device of devices) output.line(lineOf(device, pairing.deviceId));
  return 0;
}

/** Lets the device that shows a code into the account. */
export async function approveCommand(code: string, services: AgentContext): Promise<number> {
  if (!pairingCodeSchema.safeParse(code).success) {
    throw new UsageError("the code must be the six digits that the device shows");
  }
  const { output, pairing: dependencies } = services;
  const { pairing, token } = await requirePairing(dependencies);
  const device = await dependencies.server(token).link(code).catch((error) => {
    if (error instanceof RemoteError && error.body.code === "code_invalid") {
      throw new UserError("No device shows this code: it may have expired or been used", { cause: error });
    }
    throw serverFault(error, pairing.serverUrl);
  });
  output.line(`"${terminalText(device.name)}" is approved: it can continue on its side now.`);
  return 0;
}

/** Ends this device's pairing; what it sent stays on the server. */
export async function unpairCommand(options: { force?: boolean }, services: AgentContext): Promise<number> {
  using _lock = await services.lock("pair");
  const { output, pairing: dependencies } = services;
  const { serverUrl } = dependencies;
  try {
    const { pairing, token } = await requirePairing(dependencies);
    await dependencies.server(token).deactivate(pairing.deviceId);
  } catch (error) {
    const cause = error instanceof UserError ? error.cause : error;
    const isOutOfReach = options.force === true && cause instanceof UnreachableError;
    if (!isOutOfReach && !isPairingEnded(cause)) throw serverFault(error, serverUrl);
  }
  await endPairing(dependencies);
  output.line(`This device is not paired with ${serverUrl} any more. What it sent stays there.`);
  return 0;
}
