/** The stored record of this device's pairing: its identity, a pending registration, and its pairing. */
import { join } from "node:path";
import { z } from "zod";
import { type StateFile, stateFile } from "../platform/state_file.ts";

/** A pairing that once was verified. Whether it still holds is for the server to say. */
const activePairingSchema = z.object({
  serverUrl: z.string(),
  deviceId: z.string(),
  /** When the token ends. */
  expiresAt: z.string(),
  /** When the refresh token ends; absent where the server gave none. */
  refreshExpiresAt: z.string().optional(),
  /** When this machine got its tokens, in Unix time; absent where the server gave no refresh token. */
  refreshedAtMs: z.number().optional(),
  /** Names the account behind the pairing: what was synced under another target is not there. */
  syncTarget: z.string(),
}).readonly();
export type ActivePairing = z.infer<typeof activePairingSchema>;

/** When the pairing ends unless it is refreshed before. */
export function pairingEnd({ expiresAt, refreshExpiresAt }: ActivePairing): string {
  return refreshExpiresAt ?? expiresAt;
}

const REFRESH_MS = 24 * 3_600_000;

/** Whether the token is to be refreshed: daily, by this machine's clock alone, which may be wrong or jump. */
export function isRefreshDue({ refreshedAtMs }: ActivePairing, nowMs: number): boolean {
  return refreshedAtMs !== undefined && Math.abs(nowMs - refreshedAtMs) >= REFRESH_MS;
}

/** A registration whose code waits to be approved: six digits, shown to the person only. */
const pendingPairingSchema = activePairingSchema.unwrap().extend({
  code: z.string(),
  /** What approves it on the server's machine; absent where an older server does not say. */
  approveCommand: z.string().optional(),
}).readonly();
export type PendingPairing = z.infer<typeof pendingPairingSchema>;

const pairingRecordSchema = z.object({
  /** Random, made once for a data folder; the server shows it to tell devices apart. */
  hardwareId: z.string(),
  pending: pendingPairingSchema.nullable(),
  active: activePairingSchema.nullable(),
}).readonly();
export type PairingRecord = z.infer<typeof pairingRecordSchema>;

const FILE = "pairing.json";
const VERSION = 1;

/** The pairing record of a data folder. */
export function pairingStore(dataDir: string): StateFile<PairingRecord> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, schema: pairingRecordSchema });
}

/** The server that a data folder's device is paired with, or is being paired with; null when there is none. */
export function pairedServerUrl(dataDir: string): string | null {
  try {
    const { active, pending } = pairingRecordSchema.parse(
      JSON.parse(Deno.readTextFileSync(join(dataDir, FILE))),
    );
    return active?.serverUrl ?? pending?.serverUrl ?? null;
  } catch {
    return null; // Whoever needs the pairing itself reports what is wrong with it.
  }
}
