/** A device with training samples, and the jobs and adapters that tests make of them. */
import type { z } from "zod";
import type { MlTrainingStatus } from "../../../contract/ml_training.ts";
import { type ModelsResponse, modelsResponseSchema } from "../../../contract/models.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import {
  type GeneratedResponse,
  generatedResponseSchema,
  responseActionResponseSchema,
} from "../../../contract/responses.ts";
import { trainingJobResponseSchema } from "../../../contract/training.ts";
import { type ServerAppUnderTest, startServerApp } from "./server_app.ts";
import { JOHN, sendConversation, type Sender } from "./sync_batches.ts";

/** A start as the reference writes it. */
export const START = { baseModel: "ministral-3b-instruct", epochs: 3, learningRate: 0.0001 };

/** A paired device whose owner has acted on drafts. */
export interface Trainee extends Sender {
  /** The messages that were answered, oldest first. */
  messageIds: string[];
  /** Samples of an accepted, an edited and a rejected draft. */
  sampleIds: [string, string, string];
}

export type Job = z.infer<typeof trainingJobResponseSchema>["job"];

/** Drafts a reply to a message. */
export async function draftFor({ server, token }: Sender, messageId: string): Promise<GeneratedResponse> {
  return await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId },
    schema: generatedResponseSchema,
  });
}

/** A new device on a server whose owner accepted one draft, edited one and rejected one. */
export async function pairTrainee(server: ServerAppUnderTest): Promise<Trainee> {
  const { token } = await server.pair();
  const messages = await sendConversation({ server, token }, {
    lines: [[JOHN, "Dinner?"], [JOHN, "Lunch?"], [JOHN, "Tea?"]],
  });
  const actions = [{ action: "accept" }, { action: "edit", editedResponse: "Sure" }, { action: "reject" }];
  const ids: string[] = [];
  for (const [index, action] of actions.entries()) {
    const { responseId } = await draftFor({ server, token }, messages[index]?.id ?? "");
    const acted = await server.expect(pathOf(SERVER_PATHS.responseAction, { id: responseId }), {
      token,
      body: action,
      schema: responseActionResponseSchema,
    });
    ids.push(acted.trainingSampleId ?? "");
  }
  const [accepted = "", edited = "", rejected = ""] = ids;
  const messageIds = messages.map(({ id }) => id);
  return { server, token, messageIds, sampleIds: [accepted, edited, rejected] };
}

/** A server with one trainee. */
export async function startWithSamples(): Promise<Trainee> {
  return await pairTrainee(await startServerApp());
}

/** Starts a job that ml takes. */
export async function startJob(
  { server, token }: Sender,
  change: Record<string, unknown> = {},
): Promise<Job> {
  const { job } = await server.expect(SERVER_PATHS.startTraining, {
    token,
    body: { ...START, ...change },
    status: 202,
    schema: trainingJobResponseSchema,
  });
  return job;
}

/** A job as the server shows it. */
export async function readJob({ server, token }: Sender, id: string): Promise<Job> {
  const path = pathOf(SERVER_PATHS.trainingJob, { id });
  return (await server.expect(path, { token, schema: trainingJobResponseSchema })).job;
}

/** What ml says of a job that is under way. */
export function runningStatus(jobId: string, change: Partial<MlTrainingStatus> = {}): MlTrainingStatus {
  return {
    job_id: jobId,
    status: "training",
    progress: 45,
    error: null,
    phase: "training",
    step: 9,
    steps: 20,
    epoch: 1,
    loss: 2.75,
    held_out_loss: 3.5,
    learning_rate: 0.0001,
    tokens_per_second: 250,
    eta_ms: 60_000,
    excluded: { duplicate: 1 },
    memory_bytes: 1_000_000,
    result: null,
    ...change,
  };
}

/** The gate's sentences, as ml reports them. */
export const OFFERED = "Better than the base model by 0.250 (95 % interval 0.125 to 0.375)";
export const REFUSED = "Too few to tell: 1 reply was held out, and 30 are needed";

/** What ml says of a job that has made the adapter `adapter-<job id>`. */
export function completedStatus(
  jobId: string,
  { offered = true, heldOutIds }: { offered?: boolean; heldOutIds?: string[] } = {},
): MlTrainingStatus {
  return runningStatus(jobId, {
    status: "completed",
    progress: 100,
    step: 20,
    eta_ms: 0,
    result: {
      adapter_id: `adapter-${jobId}`,
      offered,
      offer_reason: offered ? OFFERED : REFUSED,
      base_loss: 3.5,
      examples_loss: 3.375,
      adapter_loss: offered ? 3.25 : 3.75,
      held_out_samples: 1,
      train_samples: 1,
      held_out_ids: heldOutIds,
    },
  });
}

/** Trains an adapter to its end. */
export async function trainAdapter(
  trainee: Sender,
  { offered, heldOutIds, ...change }: { offered?: boolean; heldOutIds?: string[] } & Record<string, unknown> =
    {},
): Promise<string> {
  const { id } = await startJob(trainee, change);
  trainee.server.ml.reportTraining(completedStatus(id, { offered, heldOutIds }));
  await trainee.server.reconciler.reconcile();
  return `adapter-${id}`;
}

/** The account's models. */
export async function readModels({ server, token }: Sender): Promise<ModelsResponse> {
  return await server.expect(SERVER_PATHS.accountModels, { token, schema: modelsResponseSchema });
}

/** Promotes an adapter, which must succeed. */
export async function promote({ server, token }: Sender, adapterId: string): Promise<ModelsResponse> {
  const path = pathOf(SERVER_PATHS.promoteAdapter, { adapterId });
  return await server.expect(path, { method: "POST", token, schema: modelsResponseSchema });
}
