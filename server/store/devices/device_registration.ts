/** Registers devices, and deletes those that never verified themselves. */
import { and, count, eq, gt, inArray, isNull, lt, min } from "drizzle-orm";
import type { DeviceScope } from "../../../contract/devices.ts";
import { type Database, lockUntilCommit, newId, type Queries } from "../database.ts";
import { findPendingByCode } from "./device_linking.ts";
import { type Device, deviceCodes, devices } from "../schema.ts";
import { deleteOldAttempts } from "./verify_limit.ts";

/** Unverified devices with a valid code that one address may have. */
export const MAX_PENDING_DEVICES = 20;
/** How long an unverified device is stored after its code expired, so that it learns why it is refused. */
const DELETE_AFTER_MS = 24 * 3_600_000;

/** A device that asks to be paired; `codeHash` is the keyed hash of its 6-digit code, in hex. */
export interface DeviceRegistration {
  readonly name: string;
  readonly hardwareId: string;
  readonly platform: string;
  readonly osVersion: string;
  readonly scope: DeviceScope;
  /** It never gets an account of its own but on a server that nobody owns. */
  readonly joins: boolean;
  readonly address: string;
  readonly codeHash: string;
  readonly expiresAt: Date;
  readonly now: Date;
}

/** `too_many`: the address has its full number of unverified devices. `code_taken`: draw another code. */
export type RegistrationResult =
  | { readonly outcome: "registered"; readonly device: Device }
  | { readonly outcome: "too_many"; readonly retryAt: Date }
  | { readonly outcome: "code_taken" };

async function deleteStaleDevices(tx: Queries, now: Date): Promise<void> {
  const limit = new Date(now.getTime() - DELETE_AFTER_MS);
  const stale = tx.select({ id: deviceCodes.deviceId }).from(deviceCodes)
    .where(and(isNull(deviceCodes.usedAt), lt(deviceCodes.expiresAt, limit)));
  await tx.delete(devices).where(and(eq(devices.status, "pending"), inArray(devices.id, stale)));
}

/** When the address may register again, or undefined for now. */
async function registrationAllowedAt(
  tx: Queries,
  { address, now }: DeviceRegistration,
): Promise<Date | undefined> {
  const [pending] = await tx.select({ count: count(), earliest: min(deviceCodes.expiresAt) })
    .from(devices).innerJoin(deviceCodes, eq(deviceCodes.deviceId, devices.id))
    .where(
      and(
        eq(devices.registeredAddress, address),
        eq(devices.status, "pending"),
        gt(deviceCodes.expiresAt, now),
      ),
    );
  return pending && pending.count >= MAX_PENDING_DEVICES ? pending.earliest ?? undefined : undefined;
}

/** Adds a pending device. Registrations take turns, so that the cap and the codes' uniqueness hold under concurrency. */
export function registerDevice(
  { transaction }: Database,
  registration: DeviceRegistration,
): Promise<RegistrationResult> {
  const { codeHash, expiresAt, now, address, ...description } = registration;
  return transaction(async ({ db: tx }) => {
    await lockUntilCommit(tx, "register");
    await deleteStaleDevices(tx, now);
    await deleteOldAttempts(tx, now);
    const retryAt = await registrationAllowedAt(tx, registration);
    if (retryAt) return { outcome: "too_many", retryAt };
    if (await findPendingByCode(tx, { codeHash, now })) return { outcome: "code_taken" };
    const values = {
      id: newId(),
      ...description,
      registeredAddress: address,
      status: "pending",
      createdAt: now,
    } as const;
    const [device] = await tx.insert(devices).values(values).returning();
    if (!device) throw new Error("The registered device was not returned");
    await tx.insert(deviceCodes).values({ deviceId: device.id, codeHash, expiresAt });
    return { outcome: "registered", device };
  });
}
