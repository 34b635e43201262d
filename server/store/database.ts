/** Owns the one connection pool to PostgreSQL, as drizzle and as plain postgres.js. */
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { readDatabaseUrl } from "./database_url.ts";
import * as schema from "./schema.ts";

/** Where a PostgreSQL is: a URL, or the parts (`host` may be the directory of a Unix socket). */
export type PostgresAddress = { readonly url: string } | PostgresParts;

export interface PostgresParts {
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
