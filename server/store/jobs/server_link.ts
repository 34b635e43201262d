/** A server's own connection to its database: proof that it lives, and what servers and triggers tell each other. */
import { backoffMs, delay } from "../../../lib/backoff.ts";
import { logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { Connection, Database, OwnConnection } from "../database.ts";
import { type Announcement, Announcements, type Topic } from "./announcements.ts";

/** The one channel of NOTIFY, of triggers too; what is on it says who sends it, which topic it is of, and to what it happened. */
const CHANNEL = "conversation_assistant";
/** The sender of what every server has yet to hear. */
const ANYONE = "-";
const RECONNECT = { baseMs: 200, capMs: 5_000 };
/** A peer that is silent for this long is gone: PostgreSQL then frees the locks of a server whose machine was lost. */
const KEEPALIVE =
  "set tcp_keepalives_idle = 15; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";

/**
 * One connection for as long as the server runs, remade when it is lost. While it is open the server holds the lock of
 * its id, so that the others see by that lock whether it lives: PostgreSQL frees it with the connection.
 */
export class ServerLink extends Announcements implements AsyncDisposable {
  /** New with each process. */
  readonly id: string = crypto.randomUUID();
  readonly #database: Database;
  readonly #log: Logger;
  #connection: OwnConnection | null = null;
  /** What this connection leads. */
  readonly #leading = new Set<string>();
  readonly #closing = new AbortController();
  #reconnecting: Promise<void> = Promise.resolve();

  private constructor(database: Database, log: Logger) {
    super();
    this.#database = database;
    this.#log = log;
  }

  static async open(database: Database, options: { log: Logger }): Promise<ServerLink> {
    const link = new ServerLink(database, options.log);
    await link.#connect();
    return link;
  }

  /** Tells this server at once, and the others; in a transaction, all of them once it is committed. */
  override async announce(announcement: Announcement, transaction?: Connection["sql"]): Promise<void> {
    const { topic, text } = announcement;
    const notify = (sql: Connection["sql"], sender: string) =>
      sql`select pg_notify(${CHANNEL}, ${`${sender} ${topic} ${text}`})`;
    if (transaction !== undefined) return void await notify(transaction, ANYONE);
    this.deliver(announcement);
    await notify(this.#database.sql, this.id).catch((error: unknown) => {
      this.#log.warn("other servers were not notified", { topic, ...logFieldsOfError(error) });
    });
  }

  /** Whether the server with this id lives: its lock is taken. */
  async isAlive(id: string): Promise<boolean> {
    if (id === this.id) return true;
    const [row] = await this.#database.sql<{ free: boolean }>`
      select pg_try_advisory_xact_lock(hashtextextended(${lockNameOf(id)}, 0)) as free`;
    return row?.free === false;
  }

  /** Whether this server is the one of all that does a job: the first to ask, until its connection ends. */
  async leads(job: string): Promise<boolean> {
    if (this.#connection === null || this.#leading.has(job)) return this.#connection !== null;
    const [row] = await this.#connection.sql<{ taken: boolean }>`
      select pg_try_advisory_lock(hashtextextended(${`leader:${job}`}, 0)) as taken`;
    if (row?.taken === true) this.#leading.add(job);
    return this.#leading.has(job);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#reconnecting;
    const connection = this.#connection;
    this.#connection = null;
    await connection?.[Symbol.asyncDispose]();
  }

  async #connect(): Promise<void> {
    const connection = await this.#database.connect();
    const { client, sql } = connection;
    await using stack = new AsyncDisposableStack();
    stack.use(connection);
    client.on("notification", ({ payload = "" }) => this.#hear(payload));
    client.on("end", () => this.#lose(connection));
    await sql.script(`${KEEPALIVE}; listen ${CHANNEL}`);
    // Shared, as PostgreSQL may still hold it for the connection that was lost.
    await sql`select pg_advisory_lock_shared(hashtextextended(${lockNameOf(this.id)}, 0))`;
    stack.move();
    this.#connection = connection;
  }

  #hear(payload: string): void {
    const [sender, topic = "", ...words] = payload.split(" ");
    if (sender !== this.id) this.deliver({ topic: topic as Topic, text: words.join(" ") });
  }

  #lose(connection: OwnConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#leading.clear();
    this.#log.warn("the connection by which servers hear each other was lost");
    this.#reconnecting = this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        await this.#connect();
        return this.deliver({ topic: "missed", text: "" });
      } catch (error) {
        this.#log.debug("the database is not back yet", { tries, ...logFieldsOfError(error) });
        await delay(backoffMs(tries, RECONNECT), { signal }).catch(() => {});
      }
    }
  }
}

function lockNameOf(serverId: string): string {
  return `server:${serverId}`;
}
