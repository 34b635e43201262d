/** Walks a person's training through a running server and ml: sent replies, a job, an adapter, drafts, unlearning. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { z } from "zod";
import { conversationListSchema, deletionSchema, messageListSchema } from "../contract/conversations.ts";
import type { EventMessage } from "../contract/events.ts";
import { modelListSchema } from "../contract/ml.ts";
import { modelsResponseSchema } from "../contract/models.ts";
import { ML_PATHS, pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema } from "../contract/responses.ts";
import {
  importSamplesResponseSchema,
  type TrainingJob,
  trainingJobResponseSchema,
  trainingSampleListSchema,
} from "../contract/training.ts";
import { type Client, createClient } from "../lib/http/client.ts";
import { PROJECT_ROOT, taskArguments } from "../tools/service_process.ts";
import { createTestDatabase, testServers, urlOf } from "./support/postgres/postgres.ts";
import { openEvents } from "./support/server/event_client.ts";
import { pairDevice } from "./support/server/owner_client.ts";
import {
  type RunningServices,
  startMl,
  startServer,
  startServices,
} from "./support/server/running_services.ts";
import { JOHN, syncBatch, syncMessage } from "./support/server/sync_batches.ts";

/** Of so many, enough are held out for the adapter to be offered. */
const PAIRS = 130;
/** A minute after the message of {@linkcode syncMessage}. */
const SOON_AFTER = "2024-01-01T12:01:00Z";

/** How often a client of events is cut off during a training. */
const CUTS = 10;

function clientWith(token: string, { server }: RunningServices): Client {
  return createClient({ baseUrl: server.url, token: () => token });
}

/** Short conversations, in each of which the owner answers in one way: short prompts train fast. */
async function syncReplies(client: Client): Promise<void> {
  for (let index = 0; index < PAIRS; index++) {
    const messages = [
      syncMessage({ senderId: JOHN, text: `are you in for plan ${index}?` }),
      syncMessage({
        senderId: null,
        direction: "outgoing",
        text: `yes plan ${index} ok`,
        sentAt: SOON_AFTER,
      }),
    ];
    const body = syncBatch(messages, { conversationImessageId: `chat-${index}` });
    await client.request("POST", SERVER_PATHS.syncMessages, { body, schema: z.unknown() });
  }
}

async function startTraining(client: Client): Promise<TrainingJob> {
  const { job } = await client.request("POST", SERVER_PATHS.startTraining, {
    body: {
      baseModel: "tiny",
      epochs: 4,
      learningRate: 2e-2,
      seed: 7,
      batchSize: 8,
      lora: { rank: 4 },
    },
    schema: trainingJobResponseSchema,
  });
  return job;
}

async function trainToItsEnd(client: Client): Promise<TrainingJob[]> {
  const job = await startTraining(client);
  const path = pathOf(SERVER_PATHS.trainingJobEvents, { id: job.id });
  const events = client.events(path, { schema: trainingJobResponseSchema });
  return (await Array.fromAsync(events)).map(({ data }) => data.job);
}

async function draft(client: Client): Promise<z.infer<typeof generatedResponseSchema>> {
  const { conversations: [conversation] } = await client.request("GET", SERVER_PATHS.conversations, {
    schema: conversationListSchema,
  });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversation?.id ?? "" });
  const { messages } = await client.request("GET", path, { schema: messageListSchema });
  const messageId = messages.find(({ direction }) => direction === "incoming")?.id;
  return await client.request("POST", SERVER_PATHS.generateResponse, {
    body: { messageId, context: { maxTokens: 16 } },
    schema: generatedResponseSchema,
  });
}

function isTrainingOver(message: EventMessage): boolean {
  return message.event === "training:progress" && !["queued", "training"].includes(message.data.status);
}

/** The events after one until the training is over, heard over connections of which the first ones are cut off. */
async function hearTraining(
  url: string,
  { token, after, cuts }: { token: string; after: number; cuts: number },
): Promise<{ heard: EventMessage[]; cut: number }> {
  const heard: EventMessage[] = [];
  let cut = 0;
  for (let isOver = false; !isOver;) {
    const from = heard.at(-1)?.id ?? after;
    await using client = await openEvents(url, { token, after: from });
    assert.deepEqual(await client.next(), { id: from, event: "connected", data: { resumed: true } });
    // A fast training has few events: of the connections that are cut off, every fifth hears one, the others none.
    const limit = cut === cuts ? Infinity : cut % 5 === 0 ? 1 : 0;
    for (let count = 0; !isOver && count < limit;) {
      const message = await client.next();
      if (message.event === "heartbeat") continue;
      heard.push(message);
      count++;
      isOver = isTrainingOver(message);
    }
    if (isOver) continue;
    client.cut();
    cut++;
  }
  return { heard, cut };
}

