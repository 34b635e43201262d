/** Runs ml and server as child processes, by their tasks or as built programs: log file, readiness, clean end. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { withDeadline } from "../lib/async.ts";
import { UserError } from "../lib/errors.ts";
import denoJson from "../deno.json" with { type: "json" };

export type ServiceName = "server" | "ml" | "agent";

/** The checkout's root: tasks are run from here. */
export const PROJECT_ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The arguments of `deno` for a task of deno.json, so that its permissions are written once. */
export function taskArguments(name: ServiceName): string[] {
  const [program, ...rest] = denoJson.tasks[name].command.split(" ");
  if (program !== "deno") throw new TypeError(`The task ${name} must begin with deno: got ${program}`);
  return rest;
}

/**
 * What starts a service, without its arguments: its task, or its program in the folder that `PROGRAMS_DIR` names. A release
 * passes the tests of running services with that, on the programs that it publishes.
 */
function serviceCommand(name: ServiceName): [string, ...string[]] {
  const folder = Deno.env.get("PROGRAMS_DIR") ?? "";
  const program = join(folder, `conversation-${name}`);
  if (folder !== "" && existsSync(program)) return [program];
  return [Deno.execPath(), ...taskArguments(name)];
}

export interface ServiceOptions {
  name: "server" | "ml";
  /** Added to this process's environment. */
  env: Record<string, string>;
  /** Where its output goes: this terminal, or a file. */
  output: "inherit" | { file: string };
  url: string;
  /** Called with each answer of `/health`; true ends the wait. */
  isReady?: (health: Record<string, unknown>) => boolean;
  readyTimeoutMs?: number;
}

const READY_POLL_MS = 100;
const STOP_DEADLINE_MS = 20_000;

/** A running service. Disposing it stops it and waits for its end. */
export class ServiceProcess implements AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  #running = true;

  private constructor(child: Deno.ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    this.pid = child.pid;
    this.ended = child.status.then((status) => {
      this.#running = false;
      return status;
    });
  }

  /**
   * Starts a service and waits until it answers.
   *
   * @throws UserError when it ends or stays silent instead
   */
  static async start(options: ServiceOptions): Promise<ServiceProcess> {
    const toFile = options.output !== "inherit";
    const [program, ...args] = serviceCommand(options.name);
    const child = new Deno.Command(program, {
      args,
      cwd: PROJECT_ROOT,
      env: { OTEL_SERVICE_NAME: options.name, ...options.env },
      stdin: "null",
      stdout: toFile ? "piped" : "inherit",
      stderr: toFile ? "piped" : "inherit",
    }).spawn();
    if (options.output !== "inherit") pipeToFile(child, options.output.file);
    const service = new ServiceProcess(child, options.url);
    try {
      await service.#waitUntilReady(options);
      return service;
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #waitUntilReady(options: ServiceOptions): Promise<void> {
    const isReady = options.isReady ?? (() => true);
    const deadline = Date.now() + (options.readyTimeoutMs ?? 120_000);
    while (this.#running && Date.now() < deadline) {
      const health = await fetch(`${options.url}/health`, { signal: AbortSignal.timeout(2_000) })
        .then((response) => response.json())
        .catch(() => null);
      if (health !== null && isReady(health)) return;
      await Promise.race([sleep(READY_POLL_MS), this.ended]);
    }
    const what = this.#running ? "did not get ready in time" : "ended at its start";
    const where = options.output === "inherit" ? "its lines above say why" : `see ${options.output.file}`;
    throw new UserError(`The ${options.name} service ${what}: ${where}`);
  }

  /** Ends the service without giving it a chance to clean up. */
  kill(): void {
    if (this.#running) this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running) this.#child.kill("SIGTERM");
    if (!await withDeadline(this.ended, STOP_DEADLINE_MS)) this.kill();
    await this.ended;
  }
}

/** Both streams of the child, in the order they arrive, until it ends. */
function pipeToFile(child: Deno.ChildProcess, path: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  const file = Deno.openSync(path, { create: true, append: true, write: true });
  async function copy(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) file.writeSync(chunk);
  }
  Promise.all([copy(child.stdout), copy(child.stderr)]).finally(() => file.close());
}

/** Whether nobody listens at a port of this machine's loopback address. */
export function isPortFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/**
 * A port that is free on this machine's loopback address, the preferred one if it is.
 *
 * The others lie below the ports that systems give to outgoing connections, so that a service which is restarted on
 * its port finds it free again.
 */
export function choosePort(preferred?: number): number {
  const others = Array.from({ length: 20 }, () => 20_000 + Math.floor(Math.random() * 12_000));
  const port = (preferred === undefined ? others : [preferred, ...others]).find(isPortFree);
  if (port === undefined) throw new UserError("There is no free port on 127.0.0.1");
  return port;
}

/** A path inside the checkout. */
export function projectPath(...parts: string[]): string {
  return join(PROJECT_ROOT, ...parts);
}
