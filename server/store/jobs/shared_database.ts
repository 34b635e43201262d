/** What servers of one database share beside their rows: job tables, and word of each other. */
import type { JobTable } from "../../../lib/jobs/job_table.ts";
import type { Logger } from "../../../lib/log.ts";
import type { Database } from "../database.ts";
import { PgJobTable } from "./pg_job_table.ts";
import { ServerLink } from "./server_link.ts";

export interface SharedDatabase extends AsyncDisposable {
  readonly link: ServerLink;
  /** The table of the queue with this name. */
  readonly jobTable: (queue: string) => JobTable;
}

/** Joins the servers of a database, which is migrated. */
export async function joinSharedDatabase(
  database: Database,
  options: { log: Logger },
): Promise<SharedDatabase> {
  const link = await ServerLink.open(database, options);
  const jobTable = (queue: string) => new PgJobTable({ database, link, queue });
  return { link, jobTable, [Symbol.asyncDispose]: () => link[Symbol.asyncDispose]() };
}
