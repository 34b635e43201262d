/** Tells an unavailable database from one that refuses a statement. */

/** Codes of the operating system for a connection that is gone or cannot be had. */
const CONNECTION_CODES: ReadonlySet<string> = new Set([
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTCONN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
]);

/** How the driver and its pool say the same; these errors have no code. */
const CONNECTION_MESSAGES =
  /^(?:Connection terminated|timeout expired|timeout exceeded when trying to connect|Query read timeout|Client (?:has encountered a connection error|was closed) and is not queryable|Cannot use a pool after calling end)/;

/**
 * SQLSTATE: class 08 (connection), 40 (deadlocks and other transactions that may be repeated), 53 (out of disk, memory or
 * connections), 57P (shutting down or starting up), a transaction that was idle or a statement or lock that took too long.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const UNAVAILABLE_SQLSTATE = /^(?:08|40|53|57P|25P03|57014|55P03)/;
/** SQLSTATE: class 22 (data that cannot be) and 23 (a constraint is broken). */
const REFUSED_SQLSTATE = /^(?:22|23)/;
const SQLSTATE_LENGTH = 5;
/** drizzle wraps the driver's error, and a host with several addresses has an error for each. */
const MAX_ERRORS = 16;

/** An error with its causes and its parts. */
function* errorsOf(error: unknown): Generator<Error> {
  const found = [error];
  for (let at = 0; at < found.length && at < MAX_ERRORS; at++) {
    const current = found[at];
    if (!(current instanceof Error)) continue;
    yield current;
    found.push(current.cause, ...current instanceof AggregateError ? current.errors : []);
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function hasState(error: Error, states: RegExp): boolean {
  const code = codeOf(error);
  return code.length === SQLSTATE_LENGTH && states.test(code);
}

/** True when the database could not be reached or cannot work now, so that the same call may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return errorsOf(error).some((one) =>
    CONNECTION_CODES.has(codeOf(one)) || CONNECTION_MESSAGES.test(one.message) ||
    hasState(one, UNAVAILABLE_SQLSTATE)
  );
}

/** True when the database refuses the values themselves, so that the same call will never succeed. */
export function isRefusedByDatabase(error: unknown): boolean {
  return errorsOf(error).some((one) => hasState(one, REFUSED_SQLSTATE));
}
