/** Tells an unavailable database from one that refuses a statement. */

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
/** SQLSTATE: class 22 (data that cannot be) and 23 (a constraint is broken). */
const REFUSED_SQLSTATE = /^(?:22|23)/;
const SQLSTATE_LENGTH = 5;
/** drizzle wraps the driver's error once. */
const MAX_CAUSES = 4;

/** Codes of an error and its causes. */
function* codesOf(error: unknown): Generator<string> {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth++) {
    yield "code" in current && typeof current.code === "string" ? current.code : "";
    current = current.cause;
  }
}

/** True when the database could not be reached or cannot work now, so that the same call may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return codesOf(error).some((code) =>
    CONNECTION_CODES.has(code) || (code.length === SQLSTATE_LENGTH && UNAVAILABLE_SQLSTATE.test(code))
  );
}

/** True when the database refuses the values themselves, so that the same call will never succeed. */
export function isRefusedByDatabase(error: unknown): boolean {
  return codesOf(error).some((code) => code.length === SQLSTATE_LENGTH && REFUSED_SQLSTATE.test(code));
}
