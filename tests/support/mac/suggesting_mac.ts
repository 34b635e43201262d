/** A Mac whose agent is paired with a real server and has synced: a chat.db, and drafts by an ml of the test's own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentConfigFrom } from "../../../agent/config.ts";
import { createAgentContext } from "../../../agent/context.ts";
import type { AgentContext } from "../../../agent/cli/agent_context.ts";
import { runCli } from "../../../agent/cli/run_cli.ts";
import type { DraftClient } from "../../../agent/clients/draft_client.ts";
import type { SendDependencies } from "../../../agent/suggest/send/send_reply.ts";
import { requirePairing } from "../../../agent/pairing/pairing.ts";
import { deviceResponseSchema } from "../../../contract/devices.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { messageOf, UserError } from "../../../lib/errors.ts";
import { type CapturedOutput, capturedOutput } from "./agent_home.ts";
import type { AgentRun } from "./agent_process.ts";
import { type Chat, type ChatDb, createChatDb, type Message } from "../chat_db/chat_db_fixture.ts";
import { fakeOsascript, type FakeSending } from "./fake_osascript.ts";
import { sendDependencies } from "./send_reply_process.ts";
import { serveApp, type ServedApp, type ServedAppOptions } from "../server/served_app.ts";

export const ADA = "+15550100001";
export const GRACE = "+15550100002";

export interface MacServicesOptions {
  output?: CapturedOutput;
  sending?: SendDependencies;
  /** By default the server that runs. */
  serverUrl?: string | null;
}

/** Disposing it stops the server and removes every file. */
export class SuggestingMac implements AsyncDisposable {
  readonly chats = new Map<string, Chat>();
  #minute = 0;

  private constructor(readonly dir: string, readonly served: ServedApp, readonly db: ChatDb) {}

  /** With `approve` the agent is not paired yet: somebody must vouch for it. */
  static async create(options: Pick<ServedAppOptions, "pairing" | "rewrite"> = {}): Promise<SuggestingMac> {
    const { pairing = "open" } = options;
    const dir = await Deno.makeTempDir({ prefix: "suggesting-" });
    const mac = new SuggestingMac(
      dir,
      await serveApp({ ...options, pairing }),
      createChatDb(join(dir, "chat.db")),
    );
    await Deno.mkdir(join(dir, "AddressBook"));
    if (pairing === "approve") return mac;
    const { code, stderr } = await mac.run("pair");
    assert.equal(code, 0, stderr);
    return mac;
  }

  /** A message of `person` in the chat of two, a minute after the one before. */
  receive(person: string, text: string): Message {
    return this.#write(person, { from: person, text });
  }

  /** A message of the owner in the chat of two, a minute after the one before. */
  answer(person: string, text: string): Message {
    return this.#write(person, { from: "me", text });
  }

  /** Vouches for a code as another device of the owner's. */
  async approve(token: string, code: string): Promise<void> {
    await this.served.app.expect(SERVER_PATHS.linkDevice, {
      token,
      body: { code },
      schema: deviceResponseSchema,
    });
  }

  async sync(): Promise<void> {
    const { code, stderr } = await this.run("sync", "--once");
    assert.equal(code, 0, stderr);
  }

  /** The agent's services as the CLI has them; `sending` makes replies go through a program of the test's own. */
  services(options: MacServicesOptions = {}): AgentContext {
    const { output = capturedOutput(), sending, serverUrl } = options;
    const config = agentConfigFrom({
      AGENT_SERVER_URL: serverUrl ?? this.served.url,
      AGENT_DATA_DIR: join(this.dir, "data"),
      AGENT_CHAT_DB: join(this.dir, "chat.db"),
      AGENT_ADDRESS_BOOK: join(this.dir, "AddressBook"),
    });
    const services = createAgentContext(config, { output, retries: 1, os: "linux" });
    return sending === undefined ? services : { ...services, sending: () => sending };
  }

  /** What sending needs, with Messages played by a real program. */
  async sending(how: FakeSending = "deliver"): Promise<SendDependencies & { program: string }> {
    const chatDb = join(this.dir, "chat.db");
    const osascript = await fakeOsascript({ dir: this.dir, chatDb, sending: how });
    return {
      ...sendDependencies({ chatDb, dataDir: join(this.dir, "data"), osascript }),
      program: osascript,
    };
  }

  async client(): Promise<DraftClient> {
    const services = this.services();
    return services.drafts((await requirePairing(services.pairing)).token);
  }

  /** Runs a command line, on a Linux machine. */
  run(...args: string[]): Promise<AgentRun> {
    return this.#run(args);
  }

  /** Runs a command line as on a Mac, with Messages played by a program of the test's own. */
  runSending(sending: SendDependencies, ...args: string[]): Promise<AgentRun> {
    return this.#run(args, sending);
  }

  #write(person: string, { from, text }: { from: string; text: string }): Message {
    const chat = this.chats.get(person) ?? this.db.addChat({ identifier: person });
    this.chats.set(person, chat);
    const sentAt = new Date(Date.now() - 3_600_000 + this.#minute++ * 60_000);
    return this.db.addMessage({ chat, from, text, sentAt });
  }

  async #run(args: string[], sending?: SendDependencies): Promise<AgentRun> {
    const output = capturedOutput();
    const textOf = (lines: string[]) => lines.map((line) => `${line}\n`).join("");
    const errorLines: string[] = [];
    const code = await runCli(args, { output, services: () => this.services({ output, sending }) }).catch(
      (error) => {
        if (!(error instanceof UserError)) throw error;
        errorLines.push(messageOf(error));
        return 1;
      },
    );
    return { code, stdout: textOf(output.lines), stderr: textOf([...output.errorLines, ...errorLines]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.db.close();
    await this.served[Symbol.asyncDispose]();
    await Deno.remove(this.dir, { recursive: true });
  }
}
