/** `agent pair`: pairs this device with the server, or says how its code is approved. */
import { registerDeviceRequestSchema } from "../../contract/devices.ts";
import { continuePairing, pair, type PairingOutcome } from "../pairing/pairing.ts";
import { pairingEnd } from "../pairing/pairing_store.ts";
import type { AgentContext } from "./agent_context.ts";
import { UsageError } from "./output.ts";

export interface PairOptions {
  /** By default the machine's host name. */
  name?: string;
  /** Verify the registration under way, instead of beginning one. */
  continue?: boolean;
}

function deviceName(name: string): string {
  const checked = registerDeviceRequestSchema.shape.name.safeParse(name);
  if (checked.success) return checked.data;
  throw new UsageError("--name must be 1 to 200 characters long");
}

async function outcomeOf(options: PairOptions, services: AgentContext): Promise<PairingOutcome> {
  if (options.continue) return await continuePairing(services.pairing);
  const device = await services.describeDevice();
  return await pair(services.pairing, { ...device, name: deviceName(options.name ?? device.name) });
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
    output.line(`Paired with ${outcome.pairing.serverUrl} until ${pairingEnd(outcome.pairing)}.`);
    output.line("Next: `agent sync --once` sends messages and contacts.");
    return 0;
  }
  const { code, expiresAt } = outcome.pending;
  output.line(`This server wants new devices approved. Code: ${code} (valid until ${expiresAt})`);
  output.line(
    `Approve it on a device that is already linked, or with \`server devices approve ${code}\` on the`,
  );
  output.line("server's machine, then run `agent pair --continue`.");
  return 1;
}
