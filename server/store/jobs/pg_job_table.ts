/** A job table on PostgreSQL, which any number of servers share. */
import { Notifier } from "../../../lib/async.ts";
import { decodeBody } from "../../../lib/jobs/bodies.ts";
import type { JobState } from "../../../lib/jobs/job.ts";
import type { JobTable, StartRequest } from "../../../lib/jobs/job_table.ts";
import { type BodyName, type JobRecord, parseRecord, started } from "../../../lib/jobs/record.ts";
import { type Connection, type Database, lockUntilCommit } from "../database.ts";
import { rawFragment } from "../sql.ts";
import type { ServerLink } from "./server_link.ts";

export interface PgJobTableOptions {
  database: Database;
  link: ServerLink;
  queue: string;
}

/** A row as far as most statements read it. */
interface Row {
  id: string;
  record: string;
}

type Sql = Connection["sql"];

/** A change of a job, with its result where it brings one. */
interface JobUpdate {
  id: string;
  change: (record: JobRecord) => JobRecord | null;
  result?: Uint8Array | null;
}

export class PgJobTable implements JobTable {
  readonly checkMs = 5_000;
  readonly #options: PgJobTableOptions;
  readonly #anyChange = new Notifier();
  readonly #changes = new Map<string, PromiseWithResolvers<void>>();

