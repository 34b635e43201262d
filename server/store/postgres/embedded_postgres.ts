/** Runs the embedded PostgreSQL: a real server under the data folder that lives as long as this process. */
import { dirname, join } from "node:path";
import { messageOf, UserError } from "../../../lib/errors.ts";
import { exists, lockFile } from "../../../lib/files.ts";
import type { PostgresLogin } from "../database.ts";
import { clearPartials, SUPERUSER } from "./program.ts";
import { installBinaries } from "./binaries.ts";
import { type Cluster, endPostmaster, initCluster, livePostmaster, readPassword } from "./cluster.ts";
import { giveTo, openPathTo, type Owner, ownerFor } from "./owner.ts";
import { startPostmaster } from "./watchdog.ts";

const LOCK_FILE = "server.lock";

/** A running embedded PostgreSQL; disposing it shuts it down, waits for its end, and frees the data folder. */
export interface EmbeddedPostgres extends AsyncDisposable {
  readonly address: PostgresLogin;
  /** Settles with a sentence when PostgreSQL ends without having been asked to. */
  readonly lost: Promise<string>;
}

/** Binaries, cluster and log lie in here; one folder a major version, as another's programs cannot read it. */
const POSTGRES_FOLDER = "postgres";
const CLUSTER_FOLDER = "data-18";
const LOG_FILE = "postgres.log";
const DATABASE = "postgres";

/**
 * A small server for one household: little memory, no replication, no helper processes for reading. Logs say what
 * PostgreSQL does and never what a statement carried.
 */
const SETTINGS = {
  fsync: "on",
  shared_buffers: "64MB",
  max_connections: 20,
  wal_level: "minimal",
  max_wal_senders: 0,
  io_method: "sync",
  timezone: "UTC",
  log_timezone: "UTC",
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/** Makes the folder that PostgreSQL's owner works in, and removes what a crash left incomplete. */
async function prepareFolder(dataDir: string): Promise<{ parent: string; owner: Owner | undefined }> {
  const parent = join(dataDir, POSTGRES_FOLDER);
  await Deno.mkdir(parent, { recursive: true, mode: 0o700 });
  const owner = await ownerFor(parent);
  await giveTo(owner, parent);
  await openPathTo(dataDir, { owner });
  await clearPartials(parent);
  return { parent, owner };
}

async function prepareCluster(dataDir: string): Promise<Cluster> {
  const { parent, owner } = await prepareFolder(dataDir);
  const cluster = {
    binDir: await installBinaries(parent, { owner }),
    folder: join(parent, CLUSTER_FOLDER),
    owner,
  };
  if (await exists(cluster.folder)) await endPostmaster(cluster);
  else await initCluster(cluster);
  return cluster;
}

async function addressOf(
  folder: string,
  { host, port }: { host: string; port: number },
): Promise<PostgresLogin> {
  return { host, port, user: SUPERUSER, password: await readPassword(folder), database: DATABASE };
}

/** Whatever keeps a data folder from being used, as a sentence. */
function userErrorOf(error: unknown, dataDir: string): UserError {
  if (error instanceof UserError) return error;
  return new UserError(
    `The embedded PostgreSQL could not be set up in ${dataDir} (${
      messageOf(error)
    }): make room and check who owns ` +
      "that folder, choose another DATA_DIR, or set DATABASE_URL",
  );
}

async function startUnder(dataDir: string): Promise<EmbeddedPostgres> {
  await using stack = new AsyncDisposableStack();
  const message = `Another server is using ${dataDir}: stop it first, or give this one a DATA_DIR of its own`;
  stack.use(await lockFile(join(dataDir, LOCK_FILE), { message }));
  const cluster = await prepareCluster(dataDir);
  const logFile = join(dirname(cluster.folder), LOG_FILE);
  const postmaster = stack.use(await startPostmaster(cluster, { settings: SETTINGS, logFile }));
  const address = await addressOf(cluster.folder, postmaster);
  let stopping = false;
  const lost = postmaster.ended.then((code) =>
    stopping
      ? new Promise<never>(() => {})
      : `PostgreSQL ended unexpectedly (exit status ${code}): see ${logFile}`
  );
  const held = stack.move();
  const dispose = async () => {
    stopping = true;
    await held.disposeAsync();
  };
  return { address, lost, [Symbol.asyncDispose]: dispose };
}

/**
 * Starts the PostgreSQL of a data folder, making it first where there is none. One that was left running is shut down
 * and waited for, so that the new one belongs to this process.
 *
 * @throws UserError, a sentence for the person who starts the server, when that cannot be done
 */
export async function startEmbeddedPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  try {
    await Deno.mkdir(dataDir, { recursive: true });
    return await startUnder(await Deno.realPath(dataDir));
  } catch (error) {
    throw userErrorOf(error, dataDir);
  }
}

/** The PostgreSQL that a server already runs on a data folder, if any: for commands beside a running server. */
export async function findRunningPostgres(dataDir: string): Promise<PostgresLogin | undefined> {
  const root = await Deno.realPath(dataDir).catch(() => dataDir);
  const folder = join(root, POSTGRES_FOLDER, CLUSTER_FOLDER);
  const postmaster = await livePostmaster(folder);
  if (!postmaster?.ready) return undefined;
  return await addressOf(folder, { host: postmaster.socketDir || "127.0.0.1", port: postmaster.port });
}
