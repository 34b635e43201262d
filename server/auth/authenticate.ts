/** Identifies who sends a request: issues and checks tokens, finds the device of one or of a session, or the address it comes from. */
import { createHash } from "node:crypto";
import {
  type Context,
  createMiddleware,
  getConnInfo,
  getCookie,
  joseErrors,
  jwtVerify,
  SignJWT,
  z,
} from "../../deps.ts";
import { TOKEN_PROTOCOL_PREFIX } from "../../contract/events.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { isLoopback } from "../../lib/config.ts";
import { ApiError } from "../../lib/errors.ts";
import { mayChange } from "../../lib/http/allowed_hosts.ts";
import { type ApiEnv, bearerTokenOf } from "../../lib/http/app.ts";
import { isHandshake, protocolsOf } from "../../lib/http/web_sockets.ts";
import { type DeviceStore, SEEN_PRECISION_MS } from "../store/devices/device_store.ts";
import type { SessionStore } from "../store/devices/session_store.ts";
import type { Device } from "../store/schema.ts";
import type { DeviceScope } from "../../contract/devices.ts";

/** How long a token is valid. */
export const TOKEN_VALIDITY_MS = 7 * 24 * 3_600_000;
/** How long a refresh token is valid. */
export const REFRESH_VALIDITY_MS = 90 * 24 * 3_600_000;

const ALGORITHM = "HS256";
const ISSUER = "conversation-assistant";
const AUDIENCE = "conversation-assistant-api";

/** What a token says: which device it belongs to and which of its tokens it is. */
export interface TokenClaims {
  deviceId: string;
  /** The `jti`, checked against the device's row on each request. */
  tokenId: string;
}

export interface Tokens {
  issue(claims: TokenClaims): Promise<{ token: string; expiresAt: Date }>;
  /** @throws ApiError `token_expired` or `unauthorized` */
  verify(token: string): Promise<TokenClaims>;
}

export interface TokensOptions {
  secret: Uint8Array;
  now: () => Date;
}

function refusalOf(error: unknown): ApiError {
  if (error instanceof joseErrors.JWTExpired) {
    return new ApiError("token_expired", "The token has expired: pair the device again", { cause: error });
  }
  return new ApiError("unauthorized", "The token is not valid", { cause: error });
}

const uuidClaims = z.object({ sub: z.uuid(), jti: z.uuid() });

/** What a token that is signed by us says. @throws ApiError `unauthorized`: it names no device or no token */
function claimsOf(payload: unknown): TokenClaims {
  const claims = uuidClaims.safeParse(payload);
  if (!claims.success) throw refusalOf(claims.error);
  return { deviceId: claims.data.sub, tokenId: claims.data.jti };
}

/** Makes the tokens of one server, all signed with its secret. */
export function createTokens(options: TokensOptions): Tokens {
  return {
    async issue({ deviceId, tokenId }) {
      const issuedAt = Math.floor(options.now().getTime() / 1_000);
      const expiresAt = issuedAt + TOKEN_VALIDITY_MS / 1_000;
      const token = await new SignJWT()
        .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(deviceId)
        .setJti(tokenId)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(options.secret);
      return { token, expiresAt: new Date(expiresAt * 1_000) };
    },
    async verify(token) {
      const { payload } = await jwtVerify(token, options.secret, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ["sub", "jti", "iat", "exp"],
        currentDate: options.now(),
      }).catch((error) => {
        throw refusalOf(error);
      });
      return claimsOf(payload);
    },
  };
}

/** An active device; all it may see belongs to its account. */
export interface Caller {
  readonly accountId: string;
  readonly deviceId: string;
  readonly scope: DeviceScope;
  /** The hash of the secret of the session that the request was sent in. */
  readonly sessionHash?: string;
}

/** What the context of a request to the server carries. `caller` is set on every path that needs a token. */
export type ServerEnv = { Variables: ApiEnv["Variables"] & { caller: Caller } };

/**
 * Paths under /api that need no token: the two steps to one, that to the next, and restoring on a server that nobody owns.
 */
export const OPEN_PATHS: ReadonlySet<string> = new Set([
  SERVER_PATHS.registerDevice,
  SERVER_PATHS.verifyDevice,
  SERVER_PATHS.refreshDevice,
  SERVER_PATHS.restore,
]);

/** All that a device of scope `sync` may call: it sends, and reads nothing back but its own state. */
const SYNC_PATHS: ReadonlySet<string> = new Set([
  SERVER_PATHS.syncMessages,
  SERVER_PATHS.syncContacts,
  SERVER_PATHS.syncDeletions,
  SERVER_PATHS.syncHeartbeat,
  SERVER_PATHS.syncStatus,
  SERVER_PATHS.currentDevice,
]);

