/**
 * Measures how long a new row of chat.db takes until the server has it, with file events and with the poll alone, and
 * what an agent with nothing to do costs.
 *
 * `deno run -A bench/agent/live_latency_bench.ts [rows] [idle seconds]`: a writer in this process, `agent run` and the server
 * with its PostgreSQL as processes of their own. A row has arrived when the server's own count shows it, which is
 * asked for every 10 ms. CPU and memory are the kernel's own (/proc), so this runs on Linux.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { agentConfig } from "../../agent/config.ts";
import { createAgentContext } from "../../agent/context.ts";
import { processOutput } from "../../agent/cli/output.ts";
import { liveAgentOf } from "../../agent/cli/run_command.ts";
import { shutdownSignal } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { formatBytes } from "../../lib/progress.ts";
import { writeAddressBook } from "../../tests/support/mac/address_book_fixture.ts";
import { pairAgent, spawnAgent } from "../../tests/support/mac/agent_process.ts";
import { createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { claimServer, type OwnerClient } from "../../tests/support/server/owner_client.ts";
import { type RunningServer, startServer } from "../../tests/support/server/running_services.ts";
import { PROJECT_ROOT, taskArguments } from "../../tools/service_process.ts";
import { processCpuMs, rssBytes } from "../support/process_usage.ts";

/** Rows that are there before; then so many are added one by one. */
const DEFAULT_ROWS = 20_000;
const ADDED_ROWS = 40;
/** As many people as a full address book has. */
const CONTACTS = 500;
/** Between two rows: long enough that each is an event of its own, and at every place between two polls. */
const PAUSE_MS = { least: 700, most: 1_900 };
const DEFAULT_IDLE_SECONDS = 60;
const POLL_MS = 10;
/** Nobody drafts here. */
const NO_ML = "http://127.0.0.1:9";
const PERSON = "+15550100001";
/** The argument by which this file runs an agent that no file event reaches. */
const POLL_ONLY = "poll-only";

interface Load {
  cpuShare: number;
  rssBytes: number;
}

interface Outcome {
  latenciesMs: number[];
  idle: Load;
}

type StartAgent = (env: Record<string, string>) => Deno.ChildProcess;

function startPollOnly(env: Record<string, string>): Deno.ChildProcess {
  const flags = taskArguments("agent").filter((argument) => /^--(v8-flags|no-)/.test(argument));
  const args = ["run", ...flags, "-A", "bench/agent/live_latency_bench.ts", POLL_ONLY];
  return new Deno.Command(Deno.execPath(), { args, cwd: PROJECT_ROOT, env, stdin: "null", stdout: "null" })
    .spawn();
}

/** An agent as `agent run` has it, but deaf to file events. */
async function runPollOnly(): Promise<void> {
  const signal = shutdownSignal();
  const services = createAgentContext(agentConfig(), { output: processOutput(), signal });
  const deaf = () => ({ [Symbol.dispose]() {} });
  await liveAgentOf(services, { watchFolder: deaf }).run(signal);
}

async function idleLoad(pid: number, idleSeconds: number): Promise<Load> {
  const [beforeMs, startedMs] = [processCpuMs(pid), performance.now()];
  await sleep(idleSeconds * 1_000);
  const elapsedMs = performance.now() - startedMs;
  return { cpuShare: (processCpuMs(pid) - beforeMs) / elapsedMs, rssBytes: rssBytes(pid) };
}

function writeContacts(addressBook: string): void {
  writeAddressBook(
    addressBook,
    Array.from({ length: CONTACTS }, (_, index) => {
      const number = String(index).padStart(4, "0");
      return {
        firstName: `First ${index}`,
        lastName: `Last ${index}`,
        phones: [{ value: `+1555010${number}` }],
        emails: [{ value: `person${index}@example.com` }],
      };
    }),
  );
}

