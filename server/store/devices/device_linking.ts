/** Links pending devices: an active device, or the machine's operator, vouches for the device that shows a code. */
import { and, asc, eq, gt, isNull } from "drizzle-orm";
import type { Database, Queries } from "../database.ts";
import { accounts, type Device, deviceCodes, devices } from "../schema.ts";
import { attemptAllowedAt, countRefusedAttempt } from "./verify_limit.ts";

/** A device of an account that vouches for the pending device that shows a code. */
export interface LinkAttempt {
  readonly accountId: string;
  /** The device that vouches; wrong codes count against it and its address. */
  readonly deviceId: string;
  readonly codeHash: string;
  readonly address: string;
  readonly now: Date;
}

export type LinkResult =
  | { readonly outcome: "linked"; readonly device: Device }
  | { readonly outcome: "rate_limited"; readonly retryAt: Date }
  | { readonly outcome: "not_found" };

/** Approval by the operator of the machine. */
export interface ApproveRequest {
  readonly codeHash: string;
  readonly now: Date;
}

/** `unclaimed`: there is no account yet, so the first device needs no approval. */
export type ApproveResult =
  | { readonly outcome: "linked"; readonly device: Device }
  | { readonly outcome: "not_found" | "unclaimed" };

interface Link {
  readonly accountId: string;
  readonly byDeviceId?: string;
  readonly codeHash: string;
  readonly now: Date;
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

/** Undefined when no pending device shows the code, or another account has linked it. */
async function linkByCode(
  tx: Queries,
  { accountId, byDeviceId, codeHash, now }: Link,
): Promise<Device | undefined> {
  const pending = await findPendingByCode(tx, { codeHash, now });
  if (!pending || (pending.accountId && pending.accountId !== accountId)) return undefined;
  const [linked] = await tx.update(devices).set({ accountId, linkedByDeviceId: byDeviceId })
    .where(eq(devices.id, pending.id)).returning();
  return linked;
}

/** Links a device to the account of another; the next `verify` of the linked device joins that account. */
export function linkDevice({ transaction }: Database, attempt: LinkAttempt): Promise<LinkResult> {
  const { accountId, deviceId, codeHash, now } = attempt;
  return transaction(async ({ db: tx }) => {
    const retryAt = await attemptAllowedAt(tx, attempt);
    if (retryAt) return { outcome: "rate_limited", retryAt };
    const device = await linkByCode(tx, { accountId, byDeviceId: deviceId, codeHash, now });
    if (device) return { outcome: "linked", device };
    await countRefusedAttempt(tx, attempt);
    return { outcome: "not_found" };
  });
}

/** Links a device to the account that claimed the server first. */
export function approveDevice(
  { transaction }: Database,
  { codeHash, now }: ApproveRequest,
): Promise<ApproveResult> {
  return transaction(async ({ db: tx }) => {
    const [first] = await tx.select({ id: accounts.id }).from(accounts).orderBy(asc(accounts.createdAt))
      .limit(1);
    if (!first) return { outcome: "unclaimed" };
    const device = await linkByCode(tx, { accountId: first.id, codeHash, now });
    return device ? { outcome: "linked", device } : { outcome: "not_found" };
  });
}
