/**
 * Compares reading and decoding an entire chat.db with the agent's reader to imessage-exporter, and to a bare SELECT of
 * the same columns.
 *
 * `deno run -A bench/agent/read_bench.ts [messages | path of a chat.db]`: the peer is built with cargo the first time,
 * the database with Messages' own indexes; then each side reads all of it in turns, as a process of its own from its
 * start to its end. The peer writes text files as well, which the reader does not; the reader looks up reactions, files
 * and doubles, and decodes no less. CPU times are more reliable than rates where other programs run.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { ChatDatabase } from "../../agent/chatdb/file/chat_database.ts";
import { MessageReader } from "../../agent/chatdb/messages/message_reader.ts";
import { MESSAGE_ROWS } from "../../agent/chatdb/messages/message_row.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";
import { installPeer, PEER_NAME, runPeer } from "./imessage_exporter.ts";
import { median } from "../support/bench_output.ts";
import { endedChildrenCpuMs } from "../support/process_usage.ts";

const DEFAULT_MESSAGES = "500000";
/**
 * V8 may take the first pages for objects that live on, and keeps later ones until it collects everything: half as much
 * memory again, by chance of what was loaded before. The agent's task, whose young generation is small, is spared that.
 */
const V8_FLAGS = "--v8-flags=--no-allocation-site-pretenuring";
/** Rows of one page, on both of our sides. */
const PAGE_ROWS = 1_000;
const ROUNDS = 5;

const OWN_SIDES = { "bare SELECT": readBare, "agent reader": readDecoded } as const;
type OwnSide = keyof typeof OWN_SIDES;
type Side = OwnSide | typeof PEER_NAME;
const SIDES: readonly Side[] = ["bare SELECT", "agent reader", PEER_NAME];

/** Totals of one pass of our own; `results` are messages. */
interface Pass {
  rows: number;
  results: number;
  peakRssBytes: number;
}

/** What the processes of one side took, pass by pass; CPU times where the system reports them. */
interface Costs {
  elapsedMs: number[];
  cpuMs: number[];
}

type OnPage = (progress: Pick<Pass, "rows" | "results">) => void;

/** Pages through the table as the reader does. */
function readBare(path: string, onPage: OnPage): void {
  using database = new ChatDatabase(path);
  const columns = MESSAGE_ROWS.selectList(database.schema);
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
    const batch = reader.readAfter(rowId, { limit: PAGE_ROWS, nowMs: Date.now(), gracePeriodMs: 0 });
    onPage({ rows: batch.messages.length + batch.skippedRows.length, results: batch.messages.length });
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
  const args = ["run", "--allow-all", V8_FLAGS, fileURLToPath(import.meta.url), side, path];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`The pass of the ${side} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Reads with the sides in turn. */
async function takeTurns(path: string, folder: string) {
  const costs = new Map<Side, Costs>(SIDES.map((side) => [side, { elapsedMs: [], cpuMs: [] }]));
  const passes = new Map<Side, Pass>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, { elapsedMs, cpuMs }] of costs) {
      const before = { atMs: performance.now(), cpuMs: endedChildrenCpuMs() };
      if (side === PEER_NAME) await runPeer(path, join(folder, `export-${round}`));
      else passes.set(side, await readApart(side, path));
      elapsedMs.push(performance.now() - before.atMs);
      cpuMs.push((endedChildrenCpuMs() ?? NaN) - (before.cpuMs ?? NaN));
    }
  }
  return { costs, passes };
}

async function compare(what: string): Promise<void> {
  await installPeer();
  const folder = await Deno.makeTempDir({ prefix: "agent-read-bench-" });
  try {
    const isCount = /^\d+$/.test(what);
    const path = isCount ? join(folder, "chat.db") : what;
    if (isCount) bulkChatDb(path, { messages: Number(what) });
    print(await takeTurns(path, folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function print({ costs, passes }: Awaited<ReturnType<typeof takeTurns>>): void {
  const rows = passes.get("agent reader")?.rows ?? 0;
  writeLine(`${rows} rows, median of ${ROUNDS} complete processes each, in turn`);
  for (const [side, { elapsedMs, cpuMs }] of costs) {
    const rate = `${Math.round(rows / median(elapsedMs) * 1_000)} rows/s`;
    const cpu = `${(median(cpuMs) / 1_000).toFixed(2)} s CPU`;
    const pass = passes.get(side);
    const own = pass && `${pass.results} messages, peak ${(pass.peakRssBytes / 2 ** 20).toFixed(0)} MiB`;
    writeLine(`  ${side.padEnd(26)}${rate.padStart(16)}${cpu.padStart(14)}   ${own ?? ""}`);
  }
  const reader = costs.get("agent reader") ?? { elapsedMs: [], cpuMs: [] };
  for (const [side, { elapsedMs, cpuMs }] of costs) {
    if (side === "agent reader") continue;
    const ratios = [median(elapsedMs) / median(reader.elapsedMs), median(cpuMs) / median(reader.cpuMs)];
    writeLine(`agent reader / ${side} = ${ratios.map((ratio) => ratio.toFixed(2)).join(", by CPU time ")}`);
  }
}

await runMain(async () => {
  const [first, path] = Deno.args;
  if (path !== undefined) writeLine(JSON.stringify(readHere(first as OwnSide, path)));
  else await compare(first ?? DEFAULT_MESSAGES);
});
