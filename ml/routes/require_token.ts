/** Owns who may use the service: whoever carries its token, when it has one. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createMiddleware } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";
import { type ApiEnv, bearerTokenOf } from "../../lib/http/app.ts";

function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/**
 * Refuses requests without the token, but for some paths.
 *
 * Hashes are compared, in constant time: how long it takes tells neither the token nor its length.
 */
export function requireToken(options: { token: string; openPaths: readonly string[] }) {
  const expected = digestOf(options.token);
  return createMiddleware<ApiEnv>(async (c, next) => {
    const given = bearerTokenOf(c);
    const isOpen = options.openPaths.includes(c.req.path);
    if (!isOpen && (given === null || !timingSafeEqual(digestOf(given), expected))) {
      throw new ApiError("unauthorized", "This needs the header Authorization: Bearer with the ML_TOKEN");
    }
    await next();
  });
}
