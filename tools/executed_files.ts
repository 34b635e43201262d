/**
 * Lists the files of a tree that run for one message, from chat.db to PostgreSQL, and for one draft.
 *
 * `deno task ways [FOLDER]`: starts ml on a tiny model, the server and the agent of that tree, each as a process of its
 * own.
 *
 * A file is on the way of a message when it has a function that is called for each message: for MANY messages that are
 * written at once, at least MANY - 1 times more often than for one. What runs once for each sync, whatever it carries, is
 * not counted; what is called several times for a message counts once. A file is on the way of a draft when one of its
 * functions runs each time a draft is asked for, and does not when something else is asked of the services.
 */

import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { writeLine } from "../lib/log.ts";
import { type ChatDb, createChatDb } from "../tests/support/chat_db/chat_db_fixture.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import { choosePort } from "./service_process.ts";

/** Long enough for the agent's poll and for the server's periodic work. */
const PAUSE_MS = 6_000;
/** Until a process has started to count. */
const START_MS = 300;
/** How often each thing is done. */
const REPEATS = 2;
const SENDER = "+15550100001";
const PROBE = fileURLToPath(new URL("execution_probe.ts", import.meta.url));

/** So many messages are written at once to see what is done for each. */
const MANY = 41;

/** How often each function was called, by its name and place in the file. */
type Calls = ReadonlyMap<string, number>;
/** From each file that ran, as a path from the tree's root, to its functions that ran. */
type Executed = ReadonlyMap<string, Calls>;

