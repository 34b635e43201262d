/** The owner's device for the demo and the flow tests: it claims a server, approves the agent, reads and acts. */
import type { z } from "zod";
import {
  contactListSchema,
  type Conversation,
  conversationListSchema,
  type Message,
  type MessageList,
  messageListSchema,
} from "../../../contract/conversations.ts";
import {
  deviceResponseSchema,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import {
  type GenerateContext,
  type GeneratedResponse,
  generatedResponseSchema,
  type ResponseActionRequest,
  type ResponseActionResponse,
  responseActionResponseSchema,
} from "../../../contract/responses.ts";
import { type SyncStatusResponse, syncStatusResponseSchema } from "../../../contract/sync.ts";
import {
  type ImportSamplesResponse,
  importSamplesResponseSchema,
  type startTrainingRequestSchema,
  type TrainingJob,
  trainingJobResponseSchema,
  type TrainingSample,
  type TrainingSampleList,
  trainingSampleListSchema,
} from "../../../contract/training.ts";
import {
  type ComparedDrafts,
  comparedDraftsSchema,
  heldOutRepliesSchema,
  type ModelsResponse,
  modelsResponseSchema,
} from "../../../contract/models.ts";
import { createClient } from "../../../lib/http/client.ts";

/** A draft of a small model on a slow machine takes seconds, not minutes. */
const DRAFT_TIMEOUT_MS = 180_000;

export interface OwnerClient {
  /** Joins the device that shows this code to the owner's account. */
  approve(code: string): Promise<void>;
  conversations(): Promise<Conversation[]>;
  /** The newest messages of a conversation, oldest first. */
  latestMessages(conversationId: string, count: number): Promise<Message[]>;
  /** Names by handle. */
  names(): Promise<Map<string, string>>;
  draft(messageId: string, context?: Partial<GenerateContext>): Promise<GeneratedResponse>;
  act(responseId: string, action: ResponseActionRequest): Promise<ResponseActionResponse>;
  trainingSamples(): Promise<TrainingSampleList>;
  /** Makes samples of what was sent before, the latest first. */
  importSamples(limit: number): Promise<ImportSamplesResponse>;
  startTraining(request: z.input<typeof startTrainingRequestSchema>): Promise<TrainingJob>;
  trainingJob(id: string): Promise<TrainingJob>;
  /** The job now, and at each event until it has ended. @throws the signal's reason when that aborts */
  followTraining(id: string, signal: AbortSignal): AsyncGenerator<TrainingJob>;
  cancelTraining(id: string): Promise<TrainingJob>;
  /** Some replies that an adapter did not learn from. */
  heldOutReplies(adapterId: string): Promise<TrainingSample[]>;
  /** Drafts of the message that a held-out reply answered, with the adapter and without it. */
  compareDrafts(adapterId: string, sampleId: string): Promise<ComparedDrafts>;
  /** Drafts are made with this adapter from now on. */
  promote(adapterId: string): Promise<ModelsResponse>;
  syncStatus(): Promise<SyncStatusResponse>;
  /** Every message of a conversation, newest first, read by cursor. */
  allMessages(conversationId: string): AsyncGenerator<Message>;
}

/** Registers and verifies a device of its own account, where nobody has to approve it, and returns its token. */
export async function pairDevice(baseUrl: string): Promise<string> {
  const client = createClient({ baseUrl });
  const registered = await client.request("POST", SERVER_PATHS.registerDevice, {
    schema: registerDeviceResponseSchema,
    body: {
      name: "Demo terminal",
      hardwareId: "demo-terminal",
      platform: "other",
      osVersion: Deno.version.deno,
    },
  });
  const { deviceId, code } = registered;
  const verified = await client.request("POST", SERVER_PATHS.verifyDevice, {
    schema: verifyDeviceResponseSchema,
    body: { deviceId, code },
  });
  return verified.token;
}

/** Registers a device at a fresh server, which makes it the owner's. */
export async function claimServer(baseUrl: string): Promise<OwnerClient> {
  return ownerClient(baseUrl, await pairDevice(baseUrl));
}

/** A client with the token of a device. */
export function ownerClient(baseUrl: string, token: string): OwnerClient {
  const client = createClient({ baseUrl, token: () => token });
  const get = <Schema extends z.ZodType>(path: string, schema: Schema) =>
    client.request("GET", path, { schema });
  const post = <Schema extends z.ZodType>(path: string, body: unknown, schema: Schema) =>
    client.request("POST", path, { schema, body, timeoutMs: DRAFT_TIMEOUT_MS });

  return {
    async approve(code) {
      await post(SERVER_PATHS.linkDevice, { code }, deviceResponseSchema);
    },
    async conversations() {
      return (await get(`${SERVER_PATHS.conversations}?pageSize=200`, conversationListSchema)).conversations;
    },
    async latestMessages(id, count) {
      const path = pathOf(SERVER_PATHS.conversationMessages, { id });
      return (await get(`${path}?pageSize=${count}`, messageListSchema)).messages.toReversed();
    },
    async names() {
      const { contacts } = await get(`${SERVER_PATHS.contacts}?pageSize=200`, contactListSchema);
      const handles = contacts.flatMap(({ displayName, phoneNumber, email, appleId }) =>
        [phoneNumber, email, appleId].map((handle) => [handle, displayName] as const)
      );
      return new Map(handles.filter((entry): entry is readonly [string, string] => !entry.includes(null)));
    },
    draft: (messageId, context) =>
      post(SERVER_PATHS.generateResponse, { messageId, context }, generatedResponseSchema),
    act: (id, action) =>
      post(pathOf(SERVER_PATHS.responseAction, { id }), action, responseActionResponseSchema),
    syncStatus: () => get(SERVER_PATHS.syncStatus, syncStatusResponseSchema),
    async *allMessages(id) {
      const path = pathOf(SERVER_PATHS.conversationMessages, { id });
      for (let cursor: string | null = ""; cursor !== null;) {
        const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
        const page: MessageList = await get(`${path}?pageSize=200${query}`, messageListSchema);
        yield* page.messages;
        cursor = page.nextCursor ?? null;
      }
    },
    importSamples: (limit) =>
      post(SERVER_PATHS.importTrainingSamples, { limit }, importSamplesResponseSchema),
    startTraining: async (request) =>
      (await post(SERVER_PATHS.startTraining, request, trainingJobResponseSchema)).job,
    trainingJob: async (id) =>
      (await get(pathOf(SERVER_PATHS.trainingJob, { id }), trainingJobResponseSchema)).job,
    async *followTraining(id, signal) {
      const path = pathOf(SERVER_PATHS.trainingJobEvents, { id });
      const events = client.events(path, { schema: trainingJobResponseSchema, signal });
      for await (const { data } of events) yield data.job;
    },
    cancelTraining: async (id) =>
      (await post(pathOf(SERVER_PATHS.cancelTrainingJob, { id }), {}, trainingJobResponseSchema)).job,
    heldOutReplies: async (adapterId) =>
      (await get(pathOf(SERVER_PATHS.heldOutReplies, { adapterId }), heldOutRepliesSchema)).samples,
    compareDrafts: (adapterId, sampleId) =>
      post(pathOf(SERVER_PATHS.compareDrafts, { adapterId }), { sampleId }, comparedDraftsSchema),
    promote: (adapterId) =>
      post(pathOf(SERVER_PATHS.promoteAdapter, { adapterId }), {}, modelsResponseSchema),
    trainingSamples: () => get(`${SERVER_PATHS.trainingSamples}?pageSize=200`, trainingSampleListSchema),
  };
}
