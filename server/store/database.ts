/** Opens the connection pool to PostgreSQL, and holds what every store needs: ids of rows and named locks. */
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import * as schema from "./schema.ts";
import { sql } from "drizzle-orm";

/** A URL without `host` and `port` in its query, and their values beside it. */
export interface DatabaseUrl {
  readonly url: string;
  /** A host name, or the folder of a Unix socket. */
  readonly host?: string;
  readonly port?: number;
}

/**
 * Takes `?host=` and `?port=` out of a URL.
 *
 * libpq reads them as where to connect (https://www.postgresql.org/docs/18/libpq-connect.html, section 32.1.1.2);
 * postgres.js would send them to the server as settings of the session, which refuses them.
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const url = new URL(text);
  const [host, port] = [url.searchParams.get("host"), url.searchParams.get("port")];
  if (host === null) return { url: text };
  url.searchParams.delete("host");
  url.searchParams.delete("port");
  return { url: url.href, host, port: port === null ? undefined : Number(port) };
}

/** Where a PostgreSQL is: a URL, or the parts (`host` may be the directory of a Unix socket). */
export type PostgresAddress = { readonly url: string } | PostgresLogin;

export interface PostgresLogin {
  readonly host: string;
  readonly port?: number;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
}

/** The queries of drizzle, inside or outside of a transaction. */
export type Queries = PostgresJsDatabase<typeof schema>;

/** An open pool; closing it ends every connection. */
export interface Database extends AsyncDisposable {
  /** For all but bulk statements. */
  readonly db: Queries;
  /** For bulk statements: prepared and pipelined. drizzle makes this client read times as text. */
  readonly sql: postgres.Sql;
  close(): Promise<void>;
}

const CLOSE_TIMEOUT_SECONDS = 5;

function connectTo(text: string, settings: postgres.Options<Record<never, never>>): postgres.Sql {
  const { url, ...place } = readDatabaseUrl(text);
  return postgres(url, { ...settings, ...place });
}

/** Opens a pool of at most `max` connections (default 10); connections are made when first needed. */
export function openDatabase(options: PostgresAddress & { readonly max?: number }): Database {
  const settings = { max: options.max ?? 10, onnotice: () => {} };
  const sql = "url" in options ? connectTo(options.url, settings) : postgres({ ...options, ...settings });
  const close = () => sql.end({ timeout: CLOSE_TIMEOUT_SECONDS });
  return { db: drizzle(sql, { schema }), sql, close, [Symbol.asyncDispose]: close };
}

/** These functions as the methods of a store: each with the database as its first argument already. */
export function bindTo<Methods extends Record<string, (database: Database, ...rest: never[]) => unknown>>(
  database: Database,
  methods: Methods,
): {
  [Name in keyof Methods]: Methods[Name] extends (database: Database, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : never;
} {
  const bound = Object.entries(methods).map(([name, method]) => [name, method.bind(null, database)]);
  return Object.fromEntries(bound);
}

/** Waits for the lock of this name, across all servers of the database, and holds it until the transaction ends. */
export async function lockUntilCommit(tx: Queries, name: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
}

/** As {@linkcode lockUntilCommit}, but beside others that do so: it waits only for those who hold the lock alone. */
export async function shareLockUntilCommit(tx: Queries, name: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(hashtextextended(${name}, 0))`);
}

// RFC 9562 §5.7: 48 bits of Unix milliseconds, then random bits beside version and variant.
const TIME_BITS_HEX_DIGITS = 12;
const random = new Uint32Array(256);
let used = random.length;

function randomWord(): number {
  if (used === random.length) {
    crypto.getRandomValues(random);
    used = 0;
  }
  return random[used++] ?? 0;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** A new time-ordered UUID. */
export function newId(): string {
  const time = hex(Date.now(), TIME_BITS_HEX_DIGITS);
  const [a, b, c] = [randomWord(), randomWord(), randomWord()];
  const versioned = hex(0x7000 | (a & 0x0fff), 4);
  const variant = hex(0x8000 | (a >>> 18), 4);
  return `${time.slice(0, 8)}-${time.slice(8)}-${versioned}-${variant}-${hex(b, 8)}${hex(c >>> 16, 4)}`;
}
