/**
 * The fault run: agent, server and network are killed again and again while Messages writes, and in the end the
 * server must hold exactly what Messages holds.
 *
 * `deno run -A tests/support/faults/fault_run.ts [kills] [deeds]` (the task `faults`): kills of each kind, 100 by default, and
 * deeds of the writer, 100,000 by default; prints what happened.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runMain } from "../../../lib/lifecycle.ts";
import { writeLine } from "../../../lib/log.ts";
import { pairAgent, runAgent, spawnAgent } from "../mac/agent_process.ts";
import { claimServer, type OwnerClient } from "../server/owner_client.ts";
import { type RunningServer, startServer } from "../server/running_services.ts";
import { TcpProxy } from "../process/tcp_proxy.ts";
import { byGuid, type ComparedMessage, comparedOfServer, comparedOfWriter } from "./compared_message.ts";
import { WriterProcess } from "./writer_process.ts";

export interface FaultRunOptions {
  /** Of the agent, of the server, and of the network, each. */
  kills: number;
  /** At least so many things are written. */
  deeds: number;
  /** How many of them replace the file or renumber its rows. */
  upheavals: number;
  /** The writer's pace; see `WriterOptions`. */
  deedsAtOnce?: number;
  seed?: number;
}

export interface FaultRunReport {
  seed: number;
  kills: { agent: number; server: number; network: number };
  /** What the writer did, and how many messages it has in the end. */
  done: Record<string, number>;
  messages: number;
  deletedByWriter: number;
  /** What the server counted over all lives of the agent. */
  server: { inserted: number; updated: number; unchanged: number; deleted: number };
  /** Complete walks over all rows, of those that an upheaval started. */
  rewalks: number;
  durationMs: number;
}

interface Range {
  least: number;
  most: number;
}

/** From the start of a process, or the return of the network, to its end. */
const AGENT_LIFE_MS: Range = { least: 200, most: 5_000 };
const SERVER_LIFE_MS: Range = { least: 200, most: 3_500 };
const NETWORK_LIFE_MS: Range = { least: 200, most: 4_000 };
const OUTAGE_MS: Range = { least: 20, most: 1_500 };
const PAUSE_MS = 1;
const POLL_MS = 1_000;
/** A safety limit, not a measurement: an agent that needs longer has lost something. */
const PATIENCE_MS = 180_000;
/** Nobody drafts here. */
const NO_ML = "http://127.0.0.1:9";

function within({ least, most }: Range): Promise<void> {
  return sleep(least + Math.random() * (most - least));
}

/** All that takes part, and how often each was killed. */
class FaultyWorld {
  readonly kills = { agent: 0, server: 0, network: 0 };
  rewalks = 0;
  readonly #env: Record<string, string>;
  readonly #server: RunningServer;
  readonly #network: TcpProxy;

  constructor({ env, server, network }: {
    env: Record<string, string>;
    server: RunningServer;
    network: TcpProxy;
  }) {
    this.#env = env;
    this.#server = server;
    this.#network = network;
  }

