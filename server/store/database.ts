/** Opens the connection pool to PostgreSQL, and holds what every store needs: ids of rows and named locks. */
import { sql } from "drizzle-orm";
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
// @ts-types="@types/pg"
import pg from "pg";
import { withDeadline } from "../../lib/async.ts";
import { isDatabaseUnavailable } from "./database_errors.ts";
import * as schema from "./schema.ts";
import { type Sql, sqlOn } from "./sql.ts";

/** Where a PostgreSQL is: a URL, or the parts (`host` may be the directory of a Unix socket). */
export type PostgresAddress = { readonly url: string } | PostgresLogin;

export interface PostgresLogin {
  readonly host: string;
  readonly port?: number;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
}

/** The queries of drizzle, inside or outside of a transaction; transactions are {@linkcode Database.transaction}. */
export type Queries = Omit<NodePgDatabase<typeof schema>, "transaction">;

/** What statements are run on: for all but bulk statements `db`; `sql` is prepared, and pipelined in a transaction. */
export interface Connection {
  readonly db: Queries;
  readonly sql: Sql;
}

/** A connection outside of the pool; disposing it ends it. */
export interface OwnConnection extends AsyncDisposable {
  readonly sql: Sql;
  /** For notifications: https://node-postgres.com/apis/client#notification. It emits `end` when the connection is lost. */
  readonly client: pg.Client;
}

export interface TransactionOptions {
  /** How long each statement of `sql` may take, where the pool's limit is too short for much data. */
  readonly timeoutMs?: number;
}

/** An open pool; closing it ends every connection. */
export interface Database extends Connection, AsyncDisposable {
  /** Runs work in a transaction on one connection: committed when it returns, rolled back when it throws. */
  transaction<Result>(
    work: (tx: Connection) => Promise<Result>,
    options?: TransactionOptions,
  ): Promise<Result>;
  /** Opens a connection without limits of time, for migrations and for LISTEN. */
  connect(): Promise<OwnConnection>;
  close(): Promise<void>;
}

/** How a pool is opened. */
export interface PoolOptions {
  /** At most so many connections; 10 unless given. */
  readonly max?: number;
  /** PostgreSQL cancels a statement after it. */
  readonly statementTimeoutMs?: number;
  /** The connection is given up when a statement has no answer after it. */
  readonly queryTimeoutMs?: number;
}

/** A request that has to wait longer for a connection gets 503. */
const CONNECT_TIMEOUT_MS = 8_000;
/** With the wait for a connection, also a database that hangs without ending its connections holds no request for 30 s. */
const STATEMENT_TIMEOUT_MS = 18_000;
const QUERY_TIMEOUT_MS = 20_000;
/** Connections that nothing needs are closed after it. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEPALIVE_DELAY_MS = 10_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** Times are read in this form only; whatever the role or the database has set is overridden. */
const TIME_FORMAT = "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'";

/** The driver's settings for an address. A URL means what it means to libpq, `sslmode=require` for one. */
export function connectionConfigOf(address: PostgresAddress): pg.ClientConfig {
  const keepalive = { keepAlive: true, keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS };
  const common = { connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...keepalive };
  if (!("url" in address)) return { ...common, ...address };
  const url = new URL(address.url);
  // https://github.com/brianc/node-postgres/tree/master/packages/pg-connection-string
  url.searchParams.set("uselibpqcompat", "true");
  return { ...common, connectionString: url.href };
}

/** An end that nobody waits for is seen by the next statement on that connection; unheard, it would end the process. */
function ignoreStrayErrors(emitter: { on(event: "error", listener: () => void): unknown }): void {
  emitter.on("error", () => {});
}

function openPool(
  address: PostgresAddress,
  {
    max = 10,
    statementTimeoutMs = STATEMENT_TIMEOUT_MS,
    queryTimeoutMs = QUERY_TIMEOUT_MS,
  }: PoolOptions,
): pg.Pool {
  const pool = new pg.Pool({
    ...connectionConfigOf(address),
    max,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    pipeline: true,
    onConnect: async (client: pg.ClientBase) => {
      await client.query(`${TIME_FORMAT}; set statement_timeout = ${statementTimeoutMs}`);
    },
  });
  ignoreStrayErrors(pool);
  pool.on("connect", ignoreStrayErrors);
  return pool;
}

/** Rolls back, and returns the error when the connection is of no use any more. */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<Error | undefined> {
  if (isDatabaseUnavailable(error)) return new Error("The connection is lost or hangs");
  return await client.query("rollback").then(() => undefined, (failure: Error) => failure);
}

async function runTransaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  { timeoutMs }: TransactionOptions,
): Promise<Result> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    const begun = client.query("begin");
    // When it fails, so does the first statement behind it.
    begun.catch(() => {});
    if (timeoutMs !== undefined) await client.query(`set local statement_timeout = ${timeoutMs}`);
    const result = await work(client);
    await begun;
    const { command } = await client.query("commit");
    // PostgreSQL's answer to the commit of a transaction in which a statement failed.
    if (command === "ROLLBACK") {
      throw new Error("The transaction was rolled back: a statement in it had failed");
    }
    return result;
  } catch (error) {
    failure = await rollBack(client, error);
    throw error;
  } finally {
    client.release(failure);
  }
}

async function connectAlone(address: PostgresAddress): Promise<OwnConnection> {
  const client = new pg.Client(connectionConfigOf(address));
  ignoreStrayErrors(client);
  await client.connect();
  await client.query(TIME_FORMAT);
  return { sql: sqlOn(client), client, [Symbol.asyncDispose]: () => client.end() };
}

/** Opens a pool; connections are made when first needed. */
export function openDatabase(
  { max, statementTimeoutMs, queryTimeoutMs, ...address }: PostgresAddress & PoolOptions,
): Database {
  const pool = openPool(address, { max, statementTimeoutMs, queryTimeoutMs });
  // Connections come and go, and drizzle reads the whole schema for each instance.
  const connections = new WeakMap<pg.PoolClient, Connection>();
  const connectionOf = (client: pg.PoolClient) => {
    const connection = connections.get(client) ?? { db: drizzle(client, { schema }), sql: sqlOn(client) };
    connections.set(client, connection);
    return connection;
  };
  const close = async () => {
    if (!pool.ending) await withDeadline(pool.end(), CLOSE_TIMEOUT_MS);
  };
  return {
    db: drizzle(pool, { schema }),
    sql: sqlOn(pool),
    transaction: (work, limits = {}) => {
      const run = (client: pg.PoolClient) =>
        work({ ...connectionOf(client), ...limits.timeoutMs && { sql: sqlOn(client, limits) } });
      return runTransaction(pool, run, limits);
    },
    connect: () => connectAlone(address),
    close,
    [Symbol.asyncDispose]: close,
  };
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

/** The lock that a batch of an account's messages holds alone; what is made from messages shares it, so that they stay meanwhile. */
export function messagesLockOf(accountId: string): string {
  return `ingest:${accountId}`;
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
