/** A job table on PostgreSQL, which any number of servers share. */
import type { JobState } from "../../../lib/jobs/job.ts";
import type { JobChange, JobTable } from "../../../lib/jobs/job_table.ts";
import { type BodyName, isFinal, type JobRecord, parseRecord } from "../../../lib/jobs/record.ts";
import type { Connection, Database } from "../database.ts";
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

export class PgJobTable implements JobTable {
  readonly checkMs = 5_000;
  readonly #database: Database;
  readonly #link: ServerLink;
  readonly #queue: string;

  constructor({ database, link, queue }: PgJobTableOptions) {
    this.#database = database;
    this.#link = link;
    this.#queue = queue;
  }

  get process(): string {
    return this.#link.id;
  }

  isAlive(process: string): Promise<boolean> {
    return this.#link.isAlive(process);
  }

  onChange(hear: (id: string | null) => void): () => void {
    const start = `${this.#queue}/`;
    const offJobs = this.#link.on("jobs", (text) => text.startsWith(start) && hear(text.slice(start.length)));
    const offMissed = this.#link.on("missed", () => hear(null));
    return () => {
      offJobs();
      offMissed();
    };
  }

  async insert(record: JobRecord, payload: string | null): Promise<boolean> {
    const { id, task, group, state, dueAt, order, enqueuedAt, startedAt } = record;
    return await this.#database.transaction(async ({ sql }) => {
      const { count } = await sql`
        insert into jobs (queue, id, task, job_group, state, due_at, sequence, enqueued_at, started_at, record, payload)
        values (${this.#queue}, ${id}, ${task}, ${group ?? ""}, ${state}, ${dueAt}, ${order}, ${enqueuedAt},
          ${startedAt}, ${JSON.stringify(record)}, ${payload})
        on conflict do nothing`;
      if (count === 1) await this.#announce(sql, id);
      return count === 1;
    });
  }

  async get(id: string): Promise<JobRecord | null> {
    const [record = null] = await this.#recordsOf(
      this.#sql<Row>`select id, record from jobs where queue = ${this.#queue} and id = ${id}`,
    );
    return record;
  }

  async update(id: string, change: JobChange, result?: string | null): Promise<JobRecord | null> {
    return await this.#database.transaction(async ({ sql }) => {
      // Locked, so that changes of one job follow one another.
      const [record] = await this.#recordsOf(sql<Row>`
        select id, record from jobs where queue = ${this.#queue} and id = ${id} for update`);
      const next = record === undefined ? null : change(record);
      if (next === null || next === record) return next;
      // A final job needs its payload no more.
      await sql`
        update jobs set state = ${next.state}, due_at = ${next.dueAt}, started_at = ${next.startedAt},
          finished_at = ${next.finishedAt}, run = ${next.run}, record = ${JSON.stringify(next)},
          payload = case when ${!isFinal(next.state)}::boolean then payload end,
          result = coalesce(${result ?? null}, result)
        where queue = ${this.#queue} and id = ${id}`;
      await this.#announce(sql, id);
      return next;
    });
  }

  async body({ id }: JobRecord, name: BodyName): Promise<string | null> {
    const [row] = await this.#sql<{ body: string | null }>`
      select ${rawFragment(name)} as body from jobs where queue = ${this.#queue} and id = ${id}`;
    return row?.body ?? null;
  }

  async erase(id: string): Promise<boolean> {
    return await this.#database.transaction(async ({ sql }) => {
      const { count } = await sql`delete from jobs where queue = ${this.#queue} and id = ${id}`;
      if (count === 1) await this.#announce(sql, id);
      return count === 1;
    });
  }

  async expire(time: number): Promise<void> {
    await this.#sql`delete from jobs where queue = ${this.#queue} and finished_at < ${time}`;
  }

  async list({ state, limit }: { state?: JobState; limit?: number }): Promise<JobRecord[]> {
    const wanted = state ?? null;
    return await this.#recordsOf(this.#sql<Row>`
      select id, record from jobs
      where queue = ${this.#queue} and (${wanted}::text is null or state = ${wanted}::text)
      order by state <> 'running', state <> 'queued',
        case when state = 'queued' then due_at else -finished_at end, sequence, id
      limit ${limit ?? null}`);
  }

  async stats(): Promise<Record<JobState, number>> {
    const rows = await this.#sql<{ state: JobState; count: number }>`
      select state, count(*)::integer as count from jobs where queue = ${this.#queue} group by state`;
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { state, count } of rows) counts[state] = count;
    return counts;
  }

  async next({ now, paused }: { now: number; paused: readonly string[] }): Promise<JobRecord | null> {
    // The first job of each group, and of these the one whose group has started none for the longest.
    const [next = null] = await this.#recordsOf(this.#sql<Row>`
      with first as (
        select distinct on (job_group) id, job_group, due_at, sequence from jobs
        where queue = ${this.#queue} and state = 'queued' and task || ':' || job_group <> all (${paused}::text[])
        order by job_group, due_at, sequence, id
      )
      select id, record from first join jobs using (id) where queue = ${this.#queue}
      order by greatest(first.due_at, ${now}),
        (select max(started_at) from jobs where queue = ${this.#queue} and job_group = first.job_group) nulls first,
        first.due_at, first.sequence
      limit 1`);
    return next;
  }

  get #sql(): Connection["sql"] {
    return this.#database.sql;
  }

  /** The records of rows. One that another version wrote and this one cannot read is left to that version. */
  async #recordsOf(rows: PromiseLike<readonly Row[]>): Promise<JobRecord[]> {
    return (await rows).map(({ id, record }) => parseRecord(JSON.parse(record), id)).filter((record) =>
      record !== null
    );
  }

  async #announce(sql: Connection["sql"], id: string): Promise<void> {
    await this.#link.announce({ topic: "jobs", text: `${this.#queue}/${id}` }, sql);
  }
}
