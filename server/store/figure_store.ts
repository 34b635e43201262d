/** Counts what an account has unfinished, and what the database takes of the disk. */
import { bindTo, type Database } from "./database.ts";

export interface Unfinished {
  /** Drafts that wait, and those that are being made. */
  readonly queued: number;
  readonly generating: number;
  /** Training jobs that wait or run. */
  readonly training: number;
}

export interface FigureStore {
  unfinished(accountId: string): Promise<Unfinished>;
  /** Of all accounts, in bytes. */
  databaseSize(): Promise<number>;
}

async function unfinished({ sql }: Database, accountId: string): Promise<Unfinished> {
  const [row] = await sql<Unfinished>`
    select count(*) filter (where status = 'queued')::integer as queued,
      count(*) filter (where status = 'generating')::integer as generating,
      (select count(*)::integer from training_jobs
        where account_id = ${accountId} and status in ('queued', 'training')) as training
    from responses where account_id = ${accountId} and status in ('queued', 'generating')`;
  return row ?? { queued: 0, generating: 0, training: 0 };
}

async function databaseSize({ sql }: Database): Promise<number> {
  const [row] = await sql<{ bytes: number }>`
    select pg_database_size(current_database())::double precision as bytes`;
  return row?.bytes ?? 0;
}

export function createFigureStore(database: Database): FigureStore {
  return bindTo(database, { unfinished, databaseSize });
}
