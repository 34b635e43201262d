/** Two real servers on one database and one ml with the tiny model, of which one is killed while drafts are made. */
import { join } from "node:path";
import { z } from "zod";
import { registerDeviceResponseSchema, verifyDeviceResponseSchema } from "../../../contract/devices.ts";
import { messageListSchema } from "../../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { generatedResponseSchema } from "../../../contract/responses.ts";
import { syncMessagesResponseSchema } from "../../../contract/sync.ts";
import { delay } from "../../../lib/backoff.ts";
import { type Client, createClient } from "../../../lib/http/client.ts";
import { createTestDatabase, type TestDatabase, urlOf } from "../postgres/postgres.ts";
import { type RunningServer, type RunningServices, startServer, startServices } from "./running_services.ts";
import { REGISTRATION } from "./server_app.ts";
import { syncBatch, syncMessage } from "./sync_batches.ts";

export interface TwoServers extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly first: RunningServices;
  readonly second: RunningServer;
  /** Clients of a device paired at the first server. */
  readonly atFirst: Client;
  readonly atSecond: Client;
  readonly deviceId: string;
}

/** Each draft's ends as the database saw them: a trigger counts every change from unfinished to ended. */
const COUNT_ENDS = `
  create table test_ends (response_id uuid not null);
  create function count_end() returns trigger language plpgsql as $$
    begin insert into test_ends values (new.id); return null; end $$;
  create trigger count_end after update on responses for each row
    when (old.status in ('queued', 'generating') and new.status not in ('queued', 'generating'))
    execute function count_end();`;

async function pair(url: string): Promise<{ deviceId: string; token: string }> {
  const anonymous = createClient({ baseUrl: url });
  const device = await anonymous.request("POST", SERVER_PATHS.registerDevice, {
    body: REGISTRATION,
    schema: registerDeviceResponseSchema,
  });
  const { deviceId } = device;
  const body = { deviceId, code: device.code };
  const schema = verifyDeviceResponseSchema;
  return {
    deviceId,
    token: (await anonymous.request("POST", SERVER_PATHS.verifyDevice, { body, schema })).token,
  };
}

/** @param settings more of both servers' environment */
export async function startTwoServers(settings: Record<string, string> = {}): Promise<TwoServers> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase("embedded"));
  await database.database.sql.script(COUNT_ENDS);
  const env = { DATABASE_URL: urlOf(database.address), JWT_SECRET: "", PAIRING: "", ...settings };
  const first = stack.use(await startServices({ env }));
  const dir = join(first.dir, "second");
  const second = stack.use(await startServer({ dir, mlUrl: first.ml.url, env }));
  const { deviceId, token } = await pair(first.server.url);
  const clientOf = (server: { readonly url: string }) =>
    createClient({ baseUrl: server.url, token: () => token });
  const owned = stack.move();
  return {
    database,
    first,
    second,
    deviceId,
    atFirst: clientOf(first.server),
    atSecond: clientOf(second.server),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Syncs one message and returns its id. */
export async function sendMessage(client: Client): Promise<string> {
  const { conversationId } = await client.request("POST", SERVER_PATHS.syncMessages, {
    body: syncBatch([syncMessage()]),
    schema: syncMessagesResponseSchema,
  });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
  const { messages } = await client.request("GET", path, { schema: messageListSchema });
  return messages[0]?.id ?? "";
}

/** How the drafts of a run ended. */
export interface KillOutcome {
  drafts: number;
  kills: number;
  /** Drafts by their last status. */
  statuses: Record<string, number>;
  /** Drafts that ended more than once. */
  endedTwice: number;
  /** Jobs by the number of their attempts. */
  attempts: Record<string, number>;
  durationMs: number;
}

/** Queues drafts at the first server and kills it with kill -9 while they are made, each time starting it again. */
export async function killWhileDrafting(
  servers: TwoServers,
  { drafts, kills }: { drafts: number; kills: number },
): Promise<KillOutcome> {
  const { database: { database: { sql } }, first, atFirst } = servers;
  const startedAt = Date.now();
  const messageId = await sendMessage(atFirst);
  for (let n = 0; n < drafts; n++) {
    const body = { messageId, async: true, context: { maxTokens: 48, temperature: 1 } };
    await atFirst.request("POST", SERVER_PATHS.generateResponse, { body, schema: generatedResponseSchema });
  }
  const unfinished = async () => {
    const [row] = await sql<{ count: number }>`
      select count(*)::integer as count from responses where status in ('queued', 'generating')`;
    return row?.count ?? 0;
  };
  for (let kill = 1; kill <= kills; kill++) {
    // Kills fall evenly into the run, while both servers are at work.
    while (await unfinished() > drafts * (1 - kill / (kills + 1))) await delay(20);
    first.server.kill();
    await first.restartServer();
  }
  while (await unfinished() > 0) await delay(100);
  const statuses = await sql<{ key: string; count: number }>`
    select status as key, count(*)::integer as count from responses group by 1`;
  const twice = await sql`select response_id from test_ends group by 1 having count(*) > 1`;
  const attempts = await sql<{ key: string; count: number }>`
    select record::json ->> 'attempts' as key, count(*)::integer as count from jobs group by 1 order by 1`;
  const countsOf = (rows: { key: string; count: number }[]) =>
    Object.fromEntries(rows.map(({ key, count }) => [key, count]));
  return {
    drafts,
    kills,
    statuses: countsOf([...statuses]),
    endedTwice: twice.length,
    attempts: countsOf([...attempts]),
    durationMs: Date.now() - startedAt,
  };
}

/** Any answer. */
export const anything = z.unknown();
