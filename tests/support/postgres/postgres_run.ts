/** What a test run and the keeper of its PostgreSQL servers agree on. */
import type { PostgresLogin } from "../../../server/store/database.ts";

/** The servers that stores are tested on. */
export type ServerName = "embedded" | "debian15";

/** Where the servers of a run are; Debian's only where it is installed. */
export type ServerAddresses = { embedded: PostgresLogin } & Partial<Record<ServerName, PostgresLogin>>;

/** Where Debian's package `postgresql-15` puts its programs. */
export const DEBIAN_15_BIN = "/usr/lib/postgresql/15/bin";
/** A migrated, empty database on every server, to be cloned. */
export const TEMPLATE = "store_template";
/** Holds the addresses; it appears in the keeper's folder when all servers are ready. */
export const READY_FILE = "ready.json";
