/** Identifies who sends a request: the device of its token and what that device may do, or the address it comes from. */
import { type Context, createMiddleware, getConnInfo } from "../../deps.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { ApiError } from "../../lib/errors.ts";
import { type ApiEnv, bearerTokenOf } from "../../lib/http/app.ts";
import { type DeviceStore, SEEN_PRECISION_MS } from "../store/devices/device_store.ts";
import type { Tokens } from "./credentials.ts";
import type { DeviceScope } from "../../contract/devices.ts";

/** An active device; all it may see belongs to its account. */
export interface Caller {
  readonly accountId: string;
  readonly deviceId: string;
  readonly scope: DeviceScope;
}

/** What the context of a request to the server carries. `caller` is set on every path that needs a token. */
export type ServerEnv = { Variables: ApiEnv["Variables"] & { caller: Caller } };

/** Paths under /api that a device without a token may call: the two steps to one. */
const OPEN_PATHS: ReadonlySet<string> = new Set([SERVER_PATHS.registerDevice, SERVER_PATHS.verifyDevice]);

/** All that a device of scope `sync` may call: it sends, and reads nothing back but its own state. */
const SYNC_PATHS: ReadonlySet<string> = new Set([
  SERVER_PATHS.syncMessages,
  SERVER_PATHS.syncContacts,
  SERVER_PATHS.syncDeletions,
  SERVER_PATHS.syncHeartbeat,
  SERVER_PATHS.syncStatus,
  SERVER_PATHS.currentDevice,
]);

export interface AuthenticateOptions {
  tokens: Tokens;
  devices: Pick<DeviceStore, "findByToken" | "touch">;
  now: () => Date;
}

/**
 * Finds the device that a token belongs to, and notes that it was seen.
 *
 * @throws ApiError `unauthorized`, `token_expired` or `device_deactivated`
 */
async function callerOf(token: string | null, options: AuthenticateOptions): Promise<Caller> {
  if (token === null) {
    throw new ApiError("unauthorized", "The request needs a header `Authorization: Bearer <token>`");
  }
  const claims = await options.tokens.verify(token);
  const device = await options.devices.findByToken(claims.tokenId);
  if (device?.status === "deactivated") {
    throw new ApiError("device_deactivated", "This device was deactivated: register it again to use it");
  }
  if (device?.status !== "active" || device.accountId === null || device.id !== claims.deviceId) {
    throw new ApiError("unauthorized", "The token is not valid any more: pair the device again");
  }
  const now = options.now();
  if (now.getTime() - (device.lastSeenAt?.getTime() ?? 0) > SEEN_PRECISION_MS) {
    await options.devices.touch(device.id, now);
  }
  return { accountId: device.accountId, deviceId: device.id, scope: device.scope };
}

/** Lets a request pass when its device may call the path, and sets `caller`. Put it before every route under /api. */
export function authenticate(options: AuthenticateOptions) {
  return createMiddleware<ServerEnv>(async (c, next) => {
    if (OPEN_PATHS.has(c.req.path)) return await next();
    const caller = await callerOf(bearerTokenOf(c), options);
    if (caller.scope !== "full" && !SYNC_PATHS.has(c.req.path)) {
      throw new ApiError("scope_insufficient", "The scope of this device allows it to sync and nothing else");
    }
    c.set("caller", caller);
    await next();
  });
}

/** Returns the address that a request is counted under. */
export type ClientAddressOf = (c: Context) => string;

/** The eight groups of an IPv6 address, short forms written out. */
function groupsOf(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined
    ? []
    : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...gap, ...right];
}

/**
 * The part of an address that identifies one client: all of an IPv4 address, the first 64 bits of an IPv6 address,
 * since every home has a /64 to choose its addresses from.
 */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const groups = groupsOf(address.replace(/%.*$/, "").toLowerCase());
  return `${groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}

/** The address of the connection itself: headers such as X-Forwarded-For are the client's own words. */
export const connectionAddressOf: ClientAddressOf = (c) => {
  return addressKey(getConnInfo(c).remote.address ?? "unknown");
};