/** A training that one client hears whole and another over connections that are cut off: it misses and repeats nothing. */
async function heardByBoth<Result>(
  { url, token }: { url: string; token: string },
  train: () => Promise<Result>,
): Promise<Result> {
  await using first = await openEvents(url, { token });
  const { id: after } = await first.next();
  const [whole, pieces, result] = await Promise.all([
    hearTraining(url, { token, after, cuts: 0 }),
    hearTraining(url, { token, after, cuts: CUTS }),
    train(),
  ]);
  assert.deepEqual([whole.cut, pieces.cut], [0, CUTS]);
  assert.deepEqual(pieces.heard, whole.heard);
  assert.deepEqual(pieces.heard.map(({ id }) => id), pieces.heard.map((_, index) => after + 1 + index));
  const last = pieces.heard.at(-1);
  assert.equal(last?.event === "training:progress" && last.data.status, "completed");
  return result;
}

/** Runs a command of the server with the settings of its process; gives what it printed. */
async function serverCommand(args: string[], env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...taskArguments("server"), ...args],
    cwd: PROJECT_ROOT,
    env,
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  return text.decode(stdout);
}

/** Restores a backup into another ml and another PostgreSQL, and has a draft made there. */
async function draftElsewhere(services: RunningServices, token: string) {
  const { dir, server, ml } = services;
  const identity = await generateX25519Identity();
  const [file, key] = [join(dir, "backup.age"), join(dir, "key.txt")];
  await Deno.writeTextFile(key, identity);
  const here = { DATA_DIR: join(dir, "server"), BACKUP_RECIPIENT: await identityToRecipient(identity) };
  // Port 9 of the loopback address: nothing answers there.
  await assert.rejects(serverCommand(["backup", file], { ...here, ML_URL: "http://127.0.0.1:9" }), /ml/);
  assert.match(await serverCommand(["backup", file], { ...here, ML_URL: ml.url }), /with 1 adapter\n/);
  const newest = (await testServers()).at(-1);
  await using database = await createTestDatabase(newest, { migrated: false });
  const other = join(dir, "other");
  await Deno.mkdir(other);
  await using otherMl = await startMl({ dir: other, model: join(dir, "tiny.gguf"), env: {} });
  const env = { DATA_DIR: join(other, "server"), DATABASE_URL: urlOf(database.address) };
  const restore = (mlUrl: string) =>
    serverCommand(["restore", file, "--key", key], { ...env, ML_URL: mlUrl });
  await assert.rejects(restore("http://127.0.0.1:9"), /nothing was changed/);
  assert.match(await restore(otherMl.url), /rows, 1 adapter\./);
  await using restored = await startServer({ dir: other, mlUrl: otherMl.url, env });
  assert.notEqual(restored.server.url, server.url);
  return await draft(createClient({ baseUrl: restored.server.url, token: () => token }));
}

Deno.test(`sent replies become an adapter, heard by a client that is cut off ${CUTS} times, that drafts, here and from a backup, until one is deleted`, async () => {
  await using services = await startServices();
  const { url } = services.server;
  const token = await pairDevice(url);
  const client = clientWith(token, services);
  const models = () => client.request("GET", SERVER_PATHS.accountModels, { schema: modelsResponseSchema });
  await syncReplies(client);
  const imported = await client.request("POST", SERVER_PATHS.importTrainingSamples, {
    body: {},
    schema: importSamplesResponseSchema,
  });
  assert.equal(imported.imported, PAIRS);

  const course = await heardByBoth({ url, token }, () => trainToItsEnd(client));
  const ended = course.at(-1);
  const result = ended?.metrics?.result;
  assert.equal(ended?.status, "completed", ended?.error ?? "it has no error");
  assert.ok(result?.offered && (result.adapterLoss ?? 9) < (result.baseLoss ?? 0));
  assert.ok(course.filter(({ metrics }) => (metrics?.step ?? 0) > 0).length > 3, "progress was reported");
  const { baseModel, adapters: [adapter] } = await models();
  assert.deepEqual([baseModel, adapter?.id, adapter?.state], ["tiny", result.adapterId, "staged"]);

  assert.equal((await draft(client)).modelVersion, "tiny");
  const path = pathOf(SERVER_PATHS.promoteAdapter, { adapterId: result.adapterId });
  await client.request("POST", path, { schema: modelsResponseSchema });
  const drafted = await draft(client);
  assert.equal(drafted.modelVersion, `tiny+${result.adapterId}`);
  assert.equal(drafted.adapter?.probe, "agrees");
  const elsewhere = await draftElsewhere(services, token);
  assert.equal(elsewhere.modelVersion, drafted.modelVersion);
  assert.deepEqual(elsewhere.adapter, drafted.adapter);

  const { samples: [sample] } = await client.request("GET", SERVER_PATHS.trainingSamples, {
    schema: trainingSampleListSchema,
  });
  const samplePath = pathOf(SERVER_PATHS.trainingSample, { id: sample?.id ?? "" });
  const deletion = await client.request("DELETE", samplePath, { schema: deletionSchema });
  assert.deepEqual(deletion.taintedAdapterIds, [result.adapterId]);
  assert.equal((await draft(client)).modelVersion, "tiny");
  assert.deepEqual([(await models()).promotedAdapterId, (await models()).adapters[0]?.fault], [null, null]);
  const ml = createClient({ baseUrl: services.ml.url });
  const stateInMl = async () =>
    (await ml.request("GET", ML_PATHS.models, { schema: modelListSchema })).adapters[0]?.state;
  while (await stateInMl() !== "tainted");
});
