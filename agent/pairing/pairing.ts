/** Pairs this device: registers it, waits for its approval and stores the token. */
import type { RegisterDeviceRequest } from "../../contract/devices.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import type { ServerClient } from "../clients/server_client.ts";
import { isPairingEnded, serverFault } from "../clients/server_faults.ts";
import type { SecretStore } from "../platform/token_store.ts";
import type { StateFile } from "../platform/state_file.ts";
import type { ActivePairing, PairingRecord, PendingPairing } from "./pairing_store.ts";

export interface PairingDependencies {
  serverUrl: string;
  records: StateFile<PairingRecord>;
  /** The token's place; its account is the record's `hardwareId`. */
  tokenStore: (hardwareId: string) => SecretStore;
  /** A client of `serverUrl` with this token. */
  server: (token: string | null) => ServerClient;
}

/** `approval_needed`: someone must vouch for the code; then the pairing can be continued. */
export type PairingOutcome =
  | { readonly kind: "paired"; readonly pairing: ActivePairing }
  | { readonly kind: "approval_needed"; readonly pending: PendingPairing };

/** This device has no pairing that could be used; the message says what to do. */
export class NotPairedError extends UserError {}

/** What the sync needs of a pairing. */
export interface PairedDevice {
  readonly pairing: ActivePairing;
  readonly token: string;
}

async function loadRecord(records: StateFile<PairingRecord>): Promise<PairingRecord> {
  const stored = await records.load();
  if (stored.kind === "found") return stored.state;
  if (stored.kind === "broken") await records.setAside();
  return { hardwareId: crypto.randomUUID(), pending: null, active: null };
}

/**
 * A device whose pairing still holds vouches for its own new registration, so that pairing again stays in the
 * same account. Without such a pairing the registration stands alone.
 */
async function vouchForOwnCode(
  dependencies: PairingDependencies,
  record: PairingRecord,
  code: string,
): Promise<ActivePairing | null> {
  if (record.active?.serverUrl !== dependencies.serverUrl) return null;
  const token = await dependencies.tokenStore(record.hardwareId).read();
  if (token === null) return null;
  try {
    await dependencies.server(token).link(code);
    return record.active;
  } catch (error) {
    if (isPairingEnded(error)) return null;
    throw error;
  }
}

async function verifyPending(
  dependencies: PairingDependencies,
  record: PairingRecord,
  pending: PendingPairing,
): Promise<PairingOutcome> {
  const { records, server, serverUrl, tokenStore } = dependencies;
  const { deviceId, code, syncTarget } = pending;
  try {
    const { token, expiresAt } = await server(null).verify({ deviceId, code });
    await tokenStore(record.hardwareId).write(token);
    const pairing = { serverUrl, deviceId, expiresAt, syncTarget };
    await records.save({ ...record, pending: null, active: pairing });
    return { kind: "paired", pairing };
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    if (error.body.code === "pairing_required") return { kind: "approval_needed", pending };
    if (error.body.code !== "code_invalid") throw error;
    await records.save({ ...record, pending: null });
    throw new UserError("The code has expired or was used", {
      fix: "Run `agent pair` for a new one",
      cause: error,
    });
  }
}

/** An old pairing that was replaced is shut out; that it stays valid for its last days would harm nobody. */
async function retireOldPairing(server: ServerClient, old: ActivePairing): Promise<void> {
  try {
    await server.deactivate(old.deviceId);
  } catch (error) {
    if (!(error instanceof RemoteError || error instanceof UnreachableError)) throw error;
  }
}

async function registerAndVerify(
  dependencies: PairingDependencies,
  device: Omit<RegisterDeviceRequest, "hardwareId">,
): Promise<PairingOutcome> {
  const { records, server, serverUrl, tokenStore } = dependencies;
  const record = await loadRecord(records);
  const { hardwareId } = record;
  const registration = await server(null).register({ ...device, hardwareId });
  const vouching = await vouchForOwnCode(dependencies, record, registration.code);
  const syncTarget = vouching?.syncTarget ?? crypto.randomUUID();
  const pending = { ...registration, serverUrl, syncTarget };
  await records.save({ ...record, pending });
  const outcome = await verifyPending(dependencies, { ...record, pending }, pending);
  if (outcome.kind === "paired" && vouching !== null) {
    await retireOldPairing(server(await tokenStore(hardwareId).read()), vouching);
  }
  return outcome;
}

/**
 * Registers this device and verifies it with the code it got.
 *
 * @throws UserError with a sentence for the person
 */
export async function pair(
  dependencies: PairingDependencies,
  device: Omit<RegisterDeviceRequest, "hardwareId">,
): Promise<PairingOutcome> {
  try {
    return await registerAndVerify(dependencies, device);
  } catch (error) {
    throw serverFault(error, dependencies.serverUrl);
  }
}

/**
 * Verifies the pending registration again, after someone approved its code.
 *
 * @throws UserError with a sentence for the person
 */
export async function continuePairing(dependencies: PairingDependencies): Promise<PairingOutcome> {
  const { records, serverUrl } = dependencies;
  const stored = await records.load();
  const pending = stored.kind === "found" ? stored.state.pending : null;
  if (stored.kind !== "found" || pending?.serverUrl !== serverUrl) {
    throw new UserError(`No pairing with ${serverUrl} is in progress`, {
      fix: "Run `agent pair` to start one",
    });
  }
  try {
    return await verifyPending(dependencies, stored.state, pending);
  } catch (error) {
    throw serverFault(error, serverUrl);
  }
}

/**
 * The pairing and its token.
 *
 * @throws NotPairedError when this device is not paired with the configured server
 */
export async function requirePairing(
  dependencies: Pick<PairingDependencies, "serverUrl" | "records" | "tokenStore">,
): Promise<PairedDevice> {
  const { records, serverUrl, tokenStore } = dependencies;
  const stored = await records.load();
  if (stored.kind === "broken") {
    throw new NotPairedError(`The pairing in ${records.path} cannot be read`, {
      fix: "Run `agent pair` to pair again",
    });
  }
  const pairing = stored.kind === "found" ? stored.state.active : null;
  if (stored.kind !== "found" || pairing === null) {
    throw new NotPairedError("This device is not paired with a server", { fix: "Run `agent pair` first" });
  }
  if (pairing.serverUrl !== serverUrl) {
    throw new NotPairedError(`This device is paired with ${pairing.serverUrl}, not with ${serverUrl}`, {
      fix: "Run `agent pair`, or set AGENT_SERVER_URL back",
    });
  }
  const token = await tokenStore(stored.state.hardwareId).read();
  if (token !== null) return { pairing, token };
  throw new NotPairedError("The pairing's token is gone", { fix: "Run `agent pair` to pair again" });
}
