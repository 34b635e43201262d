/** Owns device tokens: signing them, and telling a valid one from an expired, foreign or forged one. */
import { joseErrors, jwtVerify, SignJWT } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";

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
