/** Runs a PostgreSQL server at one address that a test may stop, kill and start again. */
import { join } from "node:path";
import process from "node:process";
import type { PostgresLogin } from "../../../server/store/database.ts";
import { installBinaries } from "../../../server/store/postgres/binaries.ts";
import {
  type Cluster,
  initCluster,
  readPassword,
  readPostmaster,
} from "../../../server/store/postgres/cluster.ts";
import { openLoopback } from "../../../server/store/postgres/endpoint.ts";
import { giveTo, openPathTo, ownerFor } from "../../../server/store/postgres/owner.ts";
import { SUPERUSER } from "../../../server/store/postgres/program.ts";
import { type RunningPostmaster, startPostmaster } from "../../../server/store/postgres/watchdog.ts";

const SETTINGS = { max_connections: 50 };

/** A server that is running until it is stopped or killed; disposing it stops it and removes its files. */
export class RestartablePostgres implements AsyncDisposable {
  readonly address: PostgresLogin;
  readonly #cluster: Cluster;
  readonly #parent: string;
  readonly #endpoint = openLoopback();
  #postmaster: RunningPostmaster | undefined;

  private constructor(cluster: Cluster, parent: string, password: string) {
    this.#cluster = cluster;
    this.#parent = parent;
    const { host, port } = this.#endpoint;
    this.address = { host, port, user: SUPERUSER, password, database: "postgres" };
  }

  /** Makes a new cluster with the embedded PostgreSQL's programs and starts it. */
  static async start(): Promise<RestartablePostgres> {
    const parent = await Deno.makeTempDir({ prefix: "restartable-postgres-" });
    const owner = await ownerFor(parent);
    await giveTo(owner, parent);
    await openPathTo(parent, { owner });
    const cluster = { binDir: await installBinaries(parent, { owner }), folder: join(parent, "data"), owner };
    await initCluster(cluster);
    const server = new RestartablePostgres(cluster, parent, await readPassword(cluster.folder));
    await server.startAgain();
    return server;
  }

  /** Starts it at the same address and waits until it accepts connections. */
  async startAgain(): Promise<void> {
    const logFile = join(this.#parent, "postgres.log");
    this.#postmaster = await startPostmaster(this.#cluster, {
      settings: SETTINGS,
      logFile,
      endpoint: this.#endpoint,
    });
  }

  /** PostgreSQL's fast shutdown: it ends every connection, and then itself in order. */
  async stopFast(): Promise<void> {
    await this.#postmaster?.[Symbol.asyncDispose]();
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    const found = await readPostmaster(this.#cluster.folder);
    if (found) process.kill(found.pid, "SIGKILL");
    await this.#postmaster?.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopFast();
    await Deno.remove(this.#parent, { recursive: true });
  }
}
