/**
 * Compares sync ingest through the HTTP API to a raw bulk INSERT of the same rows into the same PostgreSQL.
 *
 * `deno run -A bench/server/ingest_bench.ts [messages]`: the server runs as its own process on its embedded PostgreSQL; the
 * raw side writes into a second database there, made by the same migrations and so with the same columns and indexes.
 * All sides take turns, a slice of the messages each, and send batches of 1,000.
 */
import { join } from "node:path";
import { registerDeviceResponseSchema, verifyDeviceResponseSchema } from "../../contract/devices.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  type SyncMessagesInput,
  syncMessagesResponseSchema,
  syncStatusResponseSchema,
} from "../../contract/sync.ts";
import { type Client, createClient } from "../../lib/http/client.ts";
import { writeLine } from "../../lib/log.ts";
import { type Database, newId, openDatabase } from "../../server/store/database.ts";
import { searchKeysOf } from "../../server/store/messages/search_keys.ts";
import { findRunningPostgres } from "../../server/store/postgres/embedded_postgres.ts";
import { migrate } from "../../server/store/migrate.ts";
import { choosePort, ServiceProcess } from "../../tools/service_process.ts";
import { BATCH_MESSAGES, batchOf, CONVERSATIONS } from "../support/bench_messages.ts";
import { familyBytes, peakRssBytes } from "../support/process_usage.ts";

const DEFAULT_MESSAGES = 200_000;
/** Batches a side sends before the next one has its turn. */
const SLICE_BATCHES = 10;
/** Batches each side sends before its time is taken: both warm up. */
const WARM_UP_BATCHES = 5;
const MEMORY_SAMPLE_MS = 500;

/** One way to get batches into PostgreSQL. */
interface Side {
  name: string;
  send(batch: SyncMessagesInput): Promise<unknown>;
  /** Batches sent before the first one is answered. */
  inFlight: number;
  /** Time spent so far, warm-up excluded. */
  elapsedMs: number;
  messages: number;
}

function httpSide(client: Client, inFlight: number): Side {
  const name = `HTTP API, ${inFlight} in flight`;
  const send = (body: SyncMessagesInput) =>
    client.request("POST", SERVER_PATHS.syncMessages, { body, schema: syncMessagesResponseSchema });
  return { name, send, inFlight, elapsedMs: 0, messages: 0 };
}

/** The raw side's account and its conversations, by their iMessage ids. */
async function prepareRaw(
  { sql }: Database,
): Promise<{ accountId: string; conversations: Map<string, string> }> {
  const accountId = newId();
  await sql`insert into accounts (id) values (${accountId})`;
  const conversations = new Map<string, string>();
  for (let number = 0; number < CONVERSATIONS; number++) {
    const id = newId();
    const imessageId = `raw;-;${number}`;
    await sql`insert into conversations (id, account_id, imessage_id, is_group, participant_ids)
      values (${id}, ${accountId}, ${imessageId}, false, '{}')`;
    conversations.set(imessageId, id);
  }
  return { accountId, conversations };
}

async function rawSide(database: Database): Promise<Side> {
  const { sql } = database;
  const { accountId, conversations } = await prepareRaw(database);
  const send = async (batch: SyncMessagesInput) => {
    const conversationId = conversations.get(batch.conversationImessageId) ?? "";
    const rowOf = (message: SyncMessagesInput["messages"][number]) => {
      const keys = searchKeysOf(message.text ?? "");
      return { id: newId(), searchKeys: keys && `{${keys}}`, ...message };
    };
    const rows = JSON.stringify(batch.messages.map(rowOf));
    await sql`
      insert into messages (id, account_id, conversation_id, imessage_guid, sender_id, direction, message_type, text,
        sent_at, search_keys, reactions, attachments)
      select id, ${accountId}, ${conversationId}, "imessageGuid", "senderId", direction, "messageType", text,
        "sentAt", "searchKeys", reactions, attachments
      from json_to_recordset(${rows}::text::json) as r(id uuid, "imessageGuid" text, "senderId" text, direction text,
        "messageType" text, text text, "sentAt" timestamptz, "searchKeys" int[], reactions jsonb, attachments jsonb)`;
  };
  return { name: "raw bulk INSERT", send, inFlight: 1, elapsedMs: 0, messages: 0 };
}

/** Sends batches, as many at a time as the side allows. */
async function sendAll(side: Side, batches: SyncMessagesInput[]): Promise<void> {
  const waiting = batches.values();
  const sendRest = async () => {
    for (const batch of waiting) await side.send(batch);
  };
  await Promise.all(Array.from({ length: side.inFlight }, sendRest));
}