  async killAgents(times: number): Promise<void> {
    for (; this.kills.agent < times; this.kills.agent++) {
      const agent = spawnAgent(["run"], { env: this.#env });
      await within(AGENT_LIFE_MS);
      agent.kill("SIGKILL");
      const { signal, stdout, stderr } = await agent.output();
      assert.equal(signal, "SIGKILL", `The agent had ended by itself: ${new TextDecoder().decode(stderr)}`);
      this.#countRewalks(stdout);
    }
  }

  async killServers(times: number): Promise<void> {
    for (; this.kills.server < times; this.kills.server++) {
      await within(SERVER_LIFE_MS);
      this.#server.server.kill();
      await this.#server.restart();
    }
  }

  async cutNetwork(times: number): Promise<void> {
    for (; this.kills.network < times; this.kills.network++) {
      await within(NETWORK_LIFE_MS);
      await this.#network.goDown();
      await within(OUTAGE_MS);
      this.#network.comeBack();
    }
  }

  /** Lets one more agent live until `holds`, and ends it as a logout does. */
  async letLive(holds: () => Promise<boolean>): Promise<void> {
    const agent = spawnAgent(["run"], { env: this.#env });
    const deadlineMs = Date.now() + PATIENCE_MS;
    while (Date.now() < deadlineMs && !await holds()) await sleep(POLL_MS);
    agent.kill("SIGTERM");
    const { code, stdout, stderr } = await agent.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    this.#countRewalks(stdout);
  }

  #countRewalks(stdout: Uint8Array): void {
    this.rewalks += new TextDecoder().decode(stdout).match(/"restart":/g)?.length ?? 0;
  }
}

async function storedBy(owner: OwnerClient): Promise<Record<string, ComparedMessage>> {
  const stored: [string, ComparedMessage][] = [];
  for (const { id, imessageId, messageCount } of await owner.conversations()) {
    const before = stored.length;
    for await (const message of owner.allMessages(id)) {
      const replyToGuid = message.replyToGuid;
      stored.push([message.imessageGuid, comparedOfServer(imessageId, { ...message, replyToGuid })]);
    }
    assert.equal(stored.length - before, messageCount, "the server's own count is exact");
  }
  assert.equal(new Set(stored.map(([guid]) => guid)).size, stored.length, "no message is there twice");
  return byGuid(stored);
}

/** The guids on which two sides differ, the first few of them with what each holds. */
function differences(
  server: Record<string, ComparedMessage>,
  writer: Record<string, ComparedMessage>,
): string[] {
  return [...new Set([...Object.keys(server), ...Object.keys(writer)])]
    .filter((guid) => JSON.stringify(server[guid]) !== JSON.stringify(writer[guid]))
    .map((guid) =>
      `${guid}\n  server ${JSON.stringify(server[guid])}\n  writer ${JSON.stringify(writer[guid])}`
    );
}

async function startWorld(dir: string, stack: AsyncDisposableStack) {
  const server = stack.use(await startServer({ dir, mlUrl: NO_ML, env: { PAIRING: "approve" } }));
  const network = stack.use(new TcpProxy(Number(new URL(server.server.url).port)));
  const chatDb = join(dir, "chat.db");
  const env = {
    AGENT_SERVER_URL: `http://127.0.0.1:${network.port}`,
    AGENT_DATA_DIR: join(dir, "agent"),
    AGENT_CHAT_DB: chatDb,
    AGENT_ADDRESS_BOOK: join(dir, "AddressBook"),
  };
  const owner = await claimServer(server.server.url);
  await pairAgent((code) => owner.approve(code), { env });
  return { world: new FaultyWorld({ env, server, network }), owner, env, chatDb };
}

/** Nothing is left to send, and one more sync says so. */
async function assertQuiet(env: Record<string, string>): Promise<void> {
  const { code, stdout, stderr } = await runAgent(["sync", "--once", "--json"], { env });
  assert.equal(code, 0, stderr);
  const { inserted, updated, unchanged, deleted, refused } = JSON.parse(stdout).messages;
  assert.deepEqual([inserted, updated, unchanged, deleted, refused], [0, 0, 0, 0, 0]);
}

/** Runs to the end, and throws when the server does not hold exactly what the writer does. */
export async function faultRun(options: FaultRunOptions): Promise<FaultRunReport> {
  const { kills, deeds, upheavals, deedsAtOnce } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const startedAtMs = Date.now();
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "faults-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const { world, owner, env, chatDb } = await startWorld(dir, stack);
  const pace = { pauseMs: PAUSE_MS, deedsAtOnce, leastDeeds: deeds, upheavalShare: upheavals / deeds };
  const writer = stack.use(await WriterProcess.start(chatDb, { seed, ...pace }));
  await Promise.all([world.killAgents(kills), world.killServers(kills), world.cutNetwork(kills)]);
  const written = await writer.stop();
  const expected = byGuid(
    written.messages.map((message) => [message.guid, comparedOfWriter(message)] as const),
  );
  let stored: Record<string, ComparedMessage> = {};
  await world.letLive(async () => {
    if ((await owner.syncStatus()).messages !== written.messages.length) return false;
    stored = await storedBy(owner);
    return differences(stored, expected).length === 0;
  });
  const wrong = differences(stored, expected);
  assert.equal(
    wrong.length,
    0,
    `With seed ${seed}, ${wrong.length} differ:\n${wrong.slice(0, 5).join("\n")}`,
  );
  await assertQuiet(env);
  const { devices = [] } = await owner.syncStatus();
  const { inserted = 0, updated = 0, unchanged = 0, deleted = 0 } =
    devices.find((device) => device.inserted > 0) ?? {};
  assert.equal(inserted - deleted, written.messages.length, "what was inserted and not deleted is there");
  return {
    seed,
    kills: world.kills,
    done: written.done,
    messages: written.messages.length,
    deletedByWriter: written.deleted.length,
    server: { inserted, updated, unchanged, deleted },
    rewalks: world.rewalks,
    durationMs: Date.now() - startedAtMs,
  };
}

/** The report for a person. */
export function faultRunLines(report: FaultRunReport): string[] {
  const { agent, server, network } = report.kills;
  const { inserted, updated, unchanged, deleted } = report.server;
  const total = Object.values(report.done).reduce((sum, count) => sum + count, 0);
  const seconds = Math.round(report.durationMs / 1_000);
  return [
    `killed -9: agent ${agent} times, server with PostgreSQL ${server} times; network cut ${network} times`,
    `written: ${total} (${
      Object.entries(report.done).map(([name, count]) => `${name} ${count}`).join(", ")
    })`,
    `server: ${inserted} inserted, ${updated} updated, ${unchanged} unchanged, ${deleted} deleted`,
    `walks over all rows: ${report.rewalks}; seed ${report.seed}; ${seconds} s`,
    `in the end: ${report.messages} messages on both sides, equal in every field; ${report.deletedByWriter} deleted on both`,
  ];
}

/** So many times the file is replaced or its rows renumbered in the full run, and so fast it is written. */
const FULL_RUN = { upheavals: 30, deedsAtOnce: 5 };

if (import.meta.main) {
  await runMain(async () => {
    const [kills = 100, deeds = 100_000] = Deno.args.map(Number);
    const report = await faultRun({ kills, deeds, ...FULL_RUN });
    for (const line of faultRunLines(report)) writeLine(line);
  });
}
