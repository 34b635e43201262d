/** Issues and checks device tokens, and draws and hashes pairing codes. */
import { joseErrors, jwtVerify, SignJWT } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";
import { createHmac } from "node:crypto";

/** How long a token is valid. */
export const TOKEN_VALIDITY_MS = 7 * 24 * 3_600_000;

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
      return { deviceId: payload.sub ?? "", tokenId: payload.jti ?? "" };
    },
  };
}

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
