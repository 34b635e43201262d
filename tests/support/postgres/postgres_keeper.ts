/**
 * Starts the PostgreSQL servers of one test run, publishes their addresses, and stops them when the run has ended.
 *
 * Arguments: a folder of its own, and the process id of the run. A process apart, as test files end before the run does.
 */
import { join } from "node:path";
import process from "node:process";
import { openDatabase, type PostgresLogin } from "../../../server/store/database.ts";
import { startEmbeddedPostgres } from "../../../server/store/postgres/embedded_postgres.ts";
import { migrate } from "../../../server/store/migrate.ts";
import { initCluster, readPassword } from "../../../server/store/postgres/cluster.ts";
import { giveTo, openPathTo, ownerFor } from "../../../server/store/postgres/owner.ts";
import { SUPERUSER } from "../../../server/store/postgres/program.ts";
import { startPostmaster } from "../../../server/store/postgres/watchdog.ts";
import { delay } from "../../../lib/backoff.ts";
import { exists, writeFileAtomically } from "../../../lib/files.ts";
import { DEBIAN_15_BIN, READY_FILE, type ServerAddresses, TEMPLATE } from "./postgres_run.ts";

const POLL_MS = 300;

async function makeTemplate(server: PostgresLogin): Promise<void> {
  await using admin = openDatabase({ ...server, max: 1 });
  await admin.sql.script(`create database ${TEMPLATE}`);
  await using template = openDatabase({ ...server, database: TEMPLATE, max: 1 });
  await migrate(template);
}

/** A throw-away cluster from Debian's programs; nothing of it must survive a power cut. */
async function startDebian15(parent: string): Promise<AsyncDisposable & { address: PostgresLogin }> {
  await Deno.mkdir(parent, { recursive: true });
  const owner = await ownerFor(parent);
  await giveTo(owner, parent);
  await openPathTo(parent, { owner });
  const cluster = { binDir: DEBIAN_15_BIN, folder: join(parent, "data"), owner };
  await initCluster(cluster);
  const postmaster = await startPostmaster(cluster, {
    settings: { fsync: "off", max_connections: 50 },
    logFile: join(parent, "postgres.log"),
  });
  const { host, port } = postmaster;
  const address = {
    host,
    port,
    user: SUPERUSER,
    password: await readPassword(cluster.folder),
    database: "postgres",
  };
  return { address, [Symbol.asyncDispose]: () => postmaster[Symbol.asyncDispose]() };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(POLL_MS);
}

async function keep(folder: string, runPid: number): Promise<void> {
  await using servers = new AsyncDisposableStack();
  servers.defer(async () => {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(`${folder}.lock`);
  });
  const embedded = servers.use(await startEmbeddedPostgres(join(folder, "embedded")));
  const addresses: ServerAddresses = { embedded: embedded.address };
  if (await exists(DEBIAN_15_BIN)) {
    addresses.debian15 = servers.use(await startDebian15(join(folder, "debian15"))).address;
  }
  await Promise.all(Object.values(addresses).map(makeTemplate));
  await writeFileAtomically(join(folder, READY_FILE), JSON.stringify(addresses), { mode: 0o600 });
  await untilGone(runPid);
}

if (import.meta.main) {
  const [folder, runPid] = Deno.args;
  if (!folder || !runPid) throw new Error("The keeper needs a folder and a process id");
  await keep(folder, Number(runPid));
}