async function takeTurns(sides: readonly Side[], messages: number): Promise<void> {
  const prefixes = sides.map((side, index) => side.name.startsWith("raw") ? "raw" : `side${index}`);
  const slice = (side: number, range: { from: number; to: number }) =>
    Array.from(
      { length: range.to - range.from },
      (_, index) => batchOf(range.from + index, prefixes[side] ?? ""),
    );
  const end = WARM_UP_BATCHES + Math.ceil(messages / BATCH_MESSAGES);
  for (const [index, side] of sides.entries()) {
    await sendAll(side, slice(index, { from: 0, to: WARM_UP_BATCHES }));
  }
  for (let from = WARM_UP_BATCHES; from < end; from += SLICE_BATCHES) {
    for (const [index, side] of sides.entries()) {
      const batches = slice(index, { from, to: Math.min(from + SLICE_BATCHES, end) });
      const startedMs = performance.now();
      await sendAll(side, batches);
      side.elapsedMs += performance.now() - startedMs;
      side.messages += batches.length * BATCH_MESSAGES;
    }
  }
}

async function pair(baseUrl: string): Promise<Client> {
  const client = createClient({ baseUrl });
  const { deviceId, code } = await client.request("POST", SERVER_PATHS.registerDevice, {
    body: { name: "Bench", hardwareId: "bench", platform: "linux", osVersion: "1", scope: "sync" },
    schema: registerDeviceResponseSchema,
  });
  const { token } = await client.request("POST", SERVER_PATHS.verifyDevice, {
    body: { deviceId, code },
    schema: verifyDeviceResponseSchema,
  });
  return createClient({ baseUrl, token: () => token });
}

function printTable(sides: readonly Side[]): void {
  const rate = (side: Side) => side.messages / side.elapsedMs * 1_000;
  const raw = sides.find(({ name }) => name.startsWith("raw"));
  writeLine("side                       rows/s   of raw");
  for (const side of sides) {
    const ratio = raw ? (rate(side) / rate(raw)).toFixed(2) : "";
    writeLine(
      `${side.name.padEnd(24)} ${Math.round(rate(side)).toLocaleString("en").padStart(8)} ${
        ratio.padStart(8)
      }`,
    );
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MB`;
}

async function postmasterPid({ sql }: Database): Promise<number> {
  const [row] = await sql<{ folder: string }>`select current_setting('data_directory') as folder`;
  return Number((await Deno.readTextFile(`${row?.folder}/postmaster.pid`)).split("\n")[0]);
}

async function compare(messages: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "ingest-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.chmod(folder, 0o755);
  const dataDir = join(folder, "data");
  const port = choosePort();
  const server = stack.use(
    await ServiceProcess.start({
      name: "server",
      url: `http://127.0.0.1:${port}`,
      env: {
        DATABASE_URL: "",
        DATA_DIR: dataDir,
        SERVER_HOST: "127.0.0.1",
        SERVER_PORT: `${port}`,
        PAIRING: "open",
      },
      output: { file: join(folder, "server.log") },
    }),
  );
  const address = await findRunningPostgres(dataDir);
  if (address === undefined) throw new Error("The server's PostgreSQL was not found");
  const home = stack.use(openDatabase({ ...address, max: 1 }));
  await home.sql`create database raw_twin`;
  const twin = stack.use(openDatabase({ ...address, database: "raw_twin", max: 1 }));
  await migrate(twin);
  const client = await pair(server.url);
  const sides = [httpSide(client, 1), await rawSide(twin), httpSide(client, 2)];

  const postmaster = await postmasterPid(home);
  let peakPostgresBytes = 0;
  const sampler = setInterval(() => {
    peakPostgresBytes = Math.max(peakPostgresBytes, familyBytes(postmaster));
  }, MEMORY_SAMPLE_MS);
  await takeTurns(sides, messages);
  clearInterval(sampler);

  const stored = await client.request("GET", SERVER_PATHS.syncStatus, { schema: syncStatusResponseSchema });
  writeLine(
    `${messages.toLocaleString("en")} messages a side, batches of ${BATCH_MESSAGES.toLocaleString("en")}`,
  );
  printTable(sides);
  writeLine(`stored through HTTP: ${stored.messages.toLocaleString("en")} messages`);
  writeLine(`peak resident memory of the server: ${megabytes(peakRssBytes(server.pid))}`);
  writeLine(`peak memory of all PostgreSQL processes, shared pages once: ${megabytes(peakPostgresBytes)}`);
}

await compare(Number(Deno.args[0] ?? DEFAULT_MESSAGES));