/** A program of the tree that counts what it runs. */
class ProbedProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #report: string;
  readonly #root: string;

  constructor(root: string, entry: readonly string[], env: Record<string, string>) {
    this.#root = root;
    this.#report = Deno.makeTempFileSync();
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `--preload=${PROBE}`, ...entry],
      cwd: root,
      env: { ...env, PROBE_FILE: this.#report },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  startCounting(): void {
    this.#child.kill("SIGWINCH");
  }

  async stopCounting(): Promise<Executed> {
    await Deno.remove(this.#report).catch(() => {});
    this.#child.kill("SIGUSR2");
    const text = await until(() => Deno.readTextFile(this.#report));
    const base = `file://${this.#root}/`;
    const scripts: { url: string; functions: [name: string, place: number, calls: number][] }[] = JSON.parse(
      text,
    );
    return new Map(
      scripts.filter(({ url }) => url.startsWith(base) && !url.startsWith(`${base}tools/`))
        .map(({ url, functions }) => [
          url.slice(base.length),
          new Map(functions.map(([name, place, calls]) => [`${name}@${place}`, calls])),
        ]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await Deno.remove(this.#report).catch(() => {});
  }
}

/** Repeats a look until it finds something. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await sleep(100);
  }
  throw new Error("Waited a minute in vain: start the tree's services by hand to see why");
}

/** The server as the owner's device sees it. */
class Owner {
  #token = "";
  constructor(readonly url: string) {}

  async request(path: string, body?: unknown): Promise<Record<string, never>> {
    const response = await fetch(this.url + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.#token}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return await response.json();
  }

  async pair(): Promise<void> {
    const device = { name: "Owner", hardwareId: "OWNER", platform: "macos", osVersion: "15.0" };
    const { deviceId, code } = await this.request("/api/devices/register", device);
    this.#token = (await this.request("/api/devices/verify", { deviceId, code })).token ?? "";
  }

  /** Waits for a message with this text; its id. */
  async messageId(text: string): Promise<string> {
    return await until(async () => {
      const conversations: { id: string }[] = (await this.request("/api/conversations")).conversations ?? [];
      const path = `/api/conversations/${conversations[0]?.id}/messages`;
      const messages: { id: string; text: string }[] = (await this.request(path)).messages ?? [];
      return messages.find((message) => message.text === text)?.id;
    });
  }

  async draft(text: string): Promise<void> {
    const messageId = await this.messageId(text);
    await this.request("/api/responses/generate", { messageId, context: { maxTokens: 8 } });
  }
}

/** What runs in each process each time that `work` is done. */
async function executedBy(
  processes: readonly ProbedProcess[],
  work: (turn: number) => Promise<void>,
): Promise<Executed[]> {
  const turns: Executed[][] = [];
  for (let turn = 0; turn < REPEATS; turn++) {
    for (const process of processes) process.startCounting();
    await sleep(START_MS);
    await work(turn);
    turns.push(await Promise.all(processes.map((process) => process.stopCounting())));
  }
  return processes.map((_, index) => {
    const [first = new Map(), ...others] = turns.map((turn): Executed => turn[index] ?? new Map());
    return new Map([...first].filter(([file]) => others.every((other) => other.has(file))));
  });
}

/** The files that ran, but for those that run without the work as well. */
function beyond(ran: readonly Executed[], without: readonly Executed[]): Executed[] {
  return ran.map((executed, index) => new Map([...executed].filter(([file]) => !without[index]?.has(file))));
}

/** The files with a function that was called for each of the messages, and these functions. */
function calledForEach(one: readonly Executed[], many: readonly Executed[]): Executed[] {
  return many.map((executed, index) =>
    new Map(
      [...executed].map(([file, calls]): [string, Calls] => {
        const before = one[index]?.get(file);
        const grown = [...calls].filter(([name, count]) => count - (before?.get(name) ?? 0) >= MANY - 1);
        return [file, new Map(grown)];
      }).filter(([, calls]) => calls.size > 0),
    )
  );
}

function show(title: string, ways: readonly Executed[], ran: readonly Executed[]): void {
  const files = ways.flatMap((executed) => [...executed]).sort();
  const all = ran.reduce((sum, executed) => sum + executed.size, 0);
  // A file that runs in two processes is one file.
  const count = new Set(files.map(([file]) => file)).size;
  writeLine(`\n${title}: ${count} files, of ${all} that ran`);
  for (const [file, calls] of files) {
    const names = [...calls.keys()].map((name) => name.slice(0, name.lastIndexOf("@")));
    writeLine(`  ${file}: ${[...new Set(names)].join(" ")}`);
  }
}

/** Lets the agent of the tree pair with the owner's approval. */
async function pairAgent(root: string, env: Record<string, string>, owner: Owner): Promise<void> {
  const pair = async (...options: string[]): Promise<string> => {
    const args = ["run", "-A", "--no-check", "agent/main.ts", "pair", ...options];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: root, env }).output();
    return new TextDecoder().decode(stdout);
  };
  const code = /\b\d{6}\b/.exec(await pair())?.[0];
  await owner.request("/api/devices/link", { code });
  await pair("--continue");
}

interface Programs {
  readonly agent: ProbedProcess;
  readonly server: ProbedProcess;
  readonly ml: ProbedProcess;
  readonly owner: Owner;
  readonly mlUrl: string;
  readonly db: ChatDb;
}

async function startPrograms(root: string, stack: AsyncDisposableStack): Promise<Programs> {
  const dir = await Deno.makeTempDir({ prefix: "ways-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const [serverPort, mlPort] = [String(choosePort()), String(choosePort())];
  const mlUrl = `http://127.0.0.1:${mlPort}`;
  const owner = new Owner(`http://127.0.0.1:${serverPort}`);
  const [model, chatDb] = [join(dir, "tiny.gguf"), join(dir, "chat.db")];
  await buildTinyGguf({ path: model });
  const mlEnv = { ML_PORT: mlPort, DATA_DIR: join(dir, "ml"), MODEL: model, GPU: "off", THREADS: "1" };
  const ml = stack.use(new ProbedProcess(root, ["ml/main.ts"], mlEnv));
  const serverEnv = {
    SERVER_PORT: serverPort,
    DATA_DIR: join(dir, "server"),
    DATABASE_URL: "",
    ML_URL: mlUrl,
  };
  const server = stack.use(new ProbedProcess(root, ["server/main.ts"], { ...serverEnv, PAIRING: "approve" }));
  await until(async () => (await owner.request("/health")).status);
  await until(async () => (await (await fetch(`${mlUrl}/health`)).json()).model_loaded || undefined);
  await owner.pair();
  const db = stack.adopt(createChatDb(chatDb), (opened) => opened.close());
  const agentEnv = {
    AGENT_SERVER_URL: owner.url,
    AGENT_DATA_DIR: join(dir, "agent"),
    AGENT_CHAT_DB: chatDb,
    AGENT_ADDRESS_BOOK: join(dir, "AddressBook"),
  };
  await pairAgent(root, agentEnv, owner);
  const agent = stack.use(new ProbedProcess(root, ["agent/main.ts", "run"], agentEnv));
  return { agent, server, ml, owner, mlUrl, db };
}

async function main(root: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { agent, server, ml, owner, mlUrl, db } = await startPrograms(root, stack);
  const chat = db.addChat({ identifier: SENDER });
  const write = (text: string) => db.addMessage({ chat, text, from: SENDER, sentAt: new Date() });
  for (const text of ["first", "second"]) {
    write(text);
    await owner.draft(text);
  }
  await sleep(PAUSE_MS);
  const sync = async (count: number) =>
    await executedBy([agent, server], async (turn) => {
      db.store.atomically(() => {
        for (let index = 0; index < count; index++) write(`message ${turn} of ${count}`);
      });
      await sleep(PAUSE_MS);
    });
  const [one, many] = [await sync(1), await sync(MANY)];
  await until(async () => (await owner.messageId(`message ${REPEATS - 1} of ${MANY}`)) || undefined);
  const drafted = await executedBy([server, ml], (turn) => owner.draft(`message ${turn} of ${MANY}`));
  const asked = await executedBy([server, ml], async () => {
    await fetch(`${mlUrl}/models`);
    await owner.messageId(`message 0 of ${MANY}`);
    await sleep(PAUSE_MS);
  });
  show("A message", calledForEach(one, many), many);
  show("A draft", beyond(drafted, asked), drafted);
}

await main(resolve(Deno.args[0] ?? "."));
