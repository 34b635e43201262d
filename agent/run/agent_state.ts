/** The state of a running agent, as the status command, the menubar and the doctor show it. */
import { join } from "node:path";
import { SerialExecutor } from "../../lib/async.ts";
import type { Clock } from "../../lib/clock.ts";
import { isWorkHeld } from "../platform/instance_lock.ts";
import { z } from "zod";
import { type StateFile, stateFile } from "../platform/state_file.ts";

/**
 * `watching`: everything was sent, waits for more. `server_unreachable`, `failed`: tries again at `nextTryAt`.
 * `pairing_ended`: somebody must pair the device again. `database_unreadable`: no permission, no database, or a fault
 * in it; see `lastError.code`. The agent stays alive in all of them and retries by itself.
 */
export const AGENT_PHASES = [
  "starting",
  "syncing",
  "watching",
  "server_unreachable",
  "pairing_ended",
  "database_unreadable",
  "failed",
  "stopped",
] as const;

export type AgentPhase = typeof AGENT_PHASES[number];

const FILE = "state.json";
const VERSION = 1;
/** People read the state: writing it more often helps nobody and wears the disk. */
const WRITE_INTERVAL_MS = 1_000;
/** What earlier versions wrote for `server_unreachable`. */
// deno-lint-ignore style/language -- stored by earlier versions
const OLD_SERVER_UNREACHABLE = "server_away";

const count = z.int().nonnegative();

/** What the agent has sent since it started. */
const agentCountsSchema = z.object({
  inserted: count,
  updated: count,
  unchanged: count,
  refused: count,
  contacts: count,
}).readonly();
export type AgentCounts = z.infer<typeof agentCountsSchema>;

const agentErrorSchema = z.object({
  code: z.string(),
  /** What happened. A state of an older version has here, after a colon, what to do as well. */
  message: z.string(),
  /** What to do about it; null when the message says it all. */
  fix: z.string().nullable().default(null),
  at: z.string(),
}).readonly();

/** Times are ISO 8601; nothing in it names a person or quotes a message. */
const agentStateSchema = z.object({
  phase: z.preprocess(
    (phase) => phase === OLD_SERVER_UNREACHABLE ? "server_unreachable" : phase,
    z.enum(AGENT_PHASES),
  ),
  /** When this phase began. */
  since: z.string(),
  startedAt: z.string(),
  /** When the server had last acknowledged everything. */
  lastSyncAt: z.string().nullable(),
  /** Rows of chat.db that wait to be sent; null while that cannot be known. */
  lagRows: count.nullable(),
  /** Why the phase is none of the good ones; null in those. */
  lastError: agentErrorSchema.nullable(),
  nextTryAt: z.string().nullable(),
  counts: agentCountsSchema,
}).readonly();
export type AgentState = z.infer<typeof agentStateSchema>;

/**
 * The state of the agent that runs on a data folder, or ran last: an agent that was killed leaves its last state, so
 * see with `isWorkHeld` whether one runs.
 */
export function agentStateStore(dataDir: string): StateFile<AgentState> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, schema: agentStateSchema });
}

/** The agent on a data folder, seen from another process. */
export interface RunningAgent {
  readonly running: boolean;
  /** As it was last published; null when no agent ever ran here, or its state cannot be read. */
  readonly state: AgentState | null;
}

/** Reads it once. The lock shows whether an agent runs: one that was killed leaves its last state behind. */
export async function readRunningAgent(dataDir: string): Promise<RunningAgent> {
  const stored = await agentStateStore(dataDir).load();
  const running = await isWorkHeld(dataDir, "run");
  return { running, state: stored.kind === "found" ? stored.state : null };
}

export interface StatePublisherOptions {
  file: StateFile<AgentState>;
  clock: Clock;
  /** Called with every change, before it is written. */
  onState?: (state: AgentState) => void;
  onWriteFailure: (error: unknown) => void;
}

/** Holds the state and writes it to its file, at most once a second. */
export class StatePublisher {
  readonly #options: StatePublisherOptions;
  #state: AgentState;
  readonly #writes = new SerialExecutor();
  #cancelWrite: (() => void) | null = null;
  #writtenAtMs = -Infinity;

  constructor(options: StatePublisherOptions) {
    this.#options = options;
    const now = new Date(options.clock.now()).toISOString();
    this.#state = {
      phase: "starting",
      since: now,
      startedAt: now,
      lastSyncAt: null,
      lagRows: null,
      lastError: null,
      nextTryAt: null,
      counts: { inserted: 0, updated: 0, unchanged: 0, refused: 0, contacts: 0 },
    };
    this.update({});
  }

  get state(): AgentState {
    return this.#state;
  }

  update(change: Partial<Omit<AgentState, "since" | "startedAt">>): void {
    const { clock, onState } = this.#options;
    const isNewPhase = change.phase !== undefined && change.phase !== this.#state.phase;
    const since = isNewPhase ? new Date(clock.now()).toISOString() : this.#state.since;
    this.#state = { ...this.#state, ...change, since };
    onState?.(this.#state);
    if (this.#cancelWrite !== null) return;
    const waitMs = Math.min(WRITE_INTERVAL_MS, this.#writtenAtMs + WRITE_INTERVAL_MS - clock.now());
    if (waitMs <= 0) this.#write();
    else this.#cancelWrite = clock.after(waitMs, () => this.#write());
  }

  /** Writes what is not written yet; resolves when it is on the disk. */
  async flush(): Promise<void> {
    if (this.#cancelWrite !== null) this.#write();
    await this.#writes.idle();
  }

  #write(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    this.#writtenAtMs = this.#options.clock.now();
    const { file, onWriteFailure } = this.#options;
    const save = () => file.save(this.#state);
    // An outdated state is worse than none, and removing it makes room for the new one on a full disk.
    void this.#writes.run(() => save().catch(() => file.remove().then(save)).catch(onWriteFailure));
  }
}
