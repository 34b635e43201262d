/** Finds, lists and deactivates devices; the files beside it register, verify and link them. */
import { and, eq, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import { bindTo, type Database } from "../database.ts";
import {
  approveDevice,
  type ApproveRequest,
  type ApproveResult,
  type LinkAttempt,
  linkDevice,
  type LinkResult,
} from "./device_linking.ts";
import {
  addRefreshToken,
  type NewRefreshToken,
  type RefreshAttempt,
  refreshDevice,
  type RefreshResult,
} from "./device_refresh.ts";
import { type DeviceRegistration, registerDevice, type RegistrationResult } from "./device_registration.ts";
import { isClaimed, type VerifyAttempt, verifyDevice, type VerifyResult } from "./device_verification.ts";
import { type Page, type PageRequest, readNewest } from "../paging.ts";
import { type Device, devices } from "../schema.ts";

/** `lastSeenAt` is exact to this; a row is not written on every request. */
export const SEEN_PRECISION_MS = 60_000;

export interface DeviceStore {
  /** Adds a pending device, at most 20 unverified ones an address. */
  register(registration: DeviceRegistration): Promise<RegistrationResult>;
  /** Uses up a code; at most 5 refused attempts per 15 minutes for each device and each address. */
  verify(attempt: VerifyAttempt): Promise<VerifyResult>;
  addRefreshToken(token: NewRefreshToken): Promise<void>;
  /** Uses a refresh token and adds the one given in its place; a replaced one deactivates its device. */
  refresh(attempt: RefreshAttempt): Promise<RefreshResult>;
  /** Links the pending device that shows this code. Refused attempts are counted like those of `verify`. */
  link(attempt: LinkAttempt): Promise<LinkResult>;
  /** Like `link`, by the server's own command line. */
  approve(request: ApproveRequest): Promise<ApproveResult>;
  /** The device whose token has this `jti`, deactivated or not. */
  findByToken(tokenId: string): Promise<Device | undefined>;
  find(accountId: string, deviceId: string): Promise<Device | undefined>;
  /** Devices of the account, newest first. */
  list(accountId: string, page: PageRequest): Promise<Page<Device>>;
  /** Devices of all accounts and those still pending, newest first: for the machine's operator only. */
  listAll(page: PageRequest): Promise<Page<Device>>;
  /** Shuts the device out at once; undefined when the account has no such device. Repeating it changes nothing. */
  deactivate(accountId: string, deviceId: string): Promise<Device | undefined>;
  /** Gives a device of the account another name; undefined when the account has no such device. */
  rename(accountId: string, device: { deviceId: string; name: string }): Promise<Device | undefined>;
  /** Notes that the device was seen, to the minute. */
  touch(deviceId: string, now: Date): Promise<void>;
  /** True once an account exists, that is, once a first device was verified. */
  isClaimed(): Promise<boolean>;
}

function isDevice(accountId: string, deviceId: string): SQL | undefined {
  return and(eq(devices.accountId, accountId), eq(devices.id, deviceId));
}

async function findByToken({ db }: Database, tokenId: string): Promise<Device | undefined> {
  const [device] = await db.select().from(devices).where(eq(devices.tokenId, tokenId));
  return device;
}

async function find({ db }: Database, accountId: string, deviceId: string): Promise<Device | undefined> {
  const [device] = await db.select().from(devices).where(isDevice(accountId, deviceId));
  return device;
}

function list(database: Database, accountId: string, page: PageRequest): Promise<Page<Device>> {
  return readNewest(database, page, { table: devices, where: eq(devices.accountId, accountId) });
}

function listAll(database: Database, page: PageRequest): Promise<Page<Device>> {
  return readNewest(database, page, { table: devices });
}

async function deactivate(
  { db }: Database,
  accountId: string,
  deviceId: string,
): Promise<Device | undefined> {
  const [device] = await db.update(devices)
    .set({ status: "deactivated", deactivatedAt: sql`coalesce(${devices.deactivatedAt}, now())` })
    .where(isDevice(accountId, deviceId)).returning();
  return device;
}

async function rename(
  { db }: Database,
  accountId: string,
  { deviceId, name }: { deviceId: string; name: string },
): Promise<Device | undefined> {
  const [device] = await db.update(devices).set({ name }).where(isDevice(accountId, deviceId)).returning();
  return device;
}

async function touch({ db }: Database, deviceId: string, now: Date): Promise<void> {
  const stale = lt(devices.lastSeenAt, new Date(now.getTime() - SEEN_PRECISION_MS));
  await db.update(devices).set({ lastSeenAt: now })
    .where(and(eq(devices.id, deviceId), or(isNull(devices.lastSeenAt), stale)));
}

export function createDeviceStore(database: Database): DeviceStore {
  return bindTo(database, {
    register: registerDevice,
    verify: verifyDevice,
    addRefreshToken,
    refresh: refreshDevice,
    link: linkDevice,
    approve: approveDevice,
    findByToken,
    find,
    list,
    listAll,
    deactivate,
    rename,
    touch,
    isClaimed: ({ db }) => isClaimed(db),
  });
}