async function untilStored(owner: OwnerClient, messages: number): Promise<void> {
  while ((await owner.syncStatus()).messages < messages) await sleep(POLL_MS);
}

interface Measurement {
  server: RunningServer;
  dir: string;
  rows: number;
  idleSeconds: number;
}

/** A server of its own, its owner, and an agent that is paired with it. */
async function pairedWith({ server, dir }: Measurement) {
  const owner = await claimServer(server.server.url);
  const env = {
    AGENT_SERVER_URL: server.server.url,
    AGENT_DATA_DIR: join(dir, "agent"),
    AGENT_CHAT_DB: join(dir, "chat.db"),
    AGENT_ADDRESS_BOOK: join(dir, "AddressBook"),
  };
  await pairAgent((code) => owner.approve(code), { env });
  return { owner, env };
}

async function measureWith(start: StartAgent, measurement: Measurement): Promise<Outcome> {
  const { rows, idleSeconds } = measurement;
  const { owner, env } = await pairedWith(measurement);
  writeContacts(env.AGENT_ADDRESS_BOOK);
  using db = createChatDb(env.AGENT_CHAT_DB);
  const chat = db.addChat({ identifier: PERSON });
  const add = (text: string, readAt?: Date) =>
    db.addMessage({ chat, from: PERSON, text, sentAt: new Date(), readAt });
  db.store.atomically(() => {
    for (let index = 0; index < rows; index++) add(`message ${index}`, new Date());
  });
  const agent = start(env);
  await untilStored(owner, rows);
  const latenciesMs: number[] = [];
  for (let index = 1; index <= ADDED_ROWS; index++) {
    await sleep(PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least));
    const writtenMs = performance.now();
    add(`new ${index}`);
    await untilStored(owner, rows + index);
    latenciesMs.push(performance.now() - writtenMs);
  }
  const idle = await idleLoad(agent.pid, idleSeconds);
  agent.kill("SIGTERM");
  await agent.status;
  return { latenciesMs, idle };
}

async function measure(start: StartAgent, size: Pick<Measurement, "rows" | "idleSeconds">): Promise<Outcome> {
  const dir = await Deno.makeTempDir({ prefix: "latency-" });
  try {
    await using server = await startServer({ dir, mlUrl: NO_ML, env: { PAIRING: "approve" } });
    return await measureWith(start, { ...size, server, dir });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function startWithEvents(env: Record<string, string>): Deno.ChildProcess {
  const agent = spawnAgent(["run"], { env });
  for (const stream of [agent.stdout, agent.stderr]) stream.pipeTo(new WritableStream());
  return agent;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function print(name: string, { latenciesMs, idle }: Outcome): void {
  const times = [percentile(latenciesMs, 0.5), percentile(latenciesMs, 0.95), Math.max(...latenciesMs)]
    .map((ms) => `${Math.round(ms)} ms`.padStart(10)).join("");
  const load = [`${(idle.cpuShare * 100).toFixed(2)} %`, formatBytes(idle.rssBytes)].map((cell) =>
    cell.padStart(12)
  );
  writeLine(name.padEnd(16) + times + load.join(""));
}

async function main([rows = DEFAULT_ROWS, idleSeconds = DEFAULT_IDLE_SECONDS]: number[]): Promise<void> {
  writeLine(
    `${rows} rows before, then ${ADDED_ROWS} one by one: from the row's commit until the server has stored it; ` +
      `then ${idleSeconds} s idle`,
  );
  const heads = ["p50", "p95", "max"].map((head) => head.padStart(10)).join("");
  writeLine("".padEnd(16) + heads + ["idle CPU", "idle RSS"].map((head) => head.padStart(12)).join(""));
  print("file events", await measure(startWithEvents, { rows, idleSeconds }));
  print("poll alone", await measure(startPollOnly, { rows, idleSeconds }));
}

if (Deno.args[0] === POLL_ONLY) await runPollOnly();
else await main(Deno.args.map(Number));
