/** Opens storage: finds or starts PostgreSQL, migrates it, and creates the stores. */
import { eq } from "drizzle-orm";
import { messageOf, UserError } from "../../lib/errors.ts";
import { withDeadline } from "../../lib/async.ts";
import { traceMethods } from "../../lib/tracing.ts";
import type { Logger } from "../../lib/log.ts";
import { backUpBefore } from "./backup/backup_file.ts";
import { joinSharedDatabase, type SharedDatabase } from "./jobs/shared_database.ts";
import { type AdapterStore, createAdapterStore } from "./training/adapter_store.ts";
import { type ContactStore, createContactStore } from "./messages/contact_store.ts";
import { type ConversationStore, createConversationStore } from "./messages/conversation_store.ts";
import { createPolicyStore, type PolicyStore } from "./messages/conversation_policy.ts";
import { type Database, openDatabase, type PostgresAddress } from "./database.ts";
import { isDatabaseUnavailable } from "./database_errors.ts";
import { createDeviceStore, type DeviceStore } from "./devices/device_store.ts";
import { createEventStore, type EventStore } from "./events/event_store.ts";
import { type AccountDeletionStore, createAccountDeletion } from "./account/account_deletion.ts";
import { type AccountExport, createAccountExport } from "./account/account_export.ts";
import { type AccountSettingsStore, createAccountSettings } from "./account/account_settings.ts";
import { createFigureStore, type FigureStore } from "./figure_store.ts";
import { createSessionStore, type SessionStore } from "./devices/session_store.ts";
import { findRunningPostgres, startEmbeddedPostgres } from "./postgres/embedded_postgres.ts";
import { createMessageIngest, type MessageIngest } from "./messages/message_ingest.ts";
import { createMessageHistory, type MessageHistoryStore } from "./messages/message_history.ts";
import { createMessageSearch, type MessageSearch } from "./messages/message_search.ts";
import { createDeletionStore, type DeletionStore } from "./messages/deletion.ts";
import { createPersonDeletion, type PersonDeletionStore } from "./messages/person_deletion.ts";
import { migrate } from "./migrate.ts";
import { restore, type RestoreOptions } from "./backup/restore.ts";
import { createMlOutboxStore, type MlOutboxStore } from "./training/ml_outbox_store.ts";
import { createResponseStore, type ResponseStore } from "./drafts/response_store.ts";
import { serverSecrets } from "./schema.ts";
import { type AcceptanceStore, createAcceptanceStore } from "./drafts/acceptance_store.ts";
import { createIdempotencyStore, type IdempotencyStore } from "./drafts/idempotency_store.ts";
import { createSampleStore, type SampleStore } from "./training/sample_store.ts";
import { createTrainingJobStore, type TrainingJobStore } from "./training/training_job_store.ts";

/** Where storage is. */
export interface StoreOptions {
  /** Absent or null: the embedded PostgreSQL under `dataDir`. */
  readonly databaseUrl?: string | null;
  readonly dataDir: string;
  readonly maxConnections?: number;
}

/** All stores over one database. */
export interface Stores {
  readonly devices: DeviceStore;
  readonly sessions: SessionStore;
  readonly ingest: MessageIngest;
  readonly contacts: ContactStore;
  readonly conversations: ConversationStore;
  readonly policies: PolicyStore;
  readonly search: MessageSearch;
  readonly messageHistory: MessageHistoryStore;
  readonly responses: ResponseStore;
  readonly acceptance: AcceptanceStore;
  readonly idempotency: IdempotencyStore;
  readonly samples: SampleStore;
  readonly trainingJobs: TrainingJobStore;
  readonly adapters: AdapterStore;
  readonly mlOutbox: MlOutboxStore;
  readonly deletions: DeletionStore;
  readonly people: PersonDeletionStore;
  readonly events: EventStore;
  readonly figures: FigureStore;
  readonly accountSettings: AccountSettingsStore;
  readonly accountExport: AccountExport;
  readonly accountDeletion: AccountDeletionStore;
  /** Joins the other servers of the database, or listens to the triggers of one's own. */
  share(options: { readonly log: Logger }): Promise<SharedDatabase>;
  /** The secret that signs tokens, in hex: the one given here where no server brought one before. */
  sharedSecret(own: string): Promise<string>;
  /** See {@linkcode restore}. */
  restore(options: RestoreOptions & { readonly dumped: AsyncIterable<string> }): ReturnType<typeof restore>;
  /** Rejects unless the database answers within `timeoutMs`. */
  ping(options: { readonly timeoutMs: number }): Promise<void>;
}

/** The open storage; disposing it closes the pool, and then stops the embedded PostgreSQL. */
export interface Store extends Stores, AsyncDisposable {
  /** Which PostgreSQL answers. */
  readonly postgres: { readonly version: string; readonly embedded: boolean };
  /** Settles with a sentence when the embedded PostgreSQL ends without having been asked to; never for a given one. */
  readonly lost: Promise<string>;
}

async function ping({ sql }: Database, { timeoutMs }: { timeoutMs: number }): Promise<void> {
  const answered = await withDeadline(sql`select 1`, timeoutMs);
  if (!answered) throw new Error(`The database did not answer within ${timeoutMs} ms`);
}

