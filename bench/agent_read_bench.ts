/**
 * Compares reading and decoding a whole chat.db with the agent's reader to imessage-exporter, and to a bare SELECT of
 * the same columns.
 *
 * `deno run -A bench/agent_read_bench.ts [messages]`: the peer is built with cargo the first time, the database with
 * Messages' own indexes; then each side reads all of it in turns, as a process of its own from its start to its end.
 * The peer writes text files as well, which the reader does not; the reader looks up reactions, files and doubles, and
 * decodes no less.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { ChatDatabase } from "../agent/chatdb/chat_database.ts";
import { MessageReader } from "../agent/chatdb/message_reader.ts";
import { messageRowColumns } from "../agent/chatdb/message_row.ts";
import { runMain } from "../lib/lifecycle.ts";
import { writeLine } from "../lib/log.ts";
import { bulkChatDb } from "../tests/support/chat_db_bulk.ts";
import { installPeer, PEER_NAME, runPeer } from "./peer_exporter.ts";

const DEFAULT_MESSAGES = 500_000;
/** Rows of one page, on both of our sides. */
const PAGE_ROWS = 1_000;
const ROUNDS = 5;

const OWN_SIDES = { "bare SELECT": readBare, "agent reader": readDecoded } as const;
type OwnSide = keyof typeof OWN_SIDES;
type Side = OwnSide | typeof PEER_NAME;

/** What one pass of our own came to; `results` are the messages that came out. */
interface Pass {
  rows: number;
  results: number;
  peakRssBytes: number;
}

type OnPage = (progress: Pick<Pass, "rows" | "results">) => void;

/** Pages through the table as the reader does. */
function readBare(path: string, onPage: OnPage): void {
  using database = new ChatDatabase(path);
  const columns = messageRowColumns(database.schema);
  const select = database.prepare(`SELECT ${columns} FROM message WHERE ROWID > ? ORDER BY ROWID LIMIT ?`);
  for (let rowId = 0;;) {
    const page = select(rowId, PAGE_ROWS);
    onPage({ rows: page.length, results: page.length });
    if (page.length < PAGE_ROWS) break;
    rowId = Number(page.at(-1)?.[0]);
  }
}

/** Reads everything with the agent's reader: chats, senders, files, reactions, decoded bodies. */
function readDecoded(path: string, onPage: OnPage): void {
  using database = new ChatDatabase(path);
  const reader = new MessageReader(database);
  for (let rowId = 0, hasMore = true; hasMore;) {
    const batch = reader.readAfter(rowId, { limit: PAGE_ROWS, nowMs: Date.now(), settleMs: 0 });
    onPage({ rows: batch.messages.length + batch.passed.length, results: batch.messages.length });
    ({ lastRowId: rowId, hasMore } = batch);
  }
}

/** One pass in this process. */
function readHere(side: OwnSide, path: string): Pass {
  const pass: Pass = { rows: 0, results: 0, peakRssBytes: 0 };
  OWN_SIDES[side](path, ({ rows, results }) => {
    pass.rows += rows;
    pass.results += results;
    pass.peakRssBytes = Math.max(pass.peakRssBytes, Deno.memoryUsage().rss);
  });
  return pass;
}

/** One pass of our own in a fresh process. */
async function readApart(side: OwnSide, path: string): Promise<Pass> {
  const args = ["run", "--allow-all", fileURLToPath(import.meta.url), side, path];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`The pass of the ${side} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Reads with each side in turns; its wall times in milliseconds, and what our own passes came to. */
async function takeTurns(path: string, folder: string) {
  const elapsedMs: Record<Side, number[]> = { "bare SELECT": [], "agent reader": [], [PEER_NAME]: [] };
  const passes = new Map<Side, Pass>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of Object.keys(elapsedMs) as Side[]) {
      const startedMs = performance.now();
      if (side === PEER_NAME) await runPeer(path, join(folder, `export-${round}`));
      else passes.set(side, await readApart(side, path));
      elapsedMs[side].push(performance.now() - startedMs);
    }
  }
  return { elapsedMs, passes };
}

async function compare(messages: number): Promise<void> {
  await installPeer();
  const folder = await Deno.makeTempDir({ prefix: "agent-read-bench-" });
  try {
    const path = join(folder, "chat.db");
    bulkChatDb(path, { messages });
    print(messages, await takeTurns(path, folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function print(messages: number, { elapsedMs, passes }: Awaited<ReturnType<typeof takeTurns>>): void {
  writeLine(`${messages} rows, median of ${ROUNDS} whole processes each, in turns`);
  for (const [side, times] of Object.entries(elapsedMs) as [Side, number[]][]) {
    const pass = passes.get(side);
    const rate = `${Math.round(messages / median(times) * 1_000)} rows/s`;
    const own = pass && `${pass.results} messages, peak ${(pass.peakRssBytes / 2 ** 20).toFixed(0)} MiB`;
    writeLine(`  ${side.padEnd(26)}${rate.padStart(16)}   ${own ?? ""}`);
  }
  const readerMs = median(elapsedMs["agent reader"]);
  writeLine(`agent reader / ${PEER_NAME} = ${(median(elapsedMs[PEER_NAME]) / readerMs).toFixed(2)}`);
  writeLine(`agent reader / bare SELECT = ${(median(elapsedMs["bare SELECT"]) / readerMs).toFixed(2)}`);
}

await runMain(async () => {
  const [first, path] = Deno.args;
  if (path !== undefined) writeLine(JSON.stringify(readHere(first as OwnSide, path)));
  else await compare(Number(first ?? DEFAULT_MESSAGES));
});
