/** What the running agent syncs with: the open chat.db, the pairing's connection and the address book. */
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { fileSignature } from "../chatdb/file/database_file.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import { type PairedDevice, type PairingDependencies, requirePairing } from "../pairing/pairing.ts";
import { isRefreshDue } from "../pairing/pairing_store.ts";
import { captureOf } from "../sync/capture.ts";
import type { MessageProgress } from "../sync/message_sync_run.ts";
import type { AgentStore } from "../state/agent_store.ts";
import { SyncState } from "../state/sync_state.ts";
import { runSync, type SyncReport } from "../sync/sync_run.ts";

export interface SyncSessionOptions {
  pairing: PairingDependencies;
  /** A client that gives up soon: the agent retries by itself. */
  server: (token: string) => ServerClient;
  /** Where chat.db is. */
  chatDb: string;
  openChatDatabase: () => ChatDatabase;
  readAddressBook: () => AddressBook;
  /** See `addressBookSignature`. */
  addressBookSignature: () => string;
  store: AgentStore;
  now: () => number;
  batchMessages?: number;
}

/** The reader of the open database knows since when the newest rows have been there. */
interface OpenDatabase {
  database: ChatDatabase;
  reader: MessageReader;
}

interface Connection extends PairedDevice {
  server: ServerClient;
  /** The pairing's file when it was read. */
  signature: string;
}

/** Opens what it needs when it is asked to, and again after a fault. Dispose closes the database. */
export class SyncSession implements Disposable {
  readonly #options: SyncSessionOptions;
  #open: OpenDatabase | null = null;
  #connection: Connection | null = null;
  /** The address book as it was last sent; null before the first time. */
  #sentAddressBook: string | null = null;

  constructor(options: SyncSessionOptions) {
    this.#options = options;
  }

  get databasePath(): string {
    return this.#open?.database.path ?? this.#options.chatDb;
  }

  /** Differs after every change of what is synced, or with whom. */
  signature(): string {
    return [
      fileSignature(this.databasePath),
      this.#dataVersion(),
      this.#pairingSignature(),
      this.#addressBook(),
    ].join("\n");
  }

  /** Tells whether the pairing has changed since it was last read, or since now while there is none. */
  pairingWatch(): () => boolean {
    const before = this.#connection?.signature ?? this.#pairingSignature();
    return () => this.#pairingSignature() !== before;
  }

  /**
   * Opens the database and connects. Returns true for another pairing than before: the account behind it may have
   * nothing yet. The token is read once for each pairing, and when it is refreshed: the Keychain is no place to ask at every message.
   */
  async open(): Promise<boolean> {
    this.#openDatabase();
    const { pairing, server, now } = this.#options;
    const before = this.#connection;
    const isCurrent = before?.signature === this.#pairingSignature();
    if (before !== null && isCurrent && !isRefreshDue(before.pairing, now())) return false;
    const device = await requirePairing(pairing);
    // Of the file as it is after a refresh.
    this.#connection = { ...device, server: server(device.token), signature: this.#pairingSignature() };
    return before?.pairing.deviceId !== device.pairing.deviceId;
  }

  async sendHeartbeat(): Promise<void> {
    const { lagRows, capture } = this.#look((database, state) => ({
      lagRows: lagRowsOf(database, state),
      capture: captureOf(database, state),
    })) ?? { lagRows: 0 };
    await this.#connected().server.heartbeat({ lagRows, capture });
  }

  /** Syncs until nothing is left to send. `isFull` compares contacts and all rows. */
  async sync(
    { isFull, onProgress }: { isFull: boolean; onProgress: (progress: MessageProgress) => void },
  ): Promise<SyncReport> {
    const { store, readAddressBook, now, batchMessages } = this.#options;
    const { server, pairing: { syncTarget } } = this.#connected();
    const addressBook = this.#addressBook();
    const sendsContacts = isFull || addressBook !== this.#sentAddressBook;
    const report = await runSync({
      server,
      syncTarget,
      ...this.#openDatabase(),
      addressBook: sendsContacts ? readAddressBook() : null,
      store,
      scan: isFull ? "full" : "recent",
      onProgress,
      now,
      batchMessages,
    });
    this.#sentAddressBook = addressBook;
    return report;
  }

  /** Rows after the stored cursor; null while the cursor or the database cannot be read. */
  lagRows(): number | null {
    return this.#look(lagRowsOf);
  }

  disconnect(): void {
    this.#connection = null;
  }

  closeDatabase(): void {
    this.#open?.database[Symbol.dispose]();
    this.#open = null;
  }

  [Symbol.dispose](): void {
    this.closeDatabase();
  }

  /** What chat.db and the state say together; null while either cannot be read. */
  #look<Result>(look: (database: ChatDatabase, state: SyncState) => Result): Result | null {
    if (this.#open === null) return null;
    const { database } = this.#open;
    try {
      return this.#options.store.read((stored) => look(database, new SyncState(stored)));
    } catch {
      return null;
    }
  }

  /** Opens the file again when another one has taken its place. */
  #openDatabase(): OpenDatabase {
    if (this.#open?.database.isReplaced()) this.closeDatabase();
    if (this.#open === null) {
      const database = this.#options.openChatDatabase();
      this.#open = { database, reader: new MessageReader(database) };
    }
    return this.#open;
  }

  #connected(): Connection {
    if (this.#connection === null) throw new Error("The session is not open");
    return this.#connection;
  }

  #pairingSignature(): string {
    return fileSignature(this.#options.pairing.records.path);
  }

  #dataVersion(): number {
    try {
      return this.#open?.database.dataVersion() ?? 0;
    } catch {
      return -1; // The next sync meets the same fault and reports it.
    }
  }

  #addressBook(): string {
    try {
      return this.#options.addressBookSignature();
    } catch {
      return "unreadable";
    }
  }
}

function lagRowsOf(database: ChatDatabase, { cursor }: SyncState): number {
  return countRowsAfter(database, cursor?.database.markRowId ?? 0);
}
