/** An agent's surroundings in a test: a data folder, a chat.db, an address book, and a contract server. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentConfigFrom } from "../../../agent/config.ts";
import { createAgentContext } from "../../../agent/context.ts";
import type { AgentContext } from "../../../agent/cli/agent_context.ts";
import type { Output } from "../../../agent/cli/output.ts";
import { runCli } from "../../../agent/cli/run_cli.ts";
import type { StateRow } from "../../../agent/state/agent_database.ts";
import { AgentStore } from "../../../agent/state/agent_store.ts";
import type { SyncCursor } from "../../../agent/state/stored_values.ts";
import { SyncState } from "../../../agent/state/sync_state.ts";
import { ChatDatabase } from "../../../agent/chatdb/file/chat_database.ts";
import { captureOf } from "../../../agent/sync/capture.ts";
import type { Capture } from "../../../contract/sync.ts";
import { messageOf, UserError } from "../../../lib/errors.ts";
import { ifPresent } from "../../../lib/files.ts";
import type { AgentRun } from "./agent_process.ts";
import { ContractServer } from "../server/contract_server.ts";

/** Output that a test can read. */
export interface CapturedOutput extends Output {
  readonly lines: string[];
  readonly errorLines: string[];
  /** Each state of the line that a terminal rewrites. */
  readonly rewrites: string[];
}

export function capturedOutput(isTerminal = false): CapturedOutput {
  const lines: string[] = [];
  const errorLines: string[] = [];
  const rewrites: string[] = [];
  const CLEARED_LINE = "\x1b[2K";
  function rewrite(text: string): void {
    if (text === CLEARED_LINE) rewrites.push("");
    else if (!text.startsWith("\x1b")) rewrites.push(text);
  }
  return {
    terminal: isTerminal ? { columns: 80, write: rewrite } : null,
    lines,
    errorLines,
    rewrites,
    line: (text) => void lines.push(text),
    errorLine: (text) => void errorLines.push(text),
  };
}

/** What an agent with this folder knows to have happened to the rows of a chat.db. */
export function captureIn({ dataDir, chatDb }: { dataDir: string; chatDb: string }): Capture {
  using database = new ChatDatabase(chatDb);
  return new AgentStore(dataDir, "sync").read((state) => captureOf(database, new SyncState(state)));
}

/** Messages of a batch: 2,000 rows of a bulk database, of which a few are no messages. */
const BATCH_MESSAGES = 1_900;

export interface HomeRunOptions {
  signal?: AbortSignal;
  output?: CapturedOutput;
}

/** A home with a running server. Disposing it stops the server and removes every file. */
export class AgentHome implements AsyncDisposable {
  readonly chatDb: string;
  readonly dataDir: string;
  readonly addressBook: string;

  private constructor(readonly dir: string, readonly server: ContractServer) {
    this.chatDb = join(dir, "chat.db");
    this.dataDir = join(dir, "data");
    this.addressBook = join(dir, "AddressBook");
  }

  static async create(): Promise<AgentHome> {
    const dir = await Deno.makeTempDir({ prefix: "agent-" });
    return new AgentHome(dir, await ContractServer.start());
  }

  /** A home whose agent is paired. */
  static async paired(): Promise<AgentHome> {
    const home = await AgentHome.create();
    await home.run("pair");
    return home;
  }

  /** Pairs at a server that has an owner: it asks for approval whatever `PAIRING` is. */
  async pairApproved(): Promise<void> {
    const asked = await this.run("pair");
    assert.equal(asked.code, 1);
    this.server.approve(/Code: (\d{6}) /.exec(asked.stdout)?.[1] ?? "");
    assert.equal((await this.run("pair --continue")).code, 0);
  }

  get env(): Record<string, string> {
    return {
      AGENT_SERVER_URL: this.server.url,
      AGENT_DATA_DIR: this.dataDir,
      AGENT_CHAT_DB: this.chatDb,
      AGENT_ADDRESS_BOOK: this.addressBook,
    };
  }

  /** The agent's services as the CLI has them, but for fewer retries and smaller rounds. */
  services(options: HomeRunOptions = {}): AgentContext {
    const output = options.output ?? capturedOutput();
    const config = agentConfigFrom(this.env);
    return createAgentContext(config, {
      output,
      signal: options.signal,
      retries: 1,
      batchMessages: BATCH_MESSAGES,
      os: "linux",
    });
  }

  /** Runs a command line in this process, as `agent/main.ts` does in its own. */
  async run(commandLine: string, options: HomeRunOptions = {}): Promise<AgentRun> {
    const output = options.output ?? capturedOutput();
    const textOf = (lines: string[]) => lines.map((line) => `${line}\n`).join("");
    try {
      const services = () => this.services({ ...options, output });
      const code = await runCli(commandLine.split(" "), { output, services });
      return { code, stdout: textOf(output.lines), stderr: textOf(output.errorLines) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return {
        code: 1,
        stdout: textOf(output.lines),
        stderr: textOf([...output.errorLines, messageOf(error)]),
      };
    }
  }

  /** The content of a file of the agent's data folder; null when there is none. */
  async dataFile(name: string): Promise<string | null> {
    return await Deno.readTextFile(join(this.dataDir, name)).catch(() => null);
  }

  get #store(): AgentStore {
    return new AgentStore(this.dataDir, "sync");
  }

  /** How far the agent has synced; null before its first sync. */
  get cursor(): SyncCursor | null {
    return this.#store.read((database) => new SyncState(database).cursor);
  }

  /** Rows of a query on agent.db. */
  stateRows(sql: string): StateRow[] {
    return this.#store.read((database) => database.all(sql));
  }

  /** All that agent.db says of the sync, to be compared. */
  syncState(): unknown {
    return { cursor: this.cursor, rows: this.stateRows("SELECT * FROM seen_rows ORDER BY row_id") };
  }

  /** Makes the agent forget what it has synced. */
  async forgetState(): Promise<void> {
    for (const part of ["", "-wal", "-shm"]) {
      await ifPresent(Deno.remove(join(this.dataDir, `agent.db${part}`)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await Deno.remove(this.dir, { recursive: true });
  }
}
