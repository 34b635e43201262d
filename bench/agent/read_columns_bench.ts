/**
 * Measures what each column that the agent's reader selects costs beside the ROWID alone.
 *
 * `deno run -A bench/agent/read_columns_bench.ts [messages]`: times are those of the CPU, the best of all rounds, so that
 * other programs disturb them little. A column costs about as much whether it is NULL, a flag or a short text; what a
 * body costs is mostly its bytes and the object around them.
 */
import { join } from "node:path";
import process from "node:process";
import { ChatDatabase } from "../../agent/chatdb/file/chat_database.ts";
import { MESSAGE_ROWS } from "../../agent/chatdb/messages/message_row.ts";
import type { Query } from "../../agent/chatdb/file/sql_value.ts";
import { writeLine } from "../../lib/log.ts";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";

const DEFAULT_MESSAGES = 100_000;
const PAGE_ROWS = 1_000;
const ROUNDS = 5;

/** The columns of a select list; those that are expressions hold no comma outside parentheses. */
function columnsOf(list: string): string[] {
  return list.split(/, (?![^(]*\))/);
}

function selectOf(database: ChatDatabase, columns: readonly string[]): Query {
  return database.prepare(
    `SELECT ${
      columns.join(", ")
    } FROM message WHERE message.ROWID > ? ORDER BY message.ROWID LIMIT ${PAGE_ROWS}`,
  );
}

/** CPU nanoseconds for each row of the table. */
function costNs(select: Query): number {
  const before = process.cpuUsage();
  let rows = 0;
  for (let rowId = 0;;) {
    const page = select(rowId);
    if (page.length === 0) break;
    rows += page.length;
    rowId = Number(page.at(-1)?.[0]);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1_000 / rows;
}

function measure(database: ChatDatabase): Map<string, number> {
  const columns = columnsOf(MESSAGE_ROWS.selectList(database.schema));
  const [key = "message.ROWID", ...others] = columns;
  const sides = new Map([
    [key, selectOf(database, [key])],
    ...others.map((column) => [column, selectOf(database, [key, column])] as const),
    ["all together", selectOf(database, columns)],
  ]);
  const bestNs = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, select] of sides) {
      bestNs.set(name, Math.min(costNs(select), bestNs.get(name) ?? Infinity));
    }
  }
  return bestNs;
}

function print(bestNs: ReadonlyMap<string, number>): void {
  const [[key, keyNs] = ["", 0], ...others] = bestNs;
  writeLine(`${key.padEnd(60)}${keyNs.toFixed(0).padStart(6)} ns/row`);
  for (const [name, ns] of others) {
    const isAll = name === "all together";
    const label = name.replaceAll("message.", "").slice(0, 56);
    writeLine(
      `${isAll ? name.padEnd(60) : `  + ${label}`.padEnd(60)}${
        (isAll ? ns : ns - keyNs).toFixed(0).padStart(6)
      } ns/row`,
    );
  }
}

const folder = await Deno.makeTempDir({ prefix: "read-columns-bench-" });
try {
  const path = join(folder, "chat.db");
  bulkChatDb(path, { messages: Number(Deno.args[0] ?? DEFAULT_MESSAGES) });
  using database = new ChatDatabase(path);
  print(measure(database));
} finally {
  await Deno.remove(folder, { recursive: true });
}
