/** The database part of the abuse: PostgreSQL is stopped, killed and cut off again and again while clients sync. */
import { join } from "node:path";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { delay } from "../../../lib/backoff.ts";
import { withDeadline } from "../../../lib/async.ts";
import { openDatabase } from "../../../server/store/database.ts";
import { choosePort, ServiceProcess } from "../../../tools/service_process.ts";
import { urlOf } from "../postgres/postgres.ts";
import { RestartablePostgres } from "../postgres/restartable_postgres.ts";
import { pairDevice } from "../server/owner_client.ts";
import { syncBatch, syncMessage } from "../server/sync_batches.ts";
import type { AbuseReport } from "./abuse_report.ts";

export const DATABASE_FAULTS = ["fast stop", "kill -9", "pg_terminate_backend"] as const;
export type DatabaseFault = typeof DATABASE_FAULTS[number];

export interface DatabaseAbuseOptions {
  /** Of each fault. */
  readonly rounds: number;
  readonly clients?: number;
}

/** What the clients saw, and what the database holds in the end. */
export interface DatabaseAbuse {
  readonly rounds: number;
  /** How often the server ended; it is started again each time. */
  readonly serverEnds: number;
  /** Answers by status; `no answer` is a broken connection, `too slow` one that came in no time. */
  readonly answers: Readonly<Record<string, number>>;
  /** Answers of 503 without `Retry-After`. */
  readonly withoutRetryAfter: number;
  readonly acknowledged: number;
  /** Messages that were acknowledged and are not stored. */
  readonly lost: number;
  /** Stored messages beyond those. */
  readonly unacknowledged: number;
  readonly slowestMs: number;
  /** From the database's return to the last client's first success, the slowest round. */
  readonly slowestRecoveryMs: number;
}

const CLIENTS = 4;
const BATCH_MESSAGES = 50;
const OUTAGE_MS = 500;
const TERMINATIONS = 10;
const TERMINATION_PAUSE_MS = 30;
const WRITING_MS = 300;
/** No request may take longer. */
const REQUEST_DEADLINE_MS = 30_000;
const RECOVERY_DEADLINE_MS = 60_000;
const RETRY_MS = 20;

/** A server on a database that is restarted whenever it ends. */
class WatchedServer implements AsyncDisposable {
  ends = 0;
  #disposed = false;
  #process: ServiceProcess | undefined;
  #watching: Promise<void> | undefined;

  constructor(readonly url: string, readonly env: Record<string, string>, readonly logFile: string) {}

