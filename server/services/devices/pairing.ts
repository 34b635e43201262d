/** Pairs devices: a device registers, exchanges its code for a token, or is linked by another device. */
import { createHmac } from "node:crypto";
import type {
  RefreshDeviceRequest,
  RegisterDeviceRequest,
  RegisterDeviceResponse,
  VerifyDeviceRequest,
  VerifyDeviceResponse,
} from "../../../contract/devices.ts";
import { ApiError } from "../../../lib/errors.ts";
import {
  type Caller,
  isLocalAddress,
  randomSecret,
  REFRESH_VALIDITY_MS,
  secretHashOf,
  type Tokens,
} from "../../auth/authenticate.ts";
import type { DeviceStore } from "../../store/devices/device_store.ts";
import type { VerifyAttempt, VerifyResult } from "../../store/devices/device_verification.ts";
import type { Device } from "../../store/schema.ts";

/** How long a code may be used after its device registered. */
export const CODE_VALIDITY_MS = 10 * 60_000;

const CODE_COUNT = 1_000_000;
/** The largest multiple of `CODE_COUNT` that 32 bits hold; draws from there up would favour low codes. */
const EVEN_LIMIT = Math.floor(2 ** 32 / CODE_COUNT) * CODE_COUNT;

function randomUint32(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/**
 * Draws a code of six digits, each of the million codes equally likely.
 *
 * @param random draws an integer in [0, 2^32)
 */
export function drawPairingCode(random: () => number = randomUint32): string {
  let drawn = random();
  while (drawn >= EVEN_LIMIT) drawn = random();
  return String(drawn % CODE_COUNT).padStart(6, "0");
}

/**
 * The hash of a code as it is stored, in hex.
 *
 * Keyed, because a million codes are tried in a moment: whoever reads the database cannot find the code. The device
 * is not part of it, because a device that links another one knows the code alone.
 */
export function hashPairingCode(secret: Uint8Array, code: string): string {
  return createHmac("sha256", secret).update(`pairing-code:${code}`).digest("hex");
}

/** Letters and digits that are not mistaken for each other. */
const SETUP_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789";
const SETUP_LENGTH = 10;

/**
 * What a first device claims a server on a network with: `ABCDE-FGHJK`, some 49 bits. The same for all servers of a
 * secret, and of no use once somebody owns the server.
 */
export function setupCodeOf(secret: Uint8Array): string {
  const bytes = createHmac("sha256", secret).update("setup-code").digest();
  const letters = Array.from(
    bytes.subarray(0, SETUP_LENGTH),
    (byte) => SETUP_ALPHABET[byte % SETUP_ALPHABET.length],
  );
  return `${letters.slice(0, SETUP_LENGTH / 2).join("")}-${letters.slice(SETUP_LENGTH / 2).join("")}`;
}

/** Whether a setup code is the server's, however it was typed. */
export function isSetupCode(typed: string, secret: Uint8Array): boolean {
  const plain = (code: string) => secretHashOf(code.toUpperCase().replace(/[^A-Z0-9]/g, ""));
  return plain(typed) === plain(setupCodeOf(secret));
}

function checkedSetupCode(typed: string | undefined, secret: Uint8Array): VerifyAttempt["setupCode"] {
  if (typed === undefined) return "absent";
  return isSetupCode(typed, secret) ? "right" : "wrong";
}

/** Draws of a code that no other pending device shows; a second one is needed once in a million. */
const MAX_DRAWS = 5;

export interface PairingOptions {
  devices: DeviceStore;
  tokens: Tokens;
  /** Keys the hashes of pairing codes. */
  secret: Uint8Array;
  pairing: "open" | "approve";
  /** Whether the server listens to more than its own machine. */
  isNetworked: boolean;
  /** How the server's commands are typed on its machine: `deno task server`. */
  command: string;
  now: () => Date;
}

/** From where an unauthenticated request comes; attempts are counted by it. */
export interface Origin {
  address: string;
}

export interface Pairing {
  /** @throws ApiError `too_many_requests` */
  register(request: RegisterDeviceRequest, origin: Origin): Promise<RegisterDeviceResponse>;
  /** @throws ApiError `code_invalid`, `too_many_attempts`, `pairing_required`, `setup_code_required` or `device_deactivated` */
  verify(request: VerifyDeviceRequest, origin: Origin): Promise<VerifyDeviceResponse>;
  /**
   * The next token and refresh token. The reuse of a replaced one deactivates the device.
   *
   * @throws ApiError `unauthorized`, `token_expired` or `device_deactivated`
   */
  refresh(request: RefreshDeviceRequest): Promise<VerifyDeviceResponse>;
  /** Joins the device that shows a code to the caller's account. @throws ApiError as `verify` */
  link(caller: Caller, request: { code: string } & Origin): Promise<Device>;
}

function secondsUntil(time: Date, now: Date): number {
  return Math.max(1, Math.ceil((time.getTime() - now.getTime()) / 1_000));
}

function tooManyAttempts(retryAt: Date, now: Date): ApiError {
  return new ApiError("too_many_attempts", "Too many attempts with pairing codes: wait, then try again", {
    retryAfterSeconds: secondsUntil(retryAt, now),
  });
}

/** Tells no more than the person with the right code needs: an unknown device and a wrong code look alike. */
function verifyRefusal(
  result: Exclude<VerifyResult, { outcome: "verified" }>,
  { now, command }: { now: Date; command: string },
): ApiError {
  switch (result.outcome) {
    case "rate_limited":
      return tooManyAttempts(result.retryAt, now);
    case "not_linked":
      return new ApiError(
        "pairing_required",
        "The owner must let this device in first: approve its code on the server's page or with " +
          `\`agent devices approve\` on a paired device, or with \`${command} devices approve\` on the server's machine`,
      );
    case "unclaimed":
      return new ApiError(
        "setup_code_required",
        "Nobody owns this server yet: its first device needs the setup code that the server prints at its start",
      );
    case "wrong_setup_code":
      return new ApiError(
        "setup_code_required",
        "This is not the setup code that the server prints at its start",
      );
    case "deactivated":
      return new ApiError("device_deactivated", "This device was deactivated: register it again to use it");
    case "expired":
      return new ApiError("code_invalid", "The code has expired: register the device again for a new one");
    case "used":
    case "wrong_code":
    case "unknown_device":
      return new ApiError("code_invalid", "The code is not valid for this device");
  }
}

function registration(options: PairingOptions): Pairing["register"] {
  return async (request, { address }) => {
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const code = drawPairingCode();
      const now = options.now();
      const { join = false, scope = "full", ...described } = request;
      const result = await options.devices.register({
        ...described,
        scope,
        joins: join,
        address,
        codeHash: hashPairingCode(options.secret, code),
        expiresAt: new Date(now.getTime() + CODE_VALIDITY_MS),
        now,
      });
      if (result.outcome === "registered") {
        const expiresAt = new Date(now.getTime() + CODE_VALIDITY_MS).toISOString();
        return {
          deviceId: result.device.id,
          code,
          expiresAt,
          approveCommand: `${options.command} devices approve ${code}`,
        };
      }
      if (result.outcome === "too_many") {
        throw new ApiError(
          "too_many_requests",
          "Too many devices of this address wait to be verified: verify one of them, or wait until their codes expire",
          { retryAfterSeconds: secondsUntil(result.retryAt, now) },
        );
      }
    }
    throw new Error("No free pairing code was found");
  };
}

