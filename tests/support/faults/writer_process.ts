/** Runs another process that writes a chat.db as Messages does and records what it wrote. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { textLinesOf } from "../../../lib/async.ts";
import type { WriterAccount, WriterOptions } from "./messages_writer.ts";

const WRITER = fileURLToPath(new URL("./messages_writer.ts", import.meta.url));

/** Writes the database until `stop`, which gives its account. */
export class WriterProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(path: string, options: WriterOptions) {
    const args = ["run", "--allow-all", "--no-check", WRITER, path, JSON.stringify(options)];
    const piped = { stdin: "piped", stdout: "piped" } as const;
    this.#process = new Deno.Command(Deno.execPath(), { args, ...piped }).spawn();
    this.#lines = textLinesOf(this.#process.stdout);
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
