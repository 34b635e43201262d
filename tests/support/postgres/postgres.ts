/** Creates databases for tests on the PostgreSQL servers of this run, each a clone of a migrated template. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Database, openDatabase, type PostgresLogin } from "../../../server/store/database.ts";
import { delay } from "../../../lib/backoff.ts";
import { exists } from "../../../lib/files.ts";
import { createStores, type Stores } from "../../../server/store/store.ts";
import {
  DEBIAN_15_BIN,
  READY_FILE,
  type ServerAddresses,
  type ServerName,
  TEMPLATE,
} from "./postgres_run.ts";

export type { ServerName } from "./postgres_run.ts";

/** An empty database with the newest schema; disposing it drops it. */
export interface TestDatabase extends AsyncDisposable {
  readonly address: PostgresLogin;
  readonly database: Database;
  readonly stores: Stores;
}

/** Tests by their sentences; each is given a database. */
export type StoreTests = Record<string, (database: TestDatabase) => Promise<void>>;

const KEEPER = fileURLToPath(new URL("./postgres_keeper.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));
const KEEPER_LOG = "keeper.log";
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 25;

/** One folder a run: all files of a `deno test` are run by one process. */
const runFolder = join("/tmp", `conversation-assistant-test-${Deno.pid}`);

/**
 * The servers that stores must work on: the embedded one, and Debian's PostgreSQL 15 where it is installed.
 * `REQUIRE_POSTGRES_15=1`, as set in CI, makes its absence an error.
 */
export async function testServers(): Promise<readonly ServerName[]> {
  if (await exists(join(DEBIAN_15_BIN, "postgres"))) return ["embedded", "debian15"];
  if (Deno.env.get("REQUIRE_POSTGRES_15") === "1") {
    throw new Error(`REQUIRE_POSTGRES_15 is set, but there is no PostgreSQL in ${DEBIAN_15_BIN}`);
  }
  return ["embedded"];
}

async function isUp(address: PostgresLogin): Promise<boolean> {
  await using database = openDatabase({ ...address, max: 1 });
  return await database.sql`select 1`.then(() => true, () => false);
}

async function readAddresses(): Promise<ServerAddresses | undefined> {
  const file = join(runFolder, READY_FILE);
  return await exists(file) ? JSON.parse(await Deno.readTextFile(file)) : undefined;
}

async function startKeeper(): Promise<ServerAddresses> {
  await Deno.mkdir(runFolder, { mode: 0o700 });
  const log = join(runFolder, KEEPER_LOG);
  const command = `exec "$0" run --quiet --no-lock --no-check -A --config "$1" "$2" "$3" "$4" >"$5" 2>&1`;
  const keeper = new Deno.Command("/bin/sh", {
    args: ["-c", command, Deno.execPath(), CONFIG, KEEPER, runFolder, `${Deno.pid}`, log],
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  keeper.unref();
  let ended = false;
  keeper.status.then(() => ended = true);
  for (const giveUpAt = Date.now() + START_TIMEOUT_MS; !ended && Date.now() < giveUpAt;) {
    const addresses = await readAddresses();
    if (addresses) return addresses;
    await delay(POLL_MS);
  }
  throw new Error(`The test servers did not start:\n${await Deno.readTextFile(log).catch(() => "no log")}`);
}

/** The servers of this run, started by whichever test file needs them first. */
async function runServers(): Promise<ServerAddresses> {
  using lock = await Deno.open(`${runFolder}.lock`, { create: true, write: true });
  await lock.lock(true);
  const found = await readAddresses();
  if (found && await isUp(found.embedded)) return found;
  // What is there was left by an earlier process with our number.
  if (await exists(runFolder)) await Deno.remove(runFolder, { recursive: true });
  return await startKeeper();
}

/** Makes a database of its own for a test or a test file; `migrated: false` leaves it empty. */
export async function createTestDatabase(
  server: ServerName = "embedded",
  { migrated = true }: { migrated?: boolean } = {},
): Promise<TestDatabase> {
  const home = (await runServers())[server];
  if (!home) throw new Error(`The server ${server} is not installed here`);
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const run = async (statement: string) => {
    await using admin = openDatabase({ ...home, max: 1 });
    await admin.sql.script(statement);
  };
  await run(`create database ${name} template ${migrated ? TEMPLATE : "template0"}`);
  const address = { ...home, database: name };
  const database = openDatabase(address);
  const dispose = async () => {
    await database.close();
    await run(`drop database ${name} with (force)`);
  };
  return { address, database, stores: createStores(database), [Symbol.asyncDispose]: dispose };
}

/** The URL of a test database, for processes that take a `DATABASE_URL`. */
export function urlOf({ host, port, user, password, database }: PostgresLogin): string {
  const query = new URLSearchParams({ host, port: `${port ?? 5432}` });
  return `postgres://${user}:${password ?? ""}@localhost/${database}?${query}`;
}
