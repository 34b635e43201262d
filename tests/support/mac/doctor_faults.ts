/** Every fault that the doctor can find, made for real on a Mac that is otherwise well: for its test and its manual. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { AgentContext } from "../../../agent/cli/agent_context.ts";
import { doctorCommand, doctorLines } from "../../../agent/cli/doctor_command.ts";
import { serviceCommand } from "../../../agent/cli/service_command.ts";
import type { Finding } from "../../../agent/doctor/finding.ts";
import type { CommandRunner } from "../../../agent/platform/command_runner.ts";
import { createMessagesApp } from "../../../agent/platform/messages_app.ts";
import { createScriptHost, OSASCRIPT } from "../../../agent/platform/osascript.ts";
import { type AgentState, agentStateStore } from "../../../agent/run/agent_state.ts";
import { createChatDb } from "../chat_db/chat_db_fixture.ts";
import { runBoundByFileModes } from "../process/bound_process.ts";
import { writeAddressBook } from "./address_book_fixture.ts";
import { AgentHome, capturedOutput } from "./agent_home.ts";
import { FakeLaunchctl } from "./fake_launchctl.ts";
import { WATCHING } from "./menubar_inputs.ts";
import { type RecordedAnswer, RecordedCommands } from "./recorded_commands.ts";

const ROOT = new URL("../../../", import.meta.url);
const FREE_BYTES = 50 * 1024 ** 3;

/** A Mac on which all is well: a chat.db with a message, an address book, a paired agent, a running service. */
export async function healthyMac(): Promise<{ home: AgentHome; mac: Mac }> {
  const home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: "+15550100001" });
  db.addMessage({ chat, from: "+15550100001", text: "hello", sentAt: "2026-01-01T10:00:00Z" });
  writeAddressBook(home.addressBook, [{ firstName: "Ada", phones: ["+15550100001"] }]);
  const mac = new Mac(home);
  await mac.installService();
  return { home, mac };
}

/** What only macOS can answer, as a test sets it. */
export class Mac implements AsyncDisposable {
  readonly #running = new AsyncDisposableStack();
  readonly launchctl = new FakeLaunchctl();
  freeBytes = FREE_BYTES;
  automation: RecordedAnswer = { stdout: "allowed\n" };

  constructor(readonly home: AgentHome) {}

  services(output = capturedOutput()): AgentContext {
    const scripts = new RecordedCommands(() => this.automation);
    const commands: CommandRunner = {
      run: (command, request) => (command[0] === OSASCRIPT ? scripts : this.launchctl).run(command, request),
    };
    return {
      ...this.home.services({ output }),
      commands,
      messages: createMessagesApp(createScriptHost(commands)),
      machine: {
        os: "darwin",
        homeDir: () => this.home.dir,
        userId: () => 501,
        freeBytes: () => Promise.resolve(this.freeBytes),
      },
    };
  }

  async installService(): Promise<void> {
    assert.equal(await serviceCommand({ action: "install" }, this.services()), 0);
  }

  /** An agent runs until this Mac is disposed, and has written down this state. */
  async agentRuns(state: AgentState): Promise<void> {
    const { lock, config } = this.services();
    await agentStateStore(config.dataDir).save(state);
    this.#running.use(await lock("run"));
  }

  /** Another web server answers at the server's address until this Mac is disposed. */
  async answersWithAnotherSite(): Promise<void> {
    const { hostname, port } = new URL(this.home.server.url);
    await this.home.server.stop();
    const handler = () => new Response("<h1>Not Found</h1>", { status: 404 });
    this.#running.use(Deno.serve({ hostname, port: Number(port), onListen: () => {} }, handler));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }

  async doctor(): Promise<{ code: number; findings: Finding[] }> {
    const output = capturedOutput();
    const code = await doctorCommand({ json: true }, this.services(output));
    return { code, findings: JSON.parse(output.lines[0] ?? "").findings };
  }
}

/** The lines of a finding with the paths of a person's Mac in place of the test's, as docs/agent.md shows them. */
export function documented(finding: Finding, home: AgentHome): string {
  const library = "/Users/me/Library";
  const moved = JSON.stringify(finding)
    .replaceAll(home.addressBook, `${library}/Application Support/AddressBook`)
    .replaceAll(home.dataDir, `${library}/Application Support/Conversation Assistant`)
    .replaceAll(home.dir, `${library}/Messages`)
    .replaceAll(home.server.url, "http://127.0.0.1:3100")
    .replaceAll(Deno.execPath(), "/Applications/Conversation Assistant.app")
    .replaceAll(/os error \d+/g, "os error 61")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, "2026-06-01 12:00");
  return doctorLines([JSON.parse(moved)]).slice(0, -2).join("\n");
}

export interface DoctorFault {
  make: (home: AgentHome, mac: Mac) => unknown;
  id: Finding["id"];
  status: "warning" | "failure";
  /** Other findings that the same fault brings along. */
  also?: Record<string, string>;
}