  constructor(options: PgJobTableOptions) {
    const { link, queue } = options;
    this.#options = options;
    link.on("jobs", (text) => {
      if (text.startsWith(`${queue}/`)) this.#notify(text.slice(queue.length + 1));
    });
    link.on("missed", () => {
      for (const id of this.#changes.keys()) this.#notify(id);
      this.#anyChange.notify();
    });
  }

  async insert(record: JobRecord, payload: Uint8Array | null): Promise<boolean> {
    const { id, task, group, state, dueAt, order, enqueuedAt, startedAt } = record;
    const stored: JobRecord = { ...record, payload: { kind: payload === null ? "absent" : "inline" } };
    return await this.#options.database.transaction(async ({ sql }) => {
      const { count } = await sql`
        insert into jobs (queue, id, task, job_group, state, due_at, sequence, enqueued_at, started_at, record, payload)
        values (${this.#queue}, ${id}, ${task}, ${group ?? ""}, ${state}, ${dueAt}, ${order}, ${enqueuedAt},
          ${startedAt}, ${JSON.stringify(stored)}, ${textOf(payload)})
        on conflict do nothing`;
      if (count === 1) await this.#announce(sql, id);
      return count === 1;
    });
  }

  async get(id: string): Promise<JobRecord | null> {
    const [row] = await this.#sql<
      Row
    >`select id, record from jobs where queue = ${this.#queue} and id = ${id}`;
    return row === undefined ? null : recordOf(row);
  }

  async update(
    id: string,
    change: JobUpdate["change"],
    result?: Uint8Array | null,
  ): Promise<JobRecord | null> {
    return await this.#options.database.transaction(({ sql }) => this.#update(sql, { id, change, result }));
  }

  report(): void {
    // Every run stores its progress now and then: other servers see no other.
  }

  async body({ id, payload, result }: JobRecord, name: BodyName): Promise<unknown> {
    if ((name === "payload" ? payload : result).kind === "absent") return undefined;
    const [row] = await this.#sql<{ body: string | null }>`
      select ${rawFragment(name)} as body from jobs where queue = ${this.#queue} and id = ${id}`;
    return decodeBody(name, row?.body == null ? null : new TextEncoder().encode(row.body));
  }

  async erase(id: string): Promise<boolean> {
    return await this.#options.database.transaction(async ({ sql }) => {
      const { count } = await sql`delete from jobs where queue = ${this.#queue} and id = ${id}`;
      if (count === 1) await this.#announce(sql, id);
      return count === 1;
    });
  }

  async list({ state, limit }: { state?: JobState; limit: number }): Promise<JobRecord[]> {
    const wanted = state ?? null;
    return recordsOf(
      await this.#sql<Row>`
        select id, record from jobs
        where queue = ${this.#queue} and (${wanted}::text is null or state = ${wanted}::text)
        order by state <> 'running', state <> 'queued',
          case when state = 'queued' then due_at else -finished_at end, sequence, id
        limit ${limit}`,
    );
  }

  async stats(): Promise<Record<JobState, number>> {
    const rows = await this.#sql<{ state: JobState; count: number }>`
      select state, count(*)::integer as count from jobs where queue = ${this.#queue} group by state`;
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { state, count } of rows) counts[state] = count;
    return counts;
  }

  async countAhead({ id, dueAt, order }: JobRecord): Promise<number> {
    const [row] = await this.#sql<{ count: number }>`
      select count(*)::integer as count from jobs where queue = ${this.#queue} and state = 'queued'
        and (due_at, sequence, id) < (${dueAt}, ${order}, ${id})`;
    return row?.count ?? 0;
  }

  async startNext({ now, paused }: StartRequest): Promise<JobRecord | null> {
    return await this.#options.database.transaction(async ({ db, sql }) => {
      // One server at a time looks for its next job: two would find the same one.
      await lockUntilCommit(db, `start-job:${this.#queue}`);
      // Of all due groups the one whose last start is the longest ago, and of that the first job.
      const [next] = await sql<{ id: string }>`
        with due as (
          select id, job_group, due_at, sequence from jobs
          where queue = ${this.#queue} and state = 'queued' and due_at <= ${now}
            and task || ':' || job_group <> all (${paused}::text[])
        ), turn as (
          select job_group from due group by job_group
          order by (select max(started_at) from jobs where queue = ${this.#queue} and jobs.job_group = due.job_group)
            nulls first, min(due_at), min(sequence)
          limit 1
        )
        select id from due where job_group = (select job_group from turn) order by due_at, sequence, id limit 1`;
      if (next === undefined) return null;
      const run = `${this.#options.link.id}/${crypto.randomUUID()}`;
      return await this.#update(sql, { id: next.id, change: (record) => started(record, { run, now }) });
    });
  }

  async nextDueAfter(time: number): Promise<number> {
    const [row] = await this.#sql<{ due_at: number | null }>`
      select min(due_at) as due_at from jobs
      where queue = ${this.#queue} and state = 'queued' and due_at > ${time}`;
    return row?.due_at ?? Infinity;
  }

  async listInterrupted(): Promise<JobRecord[]> {
    const running = recordsOf(
      await this.#sql<Row>`select id, record from jobs where queue = ${this.#queue} and state = 'running'`,
    );
    const alive = new Set<string>();
    for (const id of new Set(running.map(serverOf))) if (await this.#options.link.isAlive(id)) alive.add(id);
    return running.filter((record) => !alive.has(serverOf(record)));
  }

  async listExpired(time: number): Promise<string[]> {
    const rows = await this.#sql<{ id: string }>`
      select id from jobs where queue = ${this.#queue} and finished_at < ${time}`;
    return rows.map(({ id }) => id);
  }

  nextChange(id?: string): Promise<void> {
    if (id === undefined) return this.#anyChange.next;
    const waiting = this.#changes.get(id) ?? Promise.withResolvers<void>();
    this.#changes.set(id, waiting);
    return waiting.promise;
  }

  get #queue(): string {
    return this.#options.queue;
  }

  get #sql(): Sql {
    return this.#options.database.sql;
  }

  /** Locks the job's row, so that changes of one job follow one another. */
  async #update(sql: Sql, { id, change, result }: JobUpdate): Promise<JobRecord | null> {
    const [row] = await sql<Row>`
      select id, record from jobs where queue = ${this.#queue} and id = ${id} for update`;
    const record = row === undefined ? null : recordOf(row);
    const changed = record && change(record);
    if (changed === null || changed === record) return changed;
    const kind = result === undefined ? changed.result.kind : result === null ? "absent" : "inline";
    const next: JobRecord = { ...changed, result: { kind } as JobRecord["result"] };
    // A final job needs its payload no more.
    await sql`
      update jobs set state = ${next.state}, due_at = ${next.dueAt}, started_at = ${next.startedAt},
        finished_at = ${next.finishedAt}, run = ${next.run}, record = ${JSON.stringify(next)},
        payload = case when ${next.payload.kind === "inline"}::boolean then payload end,
        result = coalesce(${textOf(result ?? null)}, result)
      where queue = ${this.#queue} and id = ${id}`;
    await this.#announce(sql, id);
    return next;
  }

  async #announce(sql: Sql, id: string): Promise<void> {
    await this.#options.link.announce({ topic: "jobs", text: `${this.#queue}/${id}` }, sql);
  }

  #notify(id: string): void {
    this.#changes.get(id)?.resolve();
    this.#changes.delete(id);
    this.#anyChange.notify();
  }
}

function textOf(body: Uint8Array | null): string | null {
  return body && new TextDecoder().decode(body);
}

/** A row that another version wrote and this one cannot read is left to that version. */
function recordOf({ id, record }: Row): JobRecord | null {
  return parseRecord(JSON.parse(record), id);
}

function recordsOf(rows: Row[]): JobRecord[] {
  return rows.map(recordOf).filter((record) => record !== null);
}

/** The id of the server that runs a job. */
function serverOf({ run }: JobRecord): string {
  return run?.split("/")[0] ?? "";
}