/** What a token is checked with. */
export interface TokenCheckOptions {
  tokens: Tokens;
  devices: Pick<DeviceStore, "findByToken" | "touch">;
  now: () => Date;
}

export interface AuthenticateOptions extends TokenCheckOptions {
  sessions: Pick<SessionStore, "find">;
}

/** The cookie of a browser that is signed in. */
export const SESSION_COOKIE = "assistant_session";

/** A secret of 256 random bits, in base64url. */
export function randomSecret(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The hash under which a random secret is stored. It needs no key: nobody can try 256 bits. */
export function secretHashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** The token that a request brings: in its header, or, since pages may set none for a WebSocket, as a subprotocol. */
function tokenOf(c: Context): string | null {
  const offered = isHandshake(c) ? protocolsOf(c) : [];
  const protocol = offered.find((name) => name.startsWith(TOKEN_PROTOCOL_PREFIX));
  return bearerTokenOf(c) ?? protocol?.slice(TOKEN_PROTOCOL_PREFIX.length) ?? null;
}

/** The secret of the session that a request is sent in; null for one that brings credentials of its own. */
export function sessionSecretOf(c: Context): string | null {
  if (c.req.header("authorization") !== undefined || tokenOf(c) !== null) return null;
  return getCookie(c, SESSION_COOKIE) ?? null;
}

/**
 * The caller that a device is, and notes that it was seen.
 *
 * @throws ApiError `unauthorized` or `device_deactivated`
 */
export async function activeCallerOf(
  device: Device | undefined,
  { devices, now }: Pick<TokenCheckOptions, "devices" | "now">,
): Promise<Caller> {
  if (device?.status === "deactivated") {
    throw new ApiError("device_deactivated", "This device was deactivated: register it again to use it");
  }
  if (device?.status !== "active" || device.accountId === null) {
    throw new ApiError("unauthorized", "The token is not valid any more: pair the device again");
  }
  const time = now();
  if (time.getTime() - (device.lastSeenAt?.getTime() ?? 0) > SEEN_PRECISION_MS) {
    await devices.touch(device.id, time);
  }
  return { accountId: device.accountId, deviceId: device.id, scope: device.scope };
}

/**
 * Finds the device that a token belongs to.
 *
 * @throws ApiError `unauthorized`, `token_expired` or `device_deactivated`
 */
export async function callerOfToken(token: string, options: TokenCheckOptions): Promise<Caller> {
  const claims = await options.tokens.verify(token);
  const device = await options.devices.findByToken(claims.tokenId);
  return await activeCallerOf(device?.id === claims.deviceId ? device : undefined, options);
}

/**
 * Finds the device that a session acts as. A browser names the origin of whatever may change something, and another
 * one's was refused before.
 *
 * @throws ApiError `unauthorized`, `forbidden` or `device_deactivated`
 */
async function callerOfSession(c: Context, secret: string, options: AuthenticateOptions): Promise<Caller> {
  const sessionHash = secretHashOf(secret);
  const session = await options.sessions.find(sessionHash, options.now());
  if (session === undefined) throw new ApiError("unauthorized", "The session has ended: sign in again");
  if (c.req.header("origin") === undefined && mayChange(c)) {
    throw new ApiError("forbidden", "What a session changes needs the header `Origin`");
  }
  return { ...await activeCallerOf(session.device, options), sessionHash };
}

async function callerOf(c: Context, options: AuthenticateOptions): Promise<Caller> {
  const token = tokenOf(c);
  if (token !== null) return await callerOfToken(token, options);
  const secret = sessionSecretOf(c);
  if (secret !== null) return await callerOfSession(c, secret, options);
  throw new ApiError("unauthorized", "The request needs a header `Authorization: Bearer <token>`");
}

/** Whether a request needs no token: one of the open paths, or what signs a browser in. */
function isOpen({ path, method }: { path: string; method: string }): boolean {
  return OPEN_PATHS.has(path) || (path === SERVER_PATHS.session && method === "POST");
}

/** Lets a request pass when its device may call the path, and sets `caller`. Put it before every route under /api. */
export function authenticate(options: AuthenticateOptions) {
  return createMiddleware<ServerEnv>(async (c, next) => {
    if (isOpen(c.req)) return await next();
    const caller = await callerOf(c, options);
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

/** Whether an address, as `addressKey` gives it, is this machine's own loopback address. */
export function isLocalAddress(key: string): boolean {
  return isLoopback(key) || key === addressKey("::1");
}

/** The address of the connection itself: headers such as X-Forwarded-For are the client's own words. */
export const connectionAddressOf: ClientAddressOf = (c) => {
  return addressKey(getConnInfo(c).remote.address ?? "unknown");
};
