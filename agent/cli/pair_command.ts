/** `agent pair`: pairs this device with the server, or says how its code is approved. */
import { registerDeviceRequestSchema } from "../../contract/devices.ts";
import { localTimeText } from "../../lib/clock.ts";
import { continuePairing, pair, type PairingOutcome } from "../pairing/pairing.ts";
import { pairingEnd } from "../pairing/pairing_store.ts";
import type { AgentContext } from "./agent_context.ts";
import { UsageError } from "./output.ts";

export interface PairOptions {
  /** By default the machine's host name. */
  name?: string;
  /** Verify the registration under way, instead of beginning one. */
  continue?: boolean;
  /** What a server that nobody owns printed at its start. */
  setupCode?: string;
}

function deviceName(name: string): string {
  const checked = registerDeviceRequestSchema.shape.name.safeParse(name);
  if (checked.success) return checked.data;
  throw new UsageError("--name must be 1 to 200 characters long");
}

async function outcomeOf(options: PairOptions, services: AgentContext): Promise<PairingOutcome> {
  const { setupCode } = options;
  if (options.continue) return await continuePairing(services.pairing, { setupCode });
  const device = await services.describeDevice();
  const named = { ...device, name: deviceName(options.name ?? device.name) };
  return await pair(services.pairing, { device: named, setupCode });
}

/** Runs the command; a pairing that waits for approval is exit code 1. */
export async function pairCommand(options: PairOptions, services: AgentContext): Promise<number> {
  if (options.name !== undefined && options.continue) {
    throw new UsageError("--name belongs to a new pairing, not to --continue");
  }
  using _lock = await services.lock("pair");
  const outcome = await outcomeOf(options, services);
  const { output } = services;
  if (outcome.kind === "paired") {
    output.line(
      `Paired with ${outcome.pairing.serverUrl} until ${localTimeText(pairingEnd(outcome.pairing))}.`,
    );
    output.line("Next: `agent sync --once` sends messages and contacts.");
    return 0;
  }
  const { code, expiresAt, approveCommand = `server devices approve ${code}` } = outcome.pending;
  output.line(
    `The server's owner must let this device in. Code: ${code} (valid until ${localTimeText(expiresAt)})`,
  );
  output.line(`Approve it on the server's page, with \`agent devices approve ${code}\` on a paired device,`);
  output.line(`or with \`${approveCommand}\` on the server's machine.`);
  output.line("Then run `agent pair --continue`.");
  return 1;
}
