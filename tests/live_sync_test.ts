/** Tests that `agent run` loses and doubles nothing while Messages writes in every way it does and the agent is killed. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { SyncMessage } from "../contract/sync.ts";
import { AgentHome } from "./support/agent_home.ts";
import { spawnAgent } from "./support/agent_process.ts";
import type { StoredAccount } from "./support/contract_server.ts";
import type { WriterAccount, WrittenMessage } from "./support/messages_writer.ts";

/** How often the agent is killed while the other process writes. */
const KILLS = 10;
const LONGEST_LIFE_MS = 2_500;
const SHORTEST_LIFE_MS = 300;
/** How often the server goes away under an agent that stays, and for how long it is there. */
const OUTAGES = 3;
const UPTIME_MS = 3_000;
const POLL_MS = 100;
/** A guard, not a measure: an agent that needs longer has lost something. */
const PATIENCE_MS = 60_000;

const WRITER = fileURLToPath(new URL("./support/messages_writer.ts", import.meta.url));

interface WriterOptions {
  seed: number;
  /** Leaves the file and its row numbers alone, so that no reader has to begin again. */
  isCalm?: boolean;
}

/** Another process that writes the database until `stop`, which gives its account. */
class WriterProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(path: string, { seed, isCalm = false }: WriterOptions) {
    const args = [
      "run",
      "--allow-all",
      "--no-check",
      WRITER,
      path,
      String(seed),
      ...(isCalm ? ["calm"] : []),
    ];
    const piped = { stdin: "piped", stdout: "piped" } as const;
    this.#process = new Deno.Command(Deno.execPath(), { args, ...piped }).spawn();
    this.#lines = linesOf(this.#process.stdout);
  }

  /** Resolves once the first rows can be read. */
  static async start(path: string, options: WriterOptions): Promise<WriterProcess> {
    const writer = new WriterProcess(path, options);
    assert.equal((await writer.#lines.next()).value, "ready");
    return writer;
  }

  async stop(): Promise<WriterAccount> {
    await this.#process.stdin.close();
    const { value } = await this.#lines.next();
    await this.#process.status;
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** A message in one form for both sides. */
interface Told {
  conversation: string;
  sender: string | null;
  direction: string;
  text: string | null;
  sentAt: string;
  editedAt: string | null;
  retractedAt: string | null;
  attachments: string[];
  reactions: string[];
}

function isoTime(unixMs: number | null): string | null {
  return unixMs === null ? null : new Date(unixMs).toISOString();
}

function toldByWriter(message: WrittenMessage): Told {
  return {
    conversation: message.conversation,
    sender: message.sender,
    direction: message.sender === null ? "outgoing" : "incoming",
    text: message.text,
    sentAt: isoTime(message.sentAtMs) ?? "",
    editedAt: isoTime(message.editedAtMs),
    retractedAt: isoTime(message.retractedAtMs),
    attachments: message.attachments,
    reactions: message.reactions.map(({ kind, emoji, sender, reactedAtMs }) =>
      JSON.stringify([kind, emoji, sender, isoTime(reactedAtMs)])
    ).sort(),
  };
}

function toldToServer(conversation: string, message: SyncMessage): Told {
  return {
    conversation,
    sender: message.direction === "outgoing" ? null : message.senderId ?? null,
    direction: message.direction,
    text: message.text ?? null,
    sentAt: message.sentAt,
    editedAt: message.editedAt ?? null,
    retractedAt: message.retractedAt ?? null,
    attachments: message.attachments?.map(({ guid }) => guid) ?? [],
    reactions:
      message.reactions?.map(({ kind, emoji, senderId, reactedAt }) =>
        JSON.stringify([kind, emoji ?? null, senderId, reactedAt])
      ).sort() ?? [],
  };
}

/** What each side holds, by guid. */
function bothSides(account: StoredAccount, written: WriterAccount): [server: object, writer: object] {
  return [
    Object.fromEntries(
      [...account.messages].map(([guid, { conversation, message }]) =>
        [guid, toldToServer(conversation, message)] as const
      ).sort(byGuid),
    ),
    Object.fromEntries(
      written.messages.map((message) => [message.guid, toldByWriter(message)] as const).sort(byGuid),
    ),
  ];
}

function byGuid([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

async function untilEqual(account: StoredAccount, written: WriterAccount): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (Date.now() < deadlineMs) {
    const [server, writer] = bothSides(account, written);
    if (JSON.stringify(server) === JSON.stringify(writer)) return;
    await sleep(POLL_MS);
  }
  assert.deepEqual(...bothSides(account, written));
}

/** The agent's state as it publishes it; null while there is none. */
async function phaseOf(home: AgentHome): Promise<string | null> {
  const content = await home.dataFile("state.json");
  return content === null ? null : JSON.parse(content).phase;
}

/** Ends the writer, waits until the server has all it wrote, and ends the agent. */
async function assertAllArrives(
  home: AgentHome,
  { agent, writer, seed }: { agent: Deno.ChildProcess; writer: WriterProcess; seed: number },
): Promise<void> {
  const written = await writer.stop();
  await untilEqual(home.server.account, written).catch((error) => {
    throw new Error(`With seed ${seed}: ${error.message}`, { cause: error });
  });
  agent.kill("SIGTERM");
  const { code, stdout, stderr } = await agent.output();
  assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  assert.equal(await phaseOf(home), "stopped");
  const { conversations, messages } = home.server.account;
  const guids = [...conversations.values()].flatMap(({ guids }) => guids);
  assert.equal(guids.length, new Set(guids).size);
  assert.equal(guids.length, messages.size);
}

Deno.test(`an agent killed -9 ${KILLS} times while Messages writes ends with exactly what Messages holds`, async () => {
  await using home = await AgentHome.paired();
  const seed = Math.floor(Math.random() * 2 ** 31);
  await using writer = await WriterProcess.start(home.chatDb, { seed });
  for (let kill = 0; kill < KILLS; kill++) {
    const agent = spawnAgent(["run"], home);
    await sleep(SHORTEST_LIFE_MS + Math.random() * (LONGEST_LIFE_MS - SHORTEST_LIFE_MS));
    agent.kill("SIGKILL");
    assert.equal((await agent.output()).signal, "SIGKILL", `seed ${seed}`);
  }
  await assertAllArrives(home, { agent: spawnAgent(["run"], home), writer, seed });
});

Deno.test("an agent that stays sees every change without starting anew, while the server comes and goes", async () => {
  await using home = await AgentHome.paired();
  const seed = Math.floor(Math.random() * 2 ** 31);
  await using writer = await WriterProcess.start(home.chatDb, { seed, isCalm: true });
  const agent = spawnAgent(["run"], home);
  for (let outage = 0; outage < OUTAGES; outage++) {
    await sleep(UPTIME_MS);
    await home.server.stop();
    await sleep(Math.random() * UPTIME_MS);
    await home.server.listen();
  }
  await assertAllArrives(home, { agent, writer, seed });
});