function verification(options: PairingOptions): Pairing["verify"] {
  const { secret, pairing, isNetworked } = options;
  return async ({ deviceId, code, setupCode }, { address }) => {
    const now = options.now();
    const result = await options.devices.verify({
      deviceId,
      codeHash: hashPairingCode(secret, code),
      address,
      tokenId: crypto.randomUUID(),
      pairing,
      setupCode: checkedSetupCode(setupCode, secret),
      isNetworked,
      isLocal: isLocalAddress(address),
      now,
    });
    if (result.outcome !== "verified") throw verifyRefusal(result, { now, command: options.command });
    const refresh = newRefreshToken(now);
    await options.devices.addRefreshToken({ ...refresh.row, deviceId });
    return await answerOf(options, { device: result.device, refresh });
  };
}

/** A refresh token for its device, and what is stored of it. */
interface IssuedRefreshToken {
  readonly refreshToken: string;
  readonly row: { readonly tokenHash: string; readonly expiresAt: Date };
}

function newRefreshToken(now: Date): IssuedRefreshToken {
  const refreshToken = randomSecret();
  const expiresAt = new Date(now.getTime() + REFRESH_VALIDITY_MS);
  return { refreshToken, row: { tokenHash: secretHashOf(refreshToken), expiresAt } };
}

async function answerOf(
  { tokens }: PairingOptions,
  { device, refresh }: { device: Device; refresh: IssuedRefreshToken },
): Promise<VerifyDeviceResponse> {
  if (device.tokenId === null) throw new Error("A verified device has no token id");
  const { token, expiresAt } = await tokens.issue({ deviceId: device.id, tokenId: device.tokenId });
  return {
    token,
    expiresAt: expiresAt.toISOString(),
    refreshToken: refresh.refreshToken,
    refreshExpiresAt: refresh.row.expiresAt.toISOString(),
  };
}

function refreshing(options: PairingOptions): Pairing["refresh"] {
  return async ({ refreshToken }) => {
    const now = options.now();
    const refresh = newRefreshToken(now);
    const attempt = { tokenHash: secretHashOf(refreshToken), next: refresh.row, now };
    const result = await options.devices.refresh(attempt);
    switch (result.outcome) {
      case "refreshed":
        return await answerOf(options, { device: result.device, refresh });
      case "reused":
        throw new ApiError(
          "device_deactivated",
          "This refresh token was replaced before, so somebody has a copy: the device was deactivated",
        );
      case "deactivated":
        throw new ApiError("device_deactivated", "This device was deactivated: register it again to use it");
      case "expired":
        throw new ApiError("token_expired", "The refresh token has expired: pair the device again");
      case "unknown":
        throw new ApiError("unauthorized", "The refresh token is not valid: pair the device again");
    }
  };
}

function linking(options: PairingOptions): Pairing["link"] {
  return async (caller, { code, address }) => {
    const now = options.now();
    const result = await options.devices.link({
      accountId: caller.accountId,
      deviceId: caller.deviceId,
      codeHash: hashPairingCode(options.secret, code),
      address,
      now,
    });
    if (result.outcome === "linked") return result.device;
    if (result.outcome === "rate_limited") throw tooManyAttempts(result.retryAt, now);
    throw new ApiError(
      "code_invalid",
      "No device shows this code: it may have expired or been used",
    );
  };
}

/** Makes the pairing of one server. */
export function createPairing(options: PairingOptions): Pairing {
  return {
    register: registration(options),
    verify: verification(options),
    refresh: refreshing(options),
    link: linking(options),
  };
}
