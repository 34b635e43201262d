/** The state of a running agent, as the status command, the menubar and the doctor show it. */
import { join } from "node:path";
import { SerialExecutor } from "../../lib/async.ts";
import type { Clock } from "../../lib/clock.ts";
import { isWorkHeld } from "../platform/instance_lock.ts";
import { countField, objectField, type StateFile, stateFile, textField } from "../platform/state_file.ts";

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

/** What the agent has sent since it started. */
export interface AgentCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly refused: number;
  readonly contacts: number;
}

export interface AgentError {
  readonly code: string;
  /** What happened. A state of an older version has here, after a colon, what to do as well. */
  readonly message: string;
  /** What to do about it; null when the message says it all. */
  readonly fix: string | null;
  readonly at: string;
}

/** Times are ISO 8601; nothing in it names a person or quotes a message. */
export interface AgentState {
  readonly phase: AgentPhase;
  /** When this phase began. */
  readonly since: string;
  readonly startedAt: string;
  /** When the server had last acknowledged everything. */
  readonly lastSyncAt: string | null;
  /** Rows of chat.db that wait to be sent; null while that cannot be known. */
  readonly lagRows: number | null;
  /** Why the phase is none of the good ones; null in those. */
  readonly lastError: AgentError | null;
  readonly nextTryAt: string | null;
  readonly counts: AgentCounts;
}

const FILE = "state.json";
const VERSION = 1;
/** People read the state: writing it more often helps nobody and wears the disk. */
const WRITE_INTERVAL_MS = 1_000;

function nullableText(fields: Record<string, unknown>, name: string): string | null {
  return fields[name] === null ? null : textField(fields, name);
}

function errorOf(fields: Record<string, unknown> | null): AgentError | null {
  if (fields === null) return null;
  return {
    code: textField(fields, "code"),
    message: textField(fields, "message"),
    fix: fields.fix === undefined ? null : nullableText(fields, "fix"),
    at: textField(fields, "at"),
  };
}

function countsOf(fields: Record<string, unknown> | null): AgentCounts {
  if (fields === null) throw new TypeError("An agent's state must have its counts");
  return {
    inserted: countField(fields, "inserted"),
    updated: countField(fields, "updated"),
    unchanged: countField(fields, "unchanged"),
    refused: countField(fields, "refused"),
    contacts: countField(fields, "contacts"),
  };
}

/** What earlier versions wrote for `server_unreachable`. */
// deno-lint-ignore style/language -- stored by earlier versions
const OLD_SERVER_UNREACHABLE = "server_away";

function stateOf(fields: Record<string, unknown>): AgentState {
  const stored = fields.phase === OLD_SERVER_UNREACHABLE ? "server_unreachable" : fields.phase;
  const phase = AGENT_PHASES.find((known) => known === stored);
  if (phase === undefined) throw new TypeError("The agent's phase is none that is known");
  return {
    phase,
    since: textField(fields, "since"),
    startedAt: textField(fields, "startedAt"),
    lastSyncAt: nullableText(fields, "lastSyncAt"),
    lagRows: fields.lagRows === null ? null : countField(fields, "lagRows"),
    lastError: errorOf(objectField(fields, "lastError")),
    nextTryAt: nullableText(fields, "nextTryAt"),
    counts: countsOf(objectField(fields, "counts")),
  };
}

/**
 * The state of the agent that runs on a data folder, or ran last: an agent that was killed leaves its last state, so
 * see with `isWorkHeld` whether one runs.
 */
export function agentStateStore(dataDir: string): StateFile<AgentState> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: stateOf });
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
