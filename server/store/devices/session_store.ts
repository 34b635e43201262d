/** Stores the sessions of browsers, and the codes that start one. */
import { and, eq, gt, lte } from "drizzle-orm";
import type { Database } from "../database.ts";
import { type Device, devices, sessionCodes, sessions } from "../schema.ts";

/** A session that has not expired, with its device, deactivated or not. */
export interface StoredSession {
  readonly device: Device;
  readonly expiresAt: Date;
}

export interface SessionStore {
  /** Adds a session, and deletes those that have expired. */
  add(session: { secretHash: string; deviceId: string; expiresAt: Date; now: Date }): Promise<void>;
  find(secretHash: string, now: Date): Promise<StoredSession | undefined>;
  /** Whether a device is active, and its session, where it is one's, has not ended. */
  isSignedIn(holder: { deviceId: string; sessionHash?: string }): Promise<boolean>;
  extend(secretHash: string, expiresAt: Date): Promise<void>;
  remove(secretHash: string): Promise<void>;
  /** Adds a code, and deletes those that have expired. */
  addCode(code: { codeHash: string; deviceId: string; expiresAt: Date; now: Date }): Promise<void>;
  /** Uses a code up; undefined when it is unknown, was used or has expired. */
  useCode(codeHash: string, now: Date): Promise<Device | undefined>;
}

/** Makes the store of sessions. */
export function createSessionStore({ db }: Database): SessionStore {
  const is = (secretHash: string) => eq(sessions.secretHash, secretHash);
  return {
    async add({ now, ...session }) {
      await db.delete(sessions).where(lte(sessions.expiresAt, now));
      await db.insert(sessions).values({ ...session, createdAt: now });
    },
    async find(secretHash, now) {
      const [found] = await db.select({ device: devices, expiresAt: sessions.expiresAt }).from(sessions)
        .innerJoin(devices, eq(devices.id, sessions.deviceId))
        .where(and(is(secretHash), gt(sessions.expiresAt, now)));
      return found;
    },
    async isSignedIn({ deviceId, sessionHash }) {
      const isActive = and(eq(devices.id, deviceId), eq(devices.status, "active"));
      const device = db.select({ id: devices.id }).from(devices);
      const [found] =
        await (sessionHash === undefined
          ? device.where(isActive)
          : device.innerJoin(sessions, eq(sessions.deviceId, devices.id)).where(
            and(isActive, is(sessionHash)),
          ));
      return found !== undefined;
    },
    async extend(secretHash, expiresAt) {
      await db.update(sessions).set({ expiresAt }).where(is(secretHash));
    },
    async remove(secretHash) {
      await db.delete(sessions).where(is(secretHash));
    },
    async addCode({ now, ...code }) {
      await db.delete(sessionCodes).where(lte(sessionCodes.expiresAt, now));
      await db.insert(sessionCodes).values(code);
    },
    async useCode(codeHash, now) {
      const [used] = await db.delete(sessionCodes)
        .where(and(eq(sessionCodes.codeHash, codeHash), gt(sessionCodes.expiresAt, now)))
        .returning({ deviceId: sessionCodes.deviceId });
      if (used === undefined) return undefined;
      const [device] = await db.select().from(devices).where(eq(devices.id, used.deviceId));
      return device;
    },
  };
}
