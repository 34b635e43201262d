/** Stores the refresh tokens of devices: each use gives a new one, and the reuse of a replaced one shuts the device out. */
import { and, eq, lt, ne, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { type Device, devices, refreshTokens } from "../schema.ts";

/** How long a replaced or expired token is stored, so that its reuse or its age can be said. */
const DELETE_AFTER_MS = 90 * 24 * 3_600_000;

export interface NewRefreshToken {
  readonly deviceId: string;
  readonly tokenHash: string;
  readonly expiresAt: Date;
}

/** One use of a token, and the one that is given in its place. */
export interface RefreshAttempt {
  readonly tokenHash: string;
  readonly next: Omit<NewRefreshToken, "deviceId">;
  readonly now: Date;
}

/** `reused`: a replaced token was used, so somebody has a copy; the device is deactivated now. */
export type RefreshResult =
  | { readonly outcome: "refreshed" | "reused"; readonly device: Device }
  | { readonly outcome: "unknown" | "expired" | "deactivated" };

/** Adds the first refresh token of a device. */
export async function addRefreshToken({ db }: Database, token: NewRefreshToken): Promise<void> {
  await db.insert(refreshTokens).values(token);
}

/**
 * Uses a token. The one used last is accepted again, as its answer may have been lost; from the first use of one that it
 * gave on, it and all others it gave are replaced.
 */
export function refreshDevice({ transaction }: Database, attempt: RefreshAttempt): Promise<RefreshResult> {
  const { tokenHash, next, now } = attempt;
  return transaction(async ({ db: tx }) => {
    const ofToken = eq(refreshTokens.tokenHash, tokenHash);
    const owner = tx.select({ id: refreshTokens.deviceId }).from(refreshTokens).where(ofToken);
    const [device] = await tx.select().from(devices).where(eq(devices.id, sql`(${owner})`)).for("update");
    // Read once the device is locked: another use may have replaced it meanwhile.
    const [token] = await tx.select().from(refreshTokens).where(ofToken);
    if (!device || !token) return { outcome: "unknown" };
    if (device.status !== "active") return { outcome: "deactivated" };
    if (token.replaced) {
      const shutOut = { status: "deactivated", deactivatedAt: now } as const;
      await tx.update(devices).set(shutOut).where(eq(devices.id, device.id));
      return { outcome: "reused", device };
    }
    if (token.expiresAt <= now) return { outcome: "expired" };
    const ofDevice = eq(refreshTokens.deviceId, device.id);
    const isOther = and(
      ne(refreshTokens.tokenHash, tokenHash),
      sql`${refreshTokens.parentHash} is distinct from ${tokenHash}`,
    );
    await tx.update(refreshTokens).set({ replaced: true }).where(and(ofDevice, isOther));
    const oldest = new Date(now.getTime() - DELETE_AFTER_MS);
    await tx.delete(refreshTokens).where(and(ofDevice, lt(refreshTokens.expiresAt, oldest)));
    await tx.insert(refreshTokens).values({ ...next, deviceId: device.id, parentHash: tokenHash });
    return { outcome: "refreshed", device };
  });
}
