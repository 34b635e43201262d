/** Checks a device's code, and gives a verified device its account. */
import { timingSafeEqual } from "node:crypto";
import { eq } from "drizzle-orm";
import { type Database, lockUntilCommit, newId, type Queries } from "../database.ts";
import { accounts, type Device, deviceCodes, devices } from "../schema.ts";
import { attemptAllowedAt, countRefusedAttempt } from "./verify_limit.ts";

/** One attempt to turn a code into a token whose id (`jti`) will be `tokenId`, a new UUID. */
export interface VerifyAttempt {
  readonly deviceId: string;
  readonly codeHash: string;
  readonly address: string;
  readonly tokenId: string;
  /** `approve`: once the server has an account, only linked devices get in. */
  readonly pairing: "open" | "approve";
  /** The code that the server printed at its start, which lets a first device claim it from anywhere. */
  readonly setupCode: "right" | "wrong" | "absent";
  /** Whether the server listens to a network, where a first device needs that code. */
  readonly isNetworked: boolean;
  /** Whether the device is on the server's machine. */
  readonly isLocal: boolean;
  readonly now: Date;
}

/** A device that was verified, and so has an account. */
export type VerifiedDevice = Device & { readonly accountId: string };

/**
 * The result of a verify attempt. `verified`: the code is used up, the device is active. `not_linked`: the code is
 * right, but this claimed server wants the device linked first; `unclaimed`: nobody owns the server, and the device may
 * not claim it without the setup code. In both cases the code stays valid and the attempt is not counted. Every other refusal but `rate_limited` is counted.
 */
export type VerifyResult =
  | { readonly outcome: "verified"; readonly device: VerifiedDevice }
  | { readonly outcome: "rate_limited"; readonly retryAt: Date }
  | { readonly outcome: VerifyRefusal | "not_linked" | "unclaimed" };

export type VerifyRefusal =
  | "wrong_setup_code"
  | "unknown_device"
  | "wrong_code"
  | "expired"
  | "used"
  | "deactivated";

/** A device with the code it was registered with. */
interface CodedDevice {
  readonly device: Device;
  readonly code: typeof deviceCodes.$inferSelect;
}

/** The device and its code; both rows stay locked until the transaction ends. */
async function findCodedDevice(tx: Queries, deviceId: string): Promise<CodedDevice | undefined> {
  const [found] = await tx.select({ device: devices, code: deviceCodes }).from(devices)
    .innerJoin(deviceCodes, eq(deviceCodes.deviceId, devices.id))
    .where(eq(devices.id, deviceId)).for("update", { of: devices });
  return found;
}

/** Compares two hashes in a time that does not depend on where they differ. */
function sameHash(a: string, b: string): boolean {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** True once an account exists, that is, once a first device was verified. */
export async function isClaimed(tx: Queries): Promise<boolean> {
  const found = await tx.select({ id: accounts.id }).from(accounts).limit(1);
  return found.length > 0;
}

/** A wrong code is checked before anything else, so that only who knows its code learns the state of a device. */
function refusalOf(
  found: CodedDevice | undefined,
  { codeHash, now }: VerifyAttempt,
): VerifyRefusal | undefined {
  if (!found) return "unknown_device";
  if (!sameHash(found.code.codeHash, codeHash)) return "wrong_code";
  if (found.device.status === "deactivated") return "deactivated";
  if (found.code.usedAt) return "used";
  if (found.code.expiresAt <= now) return "expired";
  return undefined;
}

type ClaimRefusal = "not_linked" | "unclaimed" | "wrong_setup_code";

/** Why the device may not claim the server. Claims take turns until their transactions end. */
async function claimRefusalOf(
  tx: Queries,
  { device, attempt }: { device: Device; attempt: VerifyAttempt },
): Promise<ClaimRefusal | undefined> {
  await lockUntilCommit(tx, "claim");
  if (await isClaimed(tx)) return "not_linked";
  const { setupCode, isNetworked, isLocal } = attempt;
  if (setupCode === "right") return undefined;
  if (setupCode === "wrong") return "wrong_setup_code";
  return isNetworked || (device.joins && !isLocal) ? "unclaimed" : undefined;
}

/** The account that vouched for the device, else a new, empty one where it may have one. */
async function accountFor(
  tx: Queries,
  { device, attempt }: { device: Device; attempt: VerifyAttempt },
): Promise<{ accountId: string } | { refusal: ClaimRefusal }> {
  if (device.accountId) return { accountId: device.accountId };
  if (device.joins || attempt.pairing === "approve") {
    const refusal = await claimRefusalOf(tx, { device, attempt });
    if (refusal) return { refusal };
  }
  const accountId = newId();
  await tx.insert(accounts).values({ id: accountId, createdAt: attempt.now });
  return { accountId };
}

async function activate(
  tx: Queries,
  { accountId, attempt }: { accountId: string; attempt: VerifyAttempt },
): Promise<VerifiedDevice> {
  const { deviceId, tokenId, now } = attempt;
  await tx.update(deviceCodes).set({ usedAt: now }).where(eq(deviceCodes.deviceId, deviceId));
  const [device] = await tx.update(devices)
    .set({ accountId, tokenId, status: "active", verifiedAt: now, lastSeenAt: now })
    .where(eq(devices.id, deviceId)).returning();
  if (!device) throw new Error("The verified device was not returned");
  return { ...device, accountId };
}

/** Checks and uses up a code, all in one transaction. */
export function verifyDevice({ transaction }: Database, attempt: VerifyAttempt): Promise<VerifyResult> {
  return transaction(async ({ db: tx }) => {
    const retryAt = await attemptAllowedAt(tx, attempt);
    if (retryAt) return { outcome: "rate_limited", retryAt };
    const found = await findCodedDevice(tx, attempt.deviceId);
    const refusal = refusalOf(found, attempt);
    if (!found || refusal) {
      await countRefusedAttempt(tx, attempt);
      return { outcome: refusal ?? "unknown_device" };
    }
    const account = await accountFor(tx, { device: found.device, attempt });
    if ("accountId" in account) {
      return { outcome: "verified", device: await activate(tx, { accountId: account.accountId, attempt }) };
    }
    if (account.refusal === "wrong_setup_code") await countRefusedAttempt(tx, attempt);
    return { outcome: account.refusal };
  });
}