async function sharedSecret({ db }: Database, own: string): Promise<string> {
  await db.insert(serverSecrets).values({ name: "jwt", value: own }).onConflictDoNothing();
  const [stored] = await db.select().from(serverSecrets).where(eq(serverSecrets.name, "jwt"));
  return stored?.value ?? own;
}

/** Makes all stores over a migrated database; each call is a span. */
export function createStores(database: Database): Stores {
  const traced = <Store extends object>(name: keyof Stores, store: Store) =>
    traceMethods(`store.${name}`, store);
  return {
    devices: traced("devices", createDeviceStore(database)),
    sessions: traced("sessions", createSessionStore(database)),
    ingest: traced("ingest", createMessageIngest(database)),
    contacts: traced("contacts", createContactStore(database)),
    conversations: traced("conversations", createConversationStore(database)),
    policies: traced("policies", createPolicyStore(database)),
    search: traced("search", createMessageSearch(database)),
    messageHistory: traced("messageHistory", createMessageHistory(database)),
    responses: traced("responses", createResponseStore(database)),
    acceptance: traced("acceptance", createAcceptanceStore(database)),
    idempotency: traced("idempotency", createIdempotencyStore(database)),
    samples: traced("samples", createSampleStore(database)),
    trainingJobs: traced("trainingJobs", createTrainingJobStore(database)),
    adapters: traced("adapters", createAdapterStore(database)),
    mlOutbox: traced("mlOutbox", createMlOutboxStore(database)),
    deletions: traced("deletions", createDeletionStore(database)),
    people: traced("people", createPersonDeletion(database)),
    accountDeletion: traced("accountDeletion", createAccountDeletion(database)),
    accountExport: traced("accountExport", createAccountExport(database)),
    accountSettings: traced("accountSettings", createAccountSettings(database)),
    figures: traced("figures", createFigureStore(database)),
    events: traced("events", createEventStore(database)),
    share: (options) => joinSharedDatabase(database, options),
    sharedSecret: (own) => sharedSecret(database, own),
    restore: (options) => restore(database, options),
    ping: (limit) => ping(database, limit),
  };
}

async function postgresVersion({ sql }: Database): Promise<string> {
  const [row] = await sql<{ version: string }>`select current_setting('server_version') as version`;
  return row?.version ?? "unknown";
}

const never = new Promise<never>(() => {});

/** Where PostgreSQL is, and how to end it where this process started it. */
interface Server extends Partial<AsyncDisposable> {
  readonly address: PostgresAddress;
  readonly lost: Promise<string>;
}

/** A database that cannot be used at the start, as a sentence; the URL stays out of it, as it may hold a password. */
function userErrorOf(error: unknown, embedded: boolean): unknown {
  if (error instanceof UserError || embedded) return error;
  const what = isDatabaseUnavailable(error) ? "cannot be reached" : "cannot be used";
  return new UserError(
    `The database of DATABASE_URL ${what} (${messageOf(error)}): check the URL and that server`,
  );
}

/** Opens the database of a server; disposing it closes the pool, then ends the server where this process started it. */
function openAt(
  server: Server,
  { maxConnections }: Pick<StoreOptions, "maxConnections">,
): Database {
  const database = openDatabase({ ...server.address, max: maxConnections });
  const dispose = async () => {
    await database.close();
    await server[Symbol.asyncDispose]?.();
  };
  return { ...database, [Symbol.asyncDispose]: dispose };
}

async function openOn(server: Server, options: StoreOptions): Promise<Store> {
  const { databaseUrl, dataDir } = options;
  await using stack = new AsyncDisposableStack();
  const database = stack.use(openAt(server, options));
  const embedded = !databaseUrl;
  try {
    await migrate(database, { before: (own, next) => backUpBefore(own, { next, dataDir }) });
  } catch (error) {
    throw userErrorOf(error, embedded);
  }
  const version = await postgresVersion(database);
  const held = stack.move();
  return {
    ...createStores(database),
    postgres: { version, embedded },
    lost: server.lost,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function startServer({ databaseUrl, dataDir }: StoreOptions): Promise<Server> {
  return databaseUrl ? { address: { url: databaseUrl }, lost: never } : await startEmbeddedPostgres(dataDir);
}

async function joinServer(options: StoreOptions): Promise<Server> {
  const running = options.databaseUrl ? undefined : await findRunningPostgres(options.dataDir);
  return running ? { address: running, lost: never } : await startServer(options);
}

/**
 * Opens storage and brings it to the newest schema, with a backup before where that changes it.
 *
 * @throws UserError, a sentence for the person who starts the server, when storage cannot be had
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  return await openOn(await startServer(options), options);
}

/**
 * Opens storage for a command beside a server: on the embedded PostgreSQL that the server runs, or, where none runs, on
 * one of its own.
 *
 * @throws UserError as {@linkcode openStore} does
 */
export async function joinStore(options: StoreOptions): Promise<Store> {
  return await openOn(await joinServer(options), options);
}

/** As {@linkcode joinStore}, but the database as it is, for a command that backs it up or restores it. */
export async function joinDatabase(options: StoreOptions): Promise<Database> {
  return openAt(await joinServer(options), options);
}
