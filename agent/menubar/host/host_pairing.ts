/** Pairing from the menubar, by the server's address or a link to it: one click, or two where a code is approved. */
import { httpUrl } from "../../../lib/config.ts";
import { UserError } from "../../../lib/errors.ts";
import { installService, serviceStatus } from "../../service/agent_service.ts";
import { continuePairing, pair } from "../../pairing/pairing.ts";
import type { PairingRecord, PendingPairing } from "../../pairing/pairing_store.ts";
import type { AgentContext } from "../../cli/agent_context.ts";
import { serviceDependencies } from "../../cli/service_command.ts";

/** The record of this Mac's pairing; null when there is none to read. */
export async function pairingRecord({ pairing }: AgentContext): Promise<PairingRecord | null> {
  const stored = await pairing.records.load();
  return stored.kind === "found" ? stored.state : null;
}

/** The pairing under way whose code can still be approved. */
export async function pendingPairing(services: AgentContext): Promise<PendingPairing | null> {
  const pending = (await pairingRecord(services))?.pending ?? null;
  const isOpen = pending?.serverUrl === services.pairing.serverUrl &&
    Date.parse(pending.expiresAt) > services.now();
  return isOpen ? pending : null;
}

/** The server's address in what was typed or pasted: a link to any of its pages will do. */
export function serverAddress(typed: string): string {
  const url = /^https?:\/\//i.test(typed) ? typed : `http://${typed}`;
  if (!URL.canParse(url)) {
    throw new UserError(`${JSON.stringify(typed)} is not an address of a server`);
  }
  return httpUrl(new URL(url).origin);
}

/** A service that was installed for another server is installed again. */
async function followPairing(services: AgentContext): Promise<void> {
  const dependencies = serviceDependencies(services);
  const { installation } = await serviceStatus(dependencies);
  if (installation === "outdated") await installService(dependencies);
}

/**
 * The first click begins a pairing; the next one, after the code was approved, ends it.
 *
 * @returns what to tell the person
 */
export async function pairWith(services: AgentContext): Promise<string> {
  using _lock = await services.lock("pair");
  const isUnderWay = await pendingPairing(services) !== null;
  const outcome = isUnderWay
    ? await continuePairing(services.pairing)
    : await pair(services.pairing, { device: await services.describeDevice() });
  if (outcome.kind !== "paired") {
    return isUnderWay ? "The code is not approved yet." : "Approve the code, then come back here.";
  }
  await followPairing(services);
  return "This Mac is paired.";
}
