/** The stored record of this device's pairing: its identity, a pending registration, and its pairing. */
import { join } from "node:path";
import { objectField, type StateFile, stateFile, textField } from "../platform/state_file.ts";

/** A registration whose code waits to be approved. */
export interface PendingPairing {
  readonly serverUrl: string;
  readonly deviceId: string;
  /** Six digits; shown to the person only. */
  readonly code: string;
  readonly expiresAt: string;
  readonly syncTarget: string;
}

/** A pairing that once was verified. Whether it still holds is for the server to say. */
export interface ActivePairing {
  readonly serverUrl: string;
  readonly deviceId: string;
  readonly expiresAt: string;
  /** Names the account behind the pairing: what was synced under another target is not there. */
  readonly syncTarget: string;
}

export interface PairingRecord {
  /** Random, made once for a data folder; the server shows it to tell devices apart. */
  readonly hardwareId: string;
  readonly pending: PendingPairing | null;
  readonly active: ActivePairing | null;
}

const FILE = "pairing.json";
const VERSION = 1;

function activeOf(fields: Record<string, unknown>): ActivePairing {
  return {
    serverUrl: textField(fields, "serverUrl"),
    deviceId: textField(fields, "deviceId"),
    expiresAt: textField(fields, "expiresAt"),
    syncTarget: textField(fields, "syncTarget"),
  };
}

function recordOf(fields: Record<string, unknown>): PairingRecord {
  const [pending, active] = [objectField(fields, "pending"), objectField(fields, "active")];
  return {
    hardwareId: textField(fields, "hardwareId"),
    pending: pending && { ...activeOf(pending), code: textField(pending, "code") },
    active: active && activeOf(active),
  };
}

/** The pairing record of a data folder. */
export function pairingStore(dataDir: string): StateFile<PairingRecord> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: recordOf });
}

/** The server that a data folder's device is paired with, or is being paired with; null when there is none. */
export function pairedServerUrl(dataDir: string): string | null {
  try {
    const { active, pending } = recordOf(JSON.parse(Deno.readTextFileSync(join(dataDir, FILE))));
    return active?.serverUrl ?? pending?.serverUrl ?? null;
  } catch {
    return null; // Whoever needs the pairing itself reports what is wrong with it.
  }
}
