/** Work that is under way while the fuzzer asks: drafts and generations that wait, training jobs, an adapter; and their ids. */
import { z } from "zod";
import { conversationListSchema, messageListSchema } from "../../../contract/conversations.ts";
import { generateAsyncResponseSchema } from "../../../contract/ml.ts";
import { mlTrainingStatusSchema } from "../../../contract/ml_training.ts";
import { ML_PATHS, pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { generatedResponseSchema } from "../../../contract/responses.ts";
import { trainingJobResponseSchema, trainingSampleListSchema } from "../../../contract/training.ts";
import type { Client } from "../../../lib/http/client.ts";

/** Ids by what they are of: the beginning of a documented path with `{…}`, or the name of a field of bodies. */
export type KnownIds = Readonly<Record<string, readonly string[]>>;

const MODEL = "tiny";
/** A tiny model takes a second for each. */
const DRAFTS_OF_EACH = 12;
const WAITING = 12;
const TRAINING_JOBS = 4;
/** More than the run takes; the jobs end with their service. */
const LONG_EPOCHS = 100;
const LONG_TOKENS = 2_048;

/** The incoming messages of all conversations, those of one last. */
async function messagesOf(
  client: Client,
  lastId: string,
): Promise<{ conversationIds: string[]; messageIds: string[] }> {
  const { conversations } = await client.request("GET", SERVER_PATHS.conversations, {
    schema: conversationListSchema,
  });
  const others = conversations.map(({ id }) => id).filter((id) => id !== lastId);
  const conversationIds = [...others, lastId];
  const messageIds: string[] = [];
  for (const id of conversationIds) {
    const path = pathOf(SERVER_PATHS.conversationMessages, { id });
    const { messages } = await client.request("GET", path, { schema: messageListSchema });
    messageIds.push(...messages.filter(({ direction }) => direction === "incoming").map((one) => one.id));
  }
  return { conversationIds, messageIds };
}

async function draft(client: Client, body: { messageId: string; async: boolean; maxTokens: number }) {
  const { maxTokens, ...rest } = body;
  const schema = generatedResponseSchema;
  const answer = await client.request("POST", SERVER_PATHS.generateResponse, {
    body: { ...rest, context: { maxTokens } },
    schema,
  });
  return answer.responseId;
}

interface TrainingOptions {
  readonly epochs: number;
  readonly sampleIds: readonly string[];
}

async function startTraining(client: Client, { epochs, sampleIds }: TrainingOptions): Promise<string> {
  const { job } = await client.request("POST", SERVER_PATHS.startTraining, {
    body: { baseModel: MODEL, epochs, sampleIds, seed: 7, lora: { rank: 4 } },
    schema: trainingJobResponseSchema,
  });
  return job.id;
}

/** Trains to the end. */
async function trainAdapter(
  client: Client,
  sampleIds: readonly string[],
): Promise<{ jobId: string; adapterId: string }> {
  const jobId = await startTraining(client, { epochs: 1, sampleIds });
  const path = pathOf(SERVER_PATHS.trainingJobEvents, { id: jobId });
  const states = await Array.fromAsync(client.events(path, { schema: trainingJobResponseSchema }));
  const job = states.at(-1)?.data.job;
  const adapterId = job?.metrics?.result?.adapterId;
  if (adapterId === undefined) throw new Error(`The training job made no adapter: ${job?.error}`);
  return { jobId, adapterId };
}

/** Starts drafts and a training job of an account that has messages and samples, as long as they may be. */
export async function startServerWork(client: Client): Promise<{ ids: KnownIds; adapterId: string }> {
  const { samples } = await client.request("GET", SERVER_PATHS.trainingSamples, {
    schema: trainingSampleListSchema,
  });
  const sampleIds = samples.map(({ id }) => id);
  // The last of each kind is deleted, and with it what it is part of: nothing of it is trained on.
  const learned = sampleIds.slice(0, -1);
  const { conversationIds, messageIds } = await messagesOf(client, samples.at(-1)?.conversationId ?? "");
  const { jobId, adapterId } = await trainAdapter(client, learned);
  const [first = ""] = messageIds;
  const drafts = [await draft(client, { messageId: first, async: false, maxTokens: 16 })];
  // An account has one job at a time.
  const jobs = [await startTraining(client, { epochs: LONG_EPOCHS, sampleIds: learned }), jobId];
  for (let round = 0; round < DRAFTS_OF_EACH; round++) {
    for (const messageId of messageIds) {
      drafts.push(await draft(client, { messageId, async: true, maxTokens: LONG_TOKENS }));
    }
  }
  const ids = {
    "/api/conversations/{": conversationIds,
    "/api/messages/{": messageIds,
    // The last ones wait longest.
    "/api/responses/{": drafts.toReversed(),
    "/api/training/samples/{": sampleIds,
    "/api/training/jobs/{": jobs,
    "/api/models/{": [adapterId],
    messageId: messageIds,
    conversationIds,
    sampleIds,
    baseModel: [MODEL],
  };
  return { ids, adapterId };
}

/** Starts generations and training jobs at ml itself. */
export async function startMlWork(client: Client, adapterId: string): Promise<KnownIds> {
  const generations: string[] = [];
  while (generations.length < WAITING) {
    const body = { prompt: "Them: hi\nMe:", max_tokens: LONG_TOKENS, account_id: "fuzzer" };
    const schema = generateAsyncResponseSchema;
    generations.push((await client.request("POST", ML_PATHS.generateAsync, { body, schema })).job_id);
  }
  const jobs: string[] = [];
  while (jobs.length < TRAINING_JOBS) {
    const samples = Array.from(
      { length: 40 },
      (_, index) => ({ input: `Them: plan ${index}?\nMe:`, output: "yes" }),
    );
    const body = { job_id: `fuzzed-${jobs.length}`, base_model: MODEL, samples, epochs: LONG_EPOCHS };
    const schema = mlTrainingStatusSchema.extend({ job_id: z.string() });
    jobs.push((await client.request("POST", ML_PATHS.startTraining, { body, schema })).job_id);
  }
  return {
    "/generate/": generations,
    "/training/": jobs,
    "/models/adapters/{": [adapterId],
    "/v1/models/{": [MODEL],
    adapter_id: [adapterId],
    base_model: [MODEL],
    model: [MODEL],
    model_id: [MODEL],
    job_id: jobs,
  };
}
