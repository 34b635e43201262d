/**
 * Compares reading and decoding a chat.db with the agent's reader to a bare SELECT of the same columns.
 *
 * `deno run -A bench/agent_read_bench.ts [messages]`: the database is built first; then each side reads all of it in
 * processes of its own, in turns, so that neither has the other's memory nor always the warmer cache.
 */
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { ChatDatabase } from "../agent/chatdb/chat_database.ts";
import { MessageReader } from "../agent/chatdb/message_reader.ts";
import { messageRowColumns } from "../agent/chatdb/message_row.ts";
import { writeLine } from "../lib/log.ts";
import { bulkChatDb } from "../tests/support/chat_db_bulk.ts";

const DEFAULT_MESSAGES = 200_000;
/** Rows of one page, on both sides. */
const PAGE_ROWS = 1_000;
const ROUNDS = 3;

/** As the agent opens the file; Deno knows the last two, which the types it ships do not name yet. */
const OPEN_OPTIONS = { readOnly: true, readBigInts: true, returnArrays: true };

const SIDES = { "bare SELECT": readBare, "agent reader": readDecoded } as const;
type Side = keyof typeof SIDES;

/** What one pass over the database came to; `results` are the messages that came out. */
interface Pass {
  rows: number;
  results: number;
  elapsedMs: number;
  peakRssBytes: number;
}

type Progress = { rows: number; results: number };

/** Pages through the table as the reader does, with node:sqlite alone. */
function readBare(path: string, onPage: (progress: Progress) => void): void {
  using database = new ChatDatabase(path);
  const columns = messageRowColumns(database.schema);
  const sqlite = new DatabaseSync(path, OPEN_OPTIONS);
  const select = sqlite.prepare(`SELECT ${columns} FROM message WHERE ROWID > ? ORDER BY ROWID LIMIT ?`);
  for (let rowId = 0;;) {
    const page = select.all(rowId, PAGE_ROWS) as unknown as bigint[][];
    onPage({ rows: page.length, results: page.length });
    if (page.length < PAGE_ROWS) break;
    rowId = Number(page.at(-1)?.[0]);
  }
  sqlite.close();
}

/** Reads everything with the agent's reader: chats, senders, files, decoded bodies. */
function readDecoded(path: string, onPage: (progress: Progress) => void): void {
  using database = new ChatDatabase(path);
  const reader = new MessageReader(database);
  for (let rowId = 0, hasMore = true; hasMore;) {
    const batch = reader.readAfter(rowId, { limit: PAGE_ROWS, nowMs: Date.now(), settleMs: 0 });
    const skipped = Object.values(batch.skipped).reduce((sum, count) => sum + count, 0);
    onPage({ rows: batch.messages.length + skipped, results: batch.messages.length });
    ({ lastRowId: rowId, hasMore } = batch);
  }
}

/** One pass of one side in this process. */
function measure(side: Side, path: string): Pass {
  const pass: Pass = { rows: 0, results: 0, elapsedMs: 0, peakRssBytes: 0 };
  const startedMs = performance.now();
  SIDES[side](path, ({ rows, results }) => {
    pass.rows += rows;
    pass.results += results;
    pass.peakRssBytes = Math.max(pass.peakRssBytes, Deno.memoryUsage().rss);
  });
  pass.elapsedMs = performance.now() - startedMs;
  return pass;
}

/** One pass of one side in a fresh process. */
async function measureApart(side: Side, path: string): Promise<Pass> {
  const args = ["run", "--allow-all", fileURLToPath(import.meta.url), side, path];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`The pass of the ${side} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function rowsPerSecond(passes: readonly Pass[]): number {
  return median(passes.map(({ rows, elapsedMs }) => rows / elapsedMs * 1_000));
}

async function compare(messages: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "agent-read-bench-" });
  try {
    const path = `${folder}/chat.db`;
    bulkChatDb(path, { messages });
    const passes: Record<Side, Pass[]> = { "bare SELECT": [], "agent reader": [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of Object.keys(SIDES) as Side[]) passes[side].push(await measureApart(side, path));
    }
    print(messages, passes);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function print(messages: number, passes: Record<Side, Pass[]>): void {
  writeLine(`${messages} messages, median of ${ROUNDS} passes each, pages of ${PAGE_ROWS} rows`);
  writeLine(
    `${"".padEnd(14)}${"rows".padStart(10)}${"messages".padStart(10)}${"rows/s".padStart(12)}${
      "peak RSS".padStart(12)
    }`,
  );
  for (const [side, all] of Object.entries(passes)) {
    const peakMiB = Math.max(...all.map(({ peakRssBytes }) => peakRssBytes)) / 2 ** 20;
    const cells = [all[0]?.rows, all[0]?.results].map((count) => String(count).padStart(10)).join("");
    const rate = Math.round(rowsPerSecond(all)).toString().padStart(12);
    writeLine(`${side.padEnd(14)}${cells}${rate}${`${peakMiB.toFixed(0)} MiB`.padStart(12)}`);
  }
  const ratio = rowsPerSecond(passes["agent reader"]) / rowsPerSecond(passes["bare SELECT"]);
  writeLine(`agent reader / bare SELECT = ${ratio.toFixed(2)}`);
}

const [first, path] = Deno.args;
if (path !== undefined) writeLine(JSON.stringify(measure(first as Side, path)));
else await compare(Number(first ?? DEFAULT_MESSAGES));
