/** Pairs this device: registers it, waits for its approval and stores the token. */
import type { RegisterDeviceRequest, VerifyDeviceResponse } from "../../contract/devices.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import type { ServerClient } from "../clients/server_client.ts";
import { isPairingEnded, serverFault } from "../clients/server_faults.ts";
import type { SecretStore } from "../platform/token_store.ts";
import type { StateFile } from "../platform/state_file.ts";
import {
  type ActivePairing,
  isRefreshDue,
  type PairingRecord,
  type PendingPairing,
} from "./pairing_store.ts";

export interface PairingDependencies {
  serverUrl: string;
  records: StateFile<PairingRecord>;
  /** The token's place; its account is the record's `hardwareId`. */
  tokenStore: (hardwareId: string) => SecretStore;
  /** The refresh token's place, likewise. */
  refreshTokenStore: (hardwareId: string) => SecretStore;
  /** A client of `serverUrl` with this token. */
  server: (token: string | null) => ServerClient;
  /** The present, in Unix time. */
  now: () => number;
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

/** A record whose device is paired. */
type PairedRecord = PairingRecord & { readonly active: ActivePairing };

/**
 * Refreshes the tokens where a day has passed. While the token is still valid, a server that does not answer is no reason to do without it.
 *
 * @throws RemoteError when the pairing has ended, and what the client throws when the token has and nobody refreshes it
 */
async function refreshIfDue(dependencies: PairingDependencies, record: PairedRecord): Promise<ActivePairing> {
  const { server, refreshTokenStore, now } = dependencies;
  if (!isRefreshDue(record.active, now())) return record.active;
  const refreshToken = await refreshTokenStore(record.hardwareId).read();
  if (refreshToken === null) return record.active;
  try {
    return await storeTokens(dependencies, record, await server(null).refresh(refreshToken));
  } catch (error) {
    const isTransient = error instanceof UnreachableError ||
      error instanceof RemoteError && !isPairingEnded(error);
    if (isTransient && now() < Date.parse(record.active.expiresAt)) return record.active;
    throw error;
  }
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
  try {
    await refreshIfDue(dependencies, { ...record, active: record.active });
    const token = await dependencies.tokenStore(record.hardwareId).read();
    if (token === null) return null;
    await dependencies.server(token).link(code);
    return record.active;
  } catch (error) {
    if (isPairingEnded(error)) return null;
    throw error;
  }
}

/**
 * Stores what the server answered. The refresh token comes first: where the rest is lost, the server takes the one before
 * no longer than until this one is used.
 */
async function storeTokens(
  { records, tokenStore, refreshTokenStore, now }: PairingDependencies,
  record: Omit<PairingRecord, "active"> & { active: Omit<ActivePairing, "expiresAt"> },
  { token, expiresAt, refreshToken, refreshExpiresAt }: VerifyDeviceResponse,
): Promise<ActivePairing> {
  if (refreshToken !== undefined) await refreshTokenStore(record.hardwareId).write(refreshToken);
  await tokenStore(record.hardwareId).write(token);
  const refreshedAtMs = refreshToken === undefined ? undefined : now();
  const active = { ...record.active, expiresAt, refreshExpiresAt, refreshedAtMs };
  await records.save({ ...record, active });
  return active;
}

async function verifyPending(
  dependencies: PairingDependencies,
  record: PairingRecord & { pending: PendingPairing },
  setupCode?: string,
): Promise<PairingOutcome> {
  const { records, server, serverUrl } = dependencies;
  const { pending } = record;
  const { deviceId, code, syncTarget } = pending;
  try {
    const answer = await server(null).verify({ deviceId, code, setupCode });
    const paired = { ...record, pending: null, active: { serverUrl, deviceId, syncTarget } };
    return { kind: "paired", pairing: await storeTokens(dependencies, paired, answer) };
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    if (error.body.code === "pairing_required") return { kind: "approval_needed", pending };
    if (error.body.code === "setup_code_required") throw setupCodeFault(error, setupCode);
    if (error.body.code !== "code_invalid") throw error;
    await records.save({ ...record, pending: null });
    throw new UserError("The code has expired or was used", {
      fix: "Run `agent pair` for a new one",
      cause: error,
    });
  }
}

function setupCodeFault(cause: RemoteError, given: string | undefined): UserError {
  const message = given === undefined
    ? "Nobody owns this server yet, and it is open to a network"
    : "This is not the server's setup code";
  const fix =
    "Run `agent pair --continue --setup-code CODE` with the code that the server prints at its start";
  return new UserError(message, { fix, cause });
}

/** An old pairing that was replaced is shut out; that it stays valid for its last days would harm nobody. */
async function retireOldPairing(server: ServerClient, old: ActivePairing): Promise<void> {
  try {
    await server.deactivate(old.deviceId);
  } catch (error) {
    if (!(error instanceof RemoteError || error instanceof UnreachableError)) throw error;
  }
}

/** What a device says of itself, and what it was given to claim a server with. */
export interface PairRequest {
  readonly device: Omit<RegisterDeviceRequest, "hardwareId" | "join">;
  /** What a server that nobody owns printed at its start. */
  readonly setupCode?: string;
}

async function registerAndVerify(
  dependencies: PairingDependencies,
  { device, setupCode }: PairRequest,
): Promise<PairingOutcome> {
  const { records, server, serverUrl, tokenStore } = dependencies;
  const record = await loadRecord(records);
  const { hardwareId } = record;
  const registration = await server(null).register({ ...device, hardwareId, join: true });
  const vouching = await vouchForOwnCode(dependencies, record, registration.code);
  const syncTarget = vouching?.syncTarget ?? crypto.randomUUID();
  const pending = { ...registration, serverUrl, syncTarget };
  await records.save({ ...record, pending });
  const outcome = await verifyPending(dependencies, { ...record, pending }, setupCode);
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
export async function pair(dependencies: PairingDependencies, request: PairRequest): Promise<PairingOutcome> {
  try {
    return await registerAndVerify(dependencies, request);
  } catch (error) {
    throw serverFault(error, dependencies.serverUrl);
  }
}

/**
 * Verifies the pending registration again, after someone approved its code.
 *
 * @throws UserError with a sentence for the person
 */
export async function continuePairing(
  dependencies: PairingDependencies,
  { setupCode }: Pick<PairRequest, "setupCode"> = {},
): Promise<PairingOutcome> {
  const { records, serverUrl } = dependencies;
  const stored = await records.load();
  const pending = stored.kind === "found" ? stored.state.pending : null;
  if (stored.kind !== "found" || pending?.serverUrl !== serverUrl) {
    throw new UserError(`No pairing with ${serverUrl} is in progress`, {
      fix: "Run `agent pair` to start one",
    });
  }
  try {
    return await verifyPending(dependencies, { ...stored.state, pending }, setupCode);
  } catch (error) {
    throw serverFault(error, serverUrl);
  }
}

/** Forgets the pairing and its tokens on this device. */
export async function endPairing(dependencies: PairingDependencies): Promise<void> {
  const { records, tokenStore, refreshTokenStore } = dependencies;
  const record = await loadRecord(records);
  await tokenStore(record.hardwareId).remove();
  await refreshTokenStore(record.hardwareId).remove();
  await records.save({ ...record, pending: null, active: null });
}

/**
 * The pairing and its token, which is refreshed daily.
 *
 * @throws NotPairedError when this device is not paired with the configured server
 * @throws UserError when the pairing has ended
 */
export async function requirePairing(dependencies: PairingDependencies): Promise<PairedDevice> {
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
  const current = await refreshIfDue(dependencies, { ...stored.state, active: pairing }).catch((error) => {
    throw serverFault(error, serverUrl);
  });
  const token = await tokenStore(stored.state.hardwareId).read();
  if (token !== null) return { pairing: current, token };
  throw new NotPairedError("The pairing's token is gone", { fix: "Run `agent pair` to pair again" });
}
