/** Owns the check that each request passes: whose token it carries, and whether that device may do this. */
import { createMiddleware } from "../../deps.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { ApiError } from "../../lib/errors.ts";
import { bearerTokenOf } from "../../lib/http/app.ts";
import { type DeviceStore, SEEN_PRECISION_MS } from "../store/devices/device_store.ts";
import type { Caller, ServerEnv } from "./caller.ts";
import type { Tokens } from "./tokens.ts";

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
