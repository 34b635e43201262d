/** Owns the look-up of pairing codes, which are stored as keyed hashes only. */
import { timingSafeEqual } from "node:crypto";
import { and, eq, gt, isNull } from "drizzle-orm";
import type { Queries } from "../database.ts";
import { type Device, deviceCodes, devices } from "../schema.ts";

/** A device with the code it was registered with. */
export interface CodedDevice {
  readonly device: Device;
  readonly code: typeof deviceCodes.$inferSelect;
}

/** The device and its code; both rows stay locked until the transaction ends. */
export async function findCodedDevice(tx: Queries, deviceId: string): Promise<CodedDevice | undefined> {
  const [found] = await tx.select({ device: devices, code: deviceCodes }).from(devices)
    .innerJoin(deviceCodes, eq(deviceCodes.deviceId, devices.id))
    .where(eq(devices.id, deviceId)).for("update", { of: devices });
  return found;
}

/** The pending device that shows this code now; its row stays locked until the transaction ends. */
export async function findPendingByCode(
  tx: Queries,
  { codeHash, now }: { codeHash: string; now: Date },
): Promise<Device | undefined> {
  const valid = and(isNull(deviceCodes.usedAt), gt(deviceCodes.expiresAt, now));
  const [found] = await tx.select({ device: devices }).from(deviceCodes)
    .innerJoin(devices, eq(devices.id, deviceCodes.deviceId))
    .where(and(eq(deviceCodes.codeHash, codeHash), valid, eq(devices.status, "pending"))).for("update", {
      of: devices,
    });
  return found?.device;
}

/** Compares two hashes in a time that does not tell where they differ. */
export function sameHash(a: string, b: string): boolean {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
