/** Owns `agent run`: sends everything, then stays and sends what comes, whatever goes wrong in between. */
import { backoffMs } from "../../lib/backoff.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import { WakeableWait } from "../../lib/async.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { fileSignature } from "../chatdb/file/database_file.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { StateFile } from "../platform/state_file.ts";
import type { MessageProgress } from "../sync/message_sync_run.ts";
import { type PairedDevice, type PairingDependencies, requirePairing } from "../pairing/pairing.ts";
import { runSync, type SyncReport, type SyncState } from "../sync/sync_run.ts";
import { type AgentCounts, type AgentState, StatePublisher } from "./agent_state.ts";
import { DatabaseWatcher } from "./database_watcher.ts";
import type { WatchFolder } from "./folder_events.ts";
import { type SyncFailure, syncFailureOf } from "./sync_failure.ts";

export interface LiveAgentOptions {
  pairing: Pick<PairingDependencies, "serverUrl" | "records" | "tokenStore">;
  /** A client that gives up soon: the agent has its own patience. */
  server: (token: string) => ServerClient;
  /** Where chat.db is. */
  chatDb: string;
  openChatDatabase: () => ChatDatabase;
  readAddressBook: () => AddressBook;
  /** See `addressBookSignature`. */
  addressBookSignature: () => string;
  state: SyncState;
  stateFile: StateFile<AgentState>;
  log: Logger;
  clock: Clock;
  watchFolder: WatchFolder;
  /** Called with every change of the state. */
  onState?: (state: AgentState) => void;
  batchMessages?: number;
}

/** The reader of the open database; it knows since when the newest rows have been there. */
interface OpenDatabase {
  database: ChatDatabase;
  reader: MessageReader;
}

interface Connection extends PairedDevice {
  server: ServerClient;
  /** The pairing's file when it was read. */
  signature: string;
}

/** How long to wait, and whether a change of what is watched ends the wait. */
interface Pause {
  timeoutMs: number;
  isOver: () => boolean;
}

const RETRY_BACKOFF = { baseMs: 1_000, capMs: 60_000 };
/** A server that asks for more is asked sooner. */
const LONGEST_RETRY_AFTER_MS = 10 * 60_000;
/** A pairing that has ended does not come back by asking; a new one is noticed by its file. */
const PAIRING_PROBE_MS = 5 * 60_000;
const DATABASE_PROBE_MS = 30_000;
/** Rows that Messages is still writing: looked at again after this, and when it has written more. */
const INCOMPLETE_RETRY_MS = 1_000;
/** Contacts and all rows are looked at so often, whether or not a change was noticed, and after each sleep. */
const REVIEW_MS = 60 * 60_000;
/** Says to the server that the agent is there, and learns whether the pairing holds. */
const GREETING_MS = 5 * 60_000;
/** So long after the last sync the agent idles, and gives back the memory that it took. */
const QUIET_MS = 20_000;

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Collects garbage that V8 would keep until it is short of memory, which an idle program never is. Does nothing unless
 * the program was started with `--v8-flags=--expose-gc`. Takes some tens of milliseconds.
 */
