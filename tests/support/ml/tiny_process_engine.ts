/** Runs tests with the engine in a process of its own, on the tiny model; its log says when the process starts and ends. */
import { join } from "node:path";
import { Notifier } from "../../../lib/async.ts";
import { delay } from "../../../lib/backoff.ts";
import { createLogger } from "../../../lib/log.ts";
import { createMetrics, type Metrics } from "../../../lib/metrics.ts";
import type { Engine } from "../../../ml/engine/engine.ts";
import { createProcessEngine, type ProcessEngineOptions } from "../../../ml/engine/process/process_engine.ts";
import { inTempDir } from "../process/temp_dir.ts";
import { buildTinyGguf } from "./tiny_gguf.ts";

const POLL_MS = 10;

/** What the engine's log has said of its processes so far. */
export class EngineProcesses {
  /** Every process that has started, in order. */
  readonly pids: number[] = [];
  /** Messages of the log, in order. */
  readonly messages: string[] = [];
  readonly #changes = new Notifier();

  readonly log = createLogger({
    pretty: false,
    write: (line) => {
      const { message, pid } = JSON.parse(line);
      this.messages.push(message);
      if (typeof pid === "number") this.pids.push(pid);
      this.#changes.notify();
    },
  });

  /** The newest process. */
  get pid(): number {
    return this.pids.at(-1) ?? NaN;
  }

  /** Resolves once the log has said more than what it had said so far, if need be, of what `isReached` asks for. */
  async until(isReached: () => boolean): Promise<void> {
    for (let next = this.#changes.next; !isReached(); next = this.#changes.next) await next;
  }

  /** Kills the newest process and waits until the engine has noticed. */
  async kill(): Promise<void> {
    const noticed = this.crashes + 1;
    Deno.kill(this.pid, "SIGKILL");
    await this.until(() => this.crashes === noticed);
  }

  /** How often the engine has noticed a crash or a start that failed. */
  get crashes(): number {
    return this.messages.filter((message) => message.endsWith("process is started again")).length;
  }
}

/** Whether a process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** Resolves once a process that is no child of this one has ended. */
export async function ended(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(POLL_MS);
}

export interface TinyProcessEngine {
  engine: Engine;
  processes: EngineProcesses;
  metrics: Metrics;
  /** The model's file; its id is "tiny". */
  path: string;
  /** A folder for more files. */
  dir: string;
}

/** Runs a test with an engine that has the tiny model loaded in its process. */
export async function withTinyProcessEngine(
  options: Partial<ProcessEngineOptions>,
  use: (tiny: TinyProcessEngine) => Promise<void>,
): Promise<void> {
  await inTempDir(async (dir) => {
    const path = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const processes = new EngineProcesses();
    const metrics = createMetrics();
    await using engine = createProcessEngine({
      gpu: "off",
      threads: 1,
      sequences: 2,
      contextSize: 512,
      queueLimit: 4,
      adapterContexts: 2,
      keepAliveSeconds: null,
      logLevel: "info",
      metrics,
      log: processes.log,
      ...options,
    });
    await engine.load({ id: "tiny", path });
    await use({ engine, processes, metrics, path, dir });
  });
}