  async start(): Promise<void> {
    const running = await ServiceProcess.start({
      name: "server",
      url: this.url,
      env: this.env,
      output: { file: this.logFile },
    });
    this.#process = running;
    this.#watching = running.ended.then(async () => {
      if (this.#disposed) return;
      this.ends++;
      // While the database is down it cannot start.
      while (!this.#disposed && !await this.start().then(() => true, () => false)) await delay(RETRY_MS);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#process?.[Symbol.asyncDispose]();
    await this.#watching;
  }
}

/** A client that sends new messages without a pause, each batch until it is acknowledged. */
class SyncingClient {
  readonly acknowledged: string[] = [];
  successes = 0;
  slowestMs = 0;
  withoutRetryAfter = 0;
  stopped = false;

  constructor(
    readonly url: string,
    readonly token: string,
    readonly name: string,
    readonly answers: Record<string, number>,
  ) {}

  async run(): Promise<void> {
    while (!this.stopped) {
      const messages = Array.from({ length: BATCH_MESSAGES }, () => syncMessage());
      const body = JSON.stringify(syncBatch(messages, { conversationImessageId: `any;-;${this.name}` }));
      while (!await this.#isStored(body)) await delay(RETRY_MS);
      this.acknowledged.push(...messages.map(({ imessageGuid }) => imessageGuid));
    }
  }

  async #isStored(body: string): Promise<boolean> {
    const startedMs = performance.now();
    const outcome = await this.#send(body);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
    this.answers[outcome] = (this.answers[outcome] ?? 0) + 1;
    if (outcome === "200") this.successes++;
    return outcome === "200";
  }

  async #send(body: string): Promise<string> {
    try {
      const response = await fetch(`${this.url}${SERVER_PATHS.syncMessages}`, {
        method: "POST",
        headers: { "authorization": `Bearer ${this.token}`, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
      });
      await response.body?.cancel();
      if (response.status === 503 && !response.headers.has("retry-after")) this.withoutRetryAfter++;
      return `${response.status}`;
    } catch (error) {
      return error instanceof DOMException && error.name === "TimeoutError" ? "too slow" : "no answer";
    }
  }
}

async function terminateBackends({ address }: RestartablePostgres): Promise<void> {
  await using admin = openDatabase({ ...address, max: 1 });
  for (let count = 0; count < TERMINATIONS; count++) {
    await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    await delay(TERMINATION_PAUSE_MS);
  }
}

async function cause(fault: DatabaseFault, postgres: RestartablePostgres): Promise<void> {
  if (fault === "pg_terminate_backend") return await terminateBackends(postgres);
  await (fault === "fast stop" ? postgres.stopFast() : postgres.kill());
  await delay(OUTAGE_MS);
  await postgres.startAgain();
}

/** Waits until each client has had another success, and returns how long that took. */
async function untilAllWrite(clients: readonly SyncingClient[]): Promise<number> {
  const startedMs = performance.now();
  const before = clients.map(({ successes }) => successes);
  const written = async () => {
    while (clients.some(({ successes }, index) => successes <= (before[index] ?? 0))) await delay(RETRY_MS);
  };
  if (!await withDeadline(written(), RECOVERY_DEADLINE_MS)) {
    throw new Error(`Not all clients could write again within ${RECOVERY_DEADLINE_MS / 1_000} s`);
  }
  return performance.now() - startedMs;
}

async function storedGuids({ address }: RestartablePostgres): Promise<Set<string>> {
  await using admin = openDatabase({ ...address, max: 1 });
  const rows = await admin.sql<{ guid: string }>`select imessage_guid as guid from messages`;
  return new Set(rows.map(({ guid }) => guid));
}

/** Runs the part. */
export async function abuseDatabase(
  { rounds, clients: count = CLIENTS }: DatabaseAbuseOptions,
): Promise<DatabaseAbuse> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "abuse-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const postgres = stack.use(await RestartablePostgres.start());
  const port = choosePort();
  const env = {
    SERVER_HOST: "127.0.0.1",
    SERVER_PORT: `${port}`,
    DATA_DIR: join(dir, "server"),
    DATABASE_URL: urlOf(postgres.address),
    PAIRING: "open",
  };
  const server = stack.use(new WatchedServer(`http://127.0.0.1:${port}`, env, join(dir, "server.log")));
  await server.start();
  const answers: Record<string, number> = {};
  const clients: SyncingClient[] = [];
  for (let index = 0; index < count; index++) {
    const token = await pairDevice(server.url);
    clients.push(new SyncingClient(server.url, token, `client-${index}`, answers));
  }
  const running = clients.map((client) => client.run());
  let slowestRecoveryMs = 0;
  for (let round = 0; round < rounds; round++) {
    for (const fault of DATABASE_FAULTS) {
      await delay(WRITING_MS);
      await cause(fault, postgres);
      slowestRecoveryMs = Math.max(slowestRecoveryMs, await untilAllWrite(clients));
    }
  }
  for (const client of clients) client.stopped = true;
  await Promise.all(running);
  const stored = await storedGuids(postgres);
  const acknowledged = clients.flatMap((client) => client.acknowledged);
  const lost = acknowledged.filter((guid) => !stored.has(guid)).length;
  return {
    rounds: rounds * DATABASE_FAULTS.length,
    serverEnds: server.ends,
    answers,
    withoutRetryAfter: clients.reduce((sum, client) => sum + client.withoutRetryAfter, 0),
    acknowledged: acknowledged.length,
    lost,
    unacknowledged: stored.size - (acknowledged.length - lost),
    slowestMs: Math.round(Math.max(...clients.map((client) => client.slowestMs))),
    slowestRecoveryMs: Math.round(slowestRecoveryMs),
  };
}

/** What is wrong with how the server stood it; empty when nothing is. */
export function faultsOf(abuse: DatabaseAbuse): string[] {
  const { serverEnds, answers, withoutRetryAfter, lost } = abuse;
  const other = Object.entries(answers).filter(([status]) => status !== "200" && status !== "503");
  return [
    ...serverEnds > 0 ? [`the server ended ${serverEnds} times`] : [],
    ...other.map(([status, times]) => `${status}: ${times} times`),
    ...withoutRetryAfter > 0 ? [`503 without Retry-After: ${withoutRetryAfter} times`] : [],
    ...lost > 0 ? [`${lost} acknowledged messages were lost`] : [],
  ];
}

/** The part as `deno task abuse` runs it. */
export async function databasePart(): Promise<AbuseReport> {
  const abuse = await abuseDatabase({ rounds: 4 });
  const { answers, ...rest } = abuse;
  return { figures: { ...rest, ...answers }, faults: faultsOf(abuse) };
}
