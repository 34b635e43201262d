/**
 * Measures what one index costs ingest: the stores fill two databases that differ in that index alone.
 *
 * `deno run -A bench/server/ingest_cost_bench.ts [messages] [index] [instead]`: on an embedded PostgreSQL of its own, a slice of
 * the messages each in turn, both into the same conversations; by default 100,000 messages and the index of sent messages,
 * against none. `instead` is SQL that the other database gets, such as the trigrams that the search once had:
 * `create index on messages using gin (search_text(text) gin_trgm_ops)`. What counts is the ratio of the two times.
 */
import { writeLine } from "../../lib/log.ts";
import { syncMessagesRequestSchema } from "../../contract/sync.ts";
import { migrate } from "../../server/store/migrate.ts";
import { type Database, newId, openDatabase } from "../../server/store/database.ts";
import { startEmbeddedPostgres } from "../../server/store/postgres/embedded_postgres.ts";
import { createStores, type Stores } from "../../server/store/store.ts";
import { BATCH_MESSAGES, batchOf } from "../support/bench_messages.ts";
import { median } from "../support/bench_output.ts";

const DEFAULT_MESSAGES = 100_000;
const DEFAULT_INDEX = "messages_sent";
/** Batches of a slice. */
const SLICE_BATCHES = 5;
const WARM_UP_SLICES = 1;

interface Side {
  readonly name: string;
  readonly database: Database;
  readonly stores: Stores;
  readonly origin: { accountId: string; deviceId: string };
  /** Milliseconds of each slice. */
  readonly slices: number[];
}

async function openSide(name: string, database: Database): Promise<Side> {
  const origin = { accountId: newId(), deviceId: newId() };
  await database.sql`insert into accounts (id) values (${origin.accountId})`;
  await database.sql`
    insert into devices (id, account_id, name, platform, os_version, hardware_id, status, scope, token_id, registered_address)
    values (${origin.deviceId}, ${origin.accountId}, 'Bench', 'linux', '1', 'bench', 'active', 'sync', ${newId()}, '127.0.0.1')`;
  return { name, database, stores: createStores(database), origin, slices: [] };
}

async function sendSlice({ stores, origin }: Side, first: number): Promise<number> {
  const batches = Array.from(
    { length: SLICE_BATCHES },
    (_, index) => syncMessagesRequestSchema.parse(batchOf(first + index, "bench")),
  );
  const startedMs = performance.now();
  for (const batch of batches) await stores.ingest.ingestMessages(origin, batch);
  return performance.now() - startedMs;
}

async function sizeOf({ database: { sql } }: Side, index: string): Promise<string> {
  const [row] = await sql<{ size: string | null }>`
    select pg_size_pretty(pg_relation_size(to_regclass(${index}))) as size`;
  return row?.size ?? "absent";
}

async function main(messages: number, index: string, instead = ""): Promise<void> {
  if (!/^\w+$/.test(index)) throw new TypeError(`${index} is no name of an index`);
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "index-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const server = stack.use(await startEmbeddedPostgres(folder));
  const home = stack.use(openDatabase(server.address));
  await home.sql`create database twin`;
  const twin = stack.use(openDatabase({ ...server.address, database: "twin" }));
  for (const database of [home, twin]) await migrate(database);
  await twin.sql.script(`drop index ${index}; ${instead}`);
  const sides = [await openSide("without", twin), await openSide("with", home)] as const;
  const slices = Math.ceil(messages / BATCH_MESSAGES / SLICE_BATCHES);
  for (let slice = 0; slice < slices + WARM_UP_SLICES; slice++) {
    // Who begins changes, for what one writes may slow the other.
    for (const side of slice % 2 === 0 ? sides : sides.toReversed()) {
      const ms = await sendSlice(side, slice * SLICE_BATCHES);
      if (slice >= WARM_UP_SLICES) side.slices.push(ms);
    }
  }
  const [without, withIt] = sides.map((side) => side.slices.reduce((sum, ms) => sum + ms, 0));
  writeLine(`${slices * SLICE_BATCHES * BATCH_MESSAGES} messages a side, ${index}`);
  for (const side of sides) {
    writeLine(
      `  ${side.name.padEnd(8)} slice of ${SLICE_BATCHES} batches ${
        median(side.slices).toFixed(0).padStart(6)
      } ms   ` +
        `index ${await sizeOf(side, index)}`,
    );
  }
  writeLine(`  time with it / without: ${((withIt ?? NaN) / (without ?? NaN)).toFixed(3)}`);
}

const [messages = String(DEFAULT_MESSAGES), index = DEFAULT_INDEX, instead] = Deno.args;
await main(Number(messages), index, instead);