export const FAULTS: Record<string, DoctorFault> = {
  "a server that is down": {
    make: ({ server }) => server.stop(),
    id: "server",
    status: "failure",
    also: { pairing: "warning" },
  },
  "a web server that is not ours": {
    make: (_, mac) => mac.answersWithAnotherSite(),
    id: "server",
    status: "failure",
    also: { pairing: "warning" },
  },
  "a server that fails": {
    make: ({ server }) => {
      server.interfere = () => ({ status: "database_unavailable", retryAfterSeconds: 30 });
    },
    id: "server",
    status: "failure",
    also: { pairing: "warning" },
  },
  "a token that was revoked": {
    make: ({ server }) => server.deactivateAll(),
    id: "pairing",
    status: "failure",
  },
  "a token that has expired": {
    make: ({ server }) => server.expireTokens(),
    id: "pairing",
    status: "failure",
  },
  "no pairing": {
    make: ({ dataDir }) => Deno.remove(join(dataDir, "pairing.json")),
    id: "pairing",
    status: "failure",
  },
  "a pairing without its token": {
    make: ({ dataDir }) => Deno.remove(join(dataDir, "token")),
    id: "pairing",
    status: "failure",
  },
  "a missing chat.db": {
    make: ({ chatDb }) => removeDatabase(chatDb),
    id: "messages_database",
    status: "failure",
  },
  "a chat.db that is cut short": {
    make: async ({ chatDb }) => {
      await Deno.remove(`${chatDb}-wal`).catch(() => {});
      await Deno.truncate(chatDb, 40_960);
    },
    id: "messages_database",
    status: "failure",
  },
  "a chat.db of another program": {
    make: async ({ chatDb }) => {
      await removeDatabase(chatDb);
      await Deno.writeTextFile(chatDb, "Dear diary, ".repeat(1_000));
    },
    id: "messages_database",
    status: "failure",
  },
  "a chat.db without messages": {
    make: async ({ chatDb }) => {
      await removeDatabase(chatDb);
      createChatDb(chatDb).close({ checkpoint: true });
    },
    id: "messages_database",
    status: "warning",
  },
  "no address book": {
    make: ({ addressBook }) => Deno.remove(addressBook, { recursive: true }),
    id: "address_book",
    status: "warning",
  },
  "a clock that is behind": {
    make: ({ server }) => server.clockAheadMs = 5 * 60_000,
    id: "clock",
    status: "warning",
  },
  "a clock that is far ahead": {
    make: ({ server }) => server.clockAheadMs = -3_600_000,
    id: "clock",
    status: "failure",
  },
  "a running agent that may not read what the terminal may": {
    make: (_, mac) =>
      mac.agentRuns({
        ...WATCHING,
        phase: "database_unreadable",
        lastError: {
          code: "permission_denied",
          message: "It may not be read",
          fix: "Allow it",
          at: WATCHING.since,
        },
      }),
    id: "agent",
    status: "failure",
  },
  "a running agent that hit an error": {
    make: (_, mac) =>
      mac.agentRuns({
        ...WATCHING,
        phase: "failed",
        lastError: {
          code: "unexpected",
          message: "Something unexpected went wrong",
          fix: "Read the last lines of the agent's log",
          at: WATCHING.since,
        },
      }),
    id: "agent",
    status: "failure",
  },
  "a full disk": { make: (_, mac) => mac.freeBytes = 150 * 1024 ** 2, id: "disk", status: "failure" },
  "a disk that is filling up": {
    make: (_, mac) => mac.freeBytes = 1.5 * 1024 ** 3,
    id: "disk",
    status: "warning",
  },
  "Automation denied": {
    make: (_, mac) => {
      const stderr = "execution error: Not authorized to send Apple events to Messages. (-1743)\n";
      mac.automation = { code: 1, stderr };
    },
    id: "automation",
    status: "warning",
  },
  "Messages not running": {
    make: (_, mac) => mac.automation = { stdout: "not running\n" },
    id: "automation",
    status: "warning",
  },
  "Messages that does not answer": {
    make: (_, mac) => mac.automation = null,
    id: "automation",
    status: "warning",
  },
  "no service": {
    make: async ({ dir }, mac) => {
      await Deno.remove(join(dir, "Library"), { recursive: true });
      mac.launchctl.loaded = false;
    },
    id: "service",
    status: "warning",
  },
  "a service switched off": {
    make: (_, mac) => mac.launchctl.disabled = true,
    id: "service",
    status: "failure",
  },
  "a service that is not loaded": {
    make: (_, mac) => mac.launchctl.loaded = false,
    id: "service",
    status: "failure",
  },
  "a service that keeps ending": {
    make: (_, mac) => Object.assign(mac.launchctl, { pid: null, lastExitCode: 1 }),
    id: "service",
    status: "failure",
  },
  "a service with other settings": {
    make: async ({ dir }) => {
      const path = join(dir, "Library/LaunchAgents/app.conversation-assistant.agent.plist");
      await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace("AGENT_CHAT_DB", "AGENT_OLD"));
    },
    id: "service",
    status: "warning",
  },
};

async function removeDatabase(path: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await Deno.remove(path + suffix).catch(() => {});
}

/** Runs the doctor as a user whom file modes bind, and returns what it prints as JSON. */
export async function doctorBoundByFileModes(home: AgentHome): Promise<Finding[]> {
  const module = (path: string) => JSON.stringify(new URL(path, ROOT).href);
  const stdout = await runBoundByFileModes(`
    import { agentConfigFrom } from ${module("agent/config.ts")};
    import { createAgentContext } from ${module("agent/context.ts")};
    import { processOutput } from ${module("agent/cli/output.ts")};
    import { doctorCommand } from ${module("agent/cli/doctor_command.ts")};
    const config = agentConfigFrom({ HOME: "/", ...${JSON.stringify(home.env)} }, "linux");
    await doctorCommand({ json: true }, createAgentContext(config, { output: processOutput(), os: "linux" }));
  `);
  return JSON.parse(stdout).findings;
}

export interface DeniedPath {
  path: (home: AgentHome) => string;
  /** By default nobody may do anything with it. */
  mode?: number;
  id: Finding["id"];
}

export const DENIED: Record<string, DeniedPath> = {
  "a chat.db that may not be opened": { path: ({ chatDb }) => chatDb, id: "full_disk_access" },
  "an address book that may not be listed": { path: ({ addressBook }) => addressBook, id: "address_book" },
  "a data folder that may not be written": { path: ({ dataDir }) => dataDir, mode: 0o555, id: "disk" },
};
