/** An agent on a disk of its own, small enough for a test to fill: a tmpfs in a mount namespace. */
import { join } from "node:path";
import { isDiskFull } from "../../../agent/platform/private_file.ts";
import { writeErrorLine } from "../../../lib/log.ts";
import { type AgentRun, runAgent, spawnAgent } from "../mac/agent_process.ts";
import type { AgentHome } from "../mac/agent_home.ts";

/** Holds the agent's state several times. */
const DISK_SIZE = "1m";
const LOG = "agent.log";
/** Copies the agent's data to the new disk and logs there too, as the login service does. */
const ON_A_DISK = `set -e
mount -t tmpfs -o size=${DISK_SIZE},mode=700 none "$2"
cp -a "$1/." "$2/"
log="$2/${LOG}"
shift 2
exec "$@" >>"$log" 2>&1`;
const FILLER = "filler";

function appendUntilFull(path: string, chunk: Uint8Array): void {
  using file = Deno.openSync(path, { append: true, create: true });
  try {
    while (true) file.writeSync(chunk);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}

/** Whether this user may create a mount namespace. */
async function hasNamespaces(): Promise<boolean> {
  try {
    const probe = ["--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
    return (await new Deno.Command("unshare", { args: probe, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

/**
 * Registers tests that need such a disk. Where the system refuses mount namespaces they are skipped with a line that
 * says so: the kernel or the container decides that, and no test can change it.
 */
export async function smallDiskTests(tests: Record<string, () => Promise<void>>): Promise<void> {
  if (!await hasNamespaces()) {
    writeErrorLine(
      "Tests of a full disk are skipped: this system refuses mount namespaces (unshare --map-root-user --mount)",
    );
    return;
  }
  for (const [name, test] of Object.entries(tests)) Deno.test(name, test);
}

interface Place {
  env: Record<string, string>;
  mountPoint: string;
}

/** The disk and its agent. Disposing it kills the agent, and with it the disk is gone. */
export class SmallDisk implements AsyncDisposable {
  /** The agent's data folder as others see it. */
  readonly dataDir: string;
  hasEnded = false;

  readonly #env: Record<string, string>;

  private constructor(readonly agent: Deno.ChildProcess, { env, mountPoint }: Place) {
    this.#env = env;
    this.dataDir = `/proc/${agent.pid}/root${mountPoint}`;
    void agent.status.then(() => this.hasEnded = true);
  }

  /** Starts `agent run` with what the home's agent has so far. */
  static async start(home: AgentHome): Promise<SmallDisk> {
    const mountPoint = join(home.dir, "disk");
    await Deno.mkdir(mountPoint);
    const env = { ...home.env, AGENT_DATA_DIR: mountPoint };
    const agent = spawnAgent(["run"], {
      env,
      through: [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        ON_A_DISK,
        "sh",
        home.dataDir,
        mountPoint,
      ],
    });
    return new SmallDisk(agent, { env, mountPoint });
  }

  /** Runs another command of the agent on this disk. */
  run(args: string[]): Promise<AgentRun> {
    const through = [
      "nsenter",
      `--target=${this.agent.pid}`,
      "--user",
      "--preserve-credentials",
      "--mount",
      "--wd",
    ];
    return runAgent(args, { env: this.#env, through });
  }

  /** Uses up all free space, including that in the last block of the log. */
  fill(): void {
    appendUntilFull(join(this.dataDir, FILLER), new Uint8Array(64 * 1_024));
    appendUntilFull(join(this.dataDir, LOG), new TextEncoder().encode("\n"));
  }

  makeRoom(): void {
    Deno.removeSync(join(this.dataDir, FILLER));
  }

  log(): string {
    return Deno.readTextFileSync(join(this.dataDir, LOG));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.agent.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.agent.output();
  }
}
