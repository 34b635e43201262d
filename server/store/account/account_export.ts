/** Reads all that is stored of an account, table by table, as it is at one moment. */
import { bindTo, type Database } from "../database.ts";
import { rawFragment, type Sql } from "../sql.ts";

const ROWS_PER_FETCH = 500;

/** The tables that hold what belongs to the account, without what only signs in (hashes, token ids, addresses) or follows from the rest. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  devices: ["token_id", "registered_address"],
  device_syncs: [],
  contacts: [],
  conversations: [],
  conversation_policies: [],
  messages: ["search_keys"],
  responses: ["server_id"],
  training_samples: [],
  training_jobs: [],
  adapters: [],
};

/** Some rows of a table, each as a line of JSON. */
export interface ExportedRows {
  readonly table: string;
  readonly lines: readonly string[];
}

export interface AccountExport {
  /** Every table, some rows at a time; one without rows comes once, with none. */
  read(accountId: string): AsyncGenerator<ExportedRows>;
}

async function* rowsOf(sql: Sql, { table, accountId }: { table: string; accountId: string }) {
  const hidden = ["account_id", ...TABLES[table] ?? []];
  await sql`
    declare exported no scroll cursor for
    select (to_jsonb(t) - ${hidden}::text[])::text as row from ${
    rawFragment(table)
  } t where account_id = ${accountId}`;
  for (;;) {
    const rows = await sql.script<{ row: string }>(`fetch ${ROWS_PER_FETCH} from exported`);
    if (rows.length === 0) break;
    yield rows.map(({ row }) => row);
  }
  await sql`close exported`;
}

async function* read(database: Database, accountId: string): AsyncGenerator<ExportedRows> {
  // Beside the pool: whoever reads slowly keeps no request waiting.
  await using own = await database.connect();
  const { sql } = own;
  await sql.script("begin isolation level repeatable read read only");
  for (const table of Object.keys(TABLES)) {
    yield { table, lines: [] };
    for await (const lines of rowsOf(sql, { table, accountId })) yield { table, lines };
  }
  await sql`commit`;
}

export function createAccountExport(database: Database): AccountExport {
  return bindTo(database, { read });
}
