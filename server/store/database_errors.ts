/** Owns telling a database that cannot serve just now from one that refuses a statement. */

/** postgres.js's own codes for a connection that is gone or cannot be had. */
const CONNECTION_CODES: ReadonlySet<string> = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/**
 * SQLSTATE: class 08 (connection), 53 (out of disk, memory or connections), 57P (shutting down or starting up).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const UNAVAILABLE_SQLSTATE = /^(?:08|53|57P)/;
/** drizzle wraps the driver's error once. */
const MAX_CAUSES = 4;

/** True when the database could not be reached or cannot work now, so that the same call may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth++) {
    const code = "code" in current && typeof current.code === "string" ? current.code : "";
    if (CONNECTION_CODES.has(code) || (code.length === 5 && UNAVAILABLE_SQLSTATE.test(code))) return true;
    current = current.cause;
  }
  return false;
}