function releaseMemory(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** Runs until its signal aborts. */
export class LiveAgent {
  readonly #options: LiveAgentOptions;
  readonly #clock: Clock;
  readonly #nextStep: WakeableWait;
  readonly #publisher: StatePublisher;
  #open: OpenDatabase | null = null;
  #connection: Connection | null = null;
  /** The address book as it was last sent; null before the first time. */
  #sentAddressBook: string | null = null;
  #reviewAtMs = 0;
  #greetAtMs = 0;
  #cancelRelease: () => void = () => {};
  #failures = 0;
  #woke = false;

  constructor(options: LiveAgentOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#nextStep = new WakeableWait(options.clock);
    this.#publisher = new StatePublisher({
      file: options.stateFile,
      clock: options.clock,
      onState: options.onState,
      onWriteFailure: (error) => options.log.warn("The state cannot be written", logFieldsOfError(error)),
    });
  }

  /** Ends cleanly when the signal aborts; nothing else ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, clock, watchFolder } = this.#options;
    log.info("The agent runs");
    const watcher = new DatabaseWatcher({
      path: () => this.#open?.database.path ?? this.#options.chatDb,
      look: () => this.#look(),
      onChange: ({ woke }) => {
        this.#woke ||= woke;
        if (woke) this.#reviewAtMs = 0;
        this.#nextStep.wake();
      },
      clock,
      watchFolder,
    });
    try {
      while (!signal.aborted) await this.#nextStep.wait({ ...await this.#step(signal), signal });
    } finally {
      watcher[Symbol.dispose]();
      this.#cancelRelease();
      this.#closeDatabase();
      this.#publisher.update({ phase: "stopped", nextTryAt: null });
      await this.#publisher.flush();
      log.info("The agent has stopped");
    }
  }

  /** Differs after every change of what the agent works on. */
  #look(): string {
    const { chatDb, pairing } = this.#options;
    return [
      fileSignature(this.#open?.database.path ?? chatDb),
      this.#dataVersion(),
      fileSignature(pairing.records.path),
      this.#addressBook(),
    ].join("\n");
  }

  #dataVersion(): number {
    try {
      return this.#open?.database.dataVersion() ?? 0;
    } catch {
      return -1; // The next step meets the same fault and tells of it.
    }
  }

  #addressBook(): string {
    try {
      return this.#options.addressBookSignature();
    } catch {
      return "unreadable";
    }
  }

  async #step(signal: AbortSignal): Promise<Pause> {
    this.#woke = false;
    try {
      const report = await this.#sync();
      this.#failures = 0;
      return await this.#settle(report);
    } catch (error) {
      if (signal.aborted) return { timeoutMs: 0, isOver: () => true };
      return await this.#setBack(error);
    }
  }

  async #sync(): Promise<SyncReport> {
    const { state, readAddressBook, batchMessages } = this.#options;
    const { database, reader } = this.#openDatabase();
    const { server, pairing } = await this.#connect();
    const nowMs = this.#clock.now();
    const addressBook = this.#addressBook();
    const isReview = nowMs >= this.#reviewAtMs;
    const sendsContacts = isReview || addressBook !== this.#sentAddressBook;
    if (nowMs >= this.#greetAtMs) {
      await server.heartbeat(await this.#lagRows() ?? 0);
      this.#greetAtMs = nowMs + GREETING_MS;
    }
    const report = await runSync({
      server,
      syncTarget: pairing.syncTarget,
      database,
      reader,
      addressBook: sendsContacts ? readAddressBook() : null,
      state,
      scan: isReview ? "full" : "recent",
      onProgress: (progress) => this.#showProgress(progress),
      now: () => this.#clock.now(),
      batchMessages,
    });
    this.#sentAddressBook = addressBook;
    if (isReview) this.#reviewAtMs = nowMs + REVIEW_MS;
    return report;
  }

  /** A file that was put in the place of the open one is opened anew. */
  #openDatabase(): OpenDatabase {
    if (this.#open?.database.isReplaced()) this.#closeDatabase();
    if (this.#open === null) {
      const database = this.#options.openChatDatabase();
      this.#open = { database, reader: new MessageReader(database) };
    }
    return this.#open;
  }

  #closeDatabase(): void {
    this.#open?.database[Symbol.dispose]();
    this.#open = null;
  }

  /** The token is read once for each pairing: the Keychain is no place to ask at every message. */
  async #connect(): Promise<Connection> {
    const { pairing, server } = this.#options;
    const signature = fileSignature(pairing.records.path);
    if (this.#connection?.signature !== signature) {
      const device = await requirePairing(pairing);
      this.#connection = { ...device, server: server(device.token), signature };
      this.#reviewAtMs = 0; // The account behind it may be another one, which has nothing yet.
    }
    return this.#connection;
  }

  /** A try after a setback is shown as progress only once it has made some. */
  #showProgress({ rowsDone, rowsTotal }: MessageProgress): void {
    if (rowsDone >= rowsTotal || (this.#failures > 0 && rowsDone === 0)) return;
    const lagRows = rowsTotal - rowsDone;
    this.#publisher.update({ phase: "syncing", lagRows, lastError: null, nextTryAt: null });
  }

  async #settle(report: SyncReport): Promise<Pause> {
    const sent = countsOf(report);
    const { resent, deleted, restart, isIncomplete } = report.messages;
    if (deleted > 0 || Object.values(sent).some((count) => count > 0)) {
      const { durationMs } = report;
      const fields = { ...sent, deleted, resent, restart: restart ?? undefined, durationMs };
      this.#options.log.info("Synced", fields);
    }
    this.#cancelRelease();
    this.#cancelRelease = this.#clock.after(QUIET_MS, releaseMemory);
    const nowMs = this.#clock.now();
    this.#publisher.update({
      phase: "watching",
      lastSyncAt: new Date(nowMs).toISOString(),
      lagRows: isIncomplete ? await this.#lagRows() : 0,
      lastError: null,
      nextTryAt: null,
      counts: sumOf(this.#publisher.state.counts, sent),
    });
    // A clock that was set back leaves them far ahead.
    this.#reviewAtMs = Math.min(this.#reviewAtMs, nowMs + REVIEW_MS);
    this.#greetAtMs = Math.min(this.#greetAtMs, nowMs + GREETING_MS);
    const nextMs = Math.min(this.#reviewAtMs, this.#greetAtMs) - nowMs;
    return { timeoutMs: isIncomplete ? INCOMPLETE_RETRY_MS : Math.max(0, nextMs), isOver: () => true };
  }

  async #setBack(error: unknown): Promise<Pause> {
    const setback = syncFailureOf(error, this.#options.pairing.serverUrl);
    const before = this.#publisher.state;
    const pause = this.#pauseAfter(setback, ++this.#failures);
    const at = new Date(this.#clock.now());
    const { phase, code, message, fix } = setback;
    if (before.phase !== phase || before.lastError?.code !== code) {
      const fields = code === "unexpected" ? logFieldsOfError(error) : {};
      this.#options.log.warn("Set back", { phase, code, retryInMs: pause.timeoutMs, ...fields });
    }
    if (phase === "database_unreadable" || phase === "failed") this.#closeDatabase();
    this.#publisher.update({
      phase,
      lagRows: await this.#lagRows(),
      lastError: { code, message, fix, at: at.toISOString() },
      nextTryAt: new Date(at.getTime() + pause.timeoutMs).toISOString(),
    });
    return pause;
  }

  /** Changes of the database do not shorten the wait for a server, but a new pairing does, and waking up. */
  #pauseAfter({ phase, retryAfterMs }: SyncFailure, failures: number): Pause {
    const { path } = this.#options.pairing.records;
    const signature = this.#connection?.signature ?? fileSignature(path);
    const isOver = () => this.#woke || fileSignature(path) !== signature;
    switch (phase) {
      case "pairing_ended":
        this.#connection = null;
        return { timeoutMs: PAIRING_PROBE_MS, isOver };
      case "database_unreadable":
        return { timeoutMs: DATABASE_PROBE_MS, isOver: () => true };
      case "server_unreachable":
      case "failed": {
        const askedMs = Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
        return { timeoutMs: Math.max(backoffMs(failures, RETRY_BACKOFF), askedMs), isOver };
      }
    }
  }

  /** Rows after the stored cursor; null while the cursor or the database cannot be read. */
  async #lagRows(): Promise<number | null> {
    try {
      const stored = await this.#options.state.cursors.load();
      const markRowId = stored.kind === "found" ? stored.state.database.markRowId : 0;
      return this.#open === null ? null : countRowsAfter(this.#open.database, markRowId);
    } catch {
      return null;
    }
  }
}

function countsOf({ messages, contacts }: SyncReport): AgentCounts {
  const { inserted, updated, unchanged, refused } = messages;
  return { inserted, updated, unchanged, refused, contacts: contacts?.sent ?? 0 };
}

function sumOf(before: AgentCounts, sent: AgentCounts): AgentCounts {
  return {
    inserted: before.inserted + sent.inserted,
    updated: before.updated + sent.updated,
    unchanged: before.unchanged + sent.unchanged,
    refused: before.refused + sent.refused,
    contacts: before.contacts + sent.contacts,
  };
}
