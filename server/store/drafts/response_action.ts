/** Records the person's action on a draft once, with its training sample in the same transaction. */
import { and, eq, sql as drizzleSql } from "drizzle-orm";
import type { DraftCandidate } from "../../../contract/responses.ts";
import { type Database, messagesLockOf, newId, type Queries, shareLockUntilCommit } from "../database.ts";
import { isNeverTrained } from "../messages/conversation_policy.ts";
import { fragment } from "../sql.ts";
import {
  type DraftResponse,
  type ResponseAction,
  responses,
  type TrainingSample,
  trainingSamples,
} from "../schema.ts";

/** What an action teaches; `quality` is in [0, 1], `rejectedOutput` the draft that was refused in favour of `output`. */
export interface ActionSample {
  readonly input: string;
  readonly output: string;
  readonly rejectedOutput?: string | null;
  readonly quality: number;
}

/** The person's action; `sample` is what it teaches, stored in the same transaction (none: nothing to learn). */
export interface ActionRequest {
  readonly responseId: string;
  readonly action: ResponseAction;
  readonly editedResponse?: string;
  readonly rejectionReason?: string;
  /** The candidate that was named, which becomes the draft's text. */
  readonly candidate?: DraftCandidate;
  readonly sample?: ActionSample;
}

/**
 * `recorded`: first action. `repeated`: the very same action again, nothing changed. `conflict`: another action came first.
 * `not_completed`: there is no draft to act on (yet).
 */
export type ActionResult =
  | {
    readonly outcome: "recorded" | "repeated";
    readonly response: DraftResponse;
    readonly sample: TrainingSample | undefined;
  }
  | { readonly outcome: "conflict" | "not_completed"; readonly response: DraftResponse }
  | { readonly outcome: "not_found" };

function isSameAction(response: DraftResponse, request: ActionRequest): boolean {
  return response.action === request.action &&
    response.editedResponse === (request.editedResponse ?? null) &&
    response.rejectionReason === (request.rejectionReason ?? null) &&
    response.chosenCandidate === (request.candidate?.id ?? null);
}

async function sampleOf(
  tx: Queries,
  { responseId, action }: ActionRequest,
): Promise<TrainingSample | undefined> {
  const [sample] = await tx.select().from(trainingSamples)
    .where(and(eq(trainingSamples.responseId, responseId), eq(trainingSamples.source, action)));
  return sample;
}

/** Whether what was sent after the draft's message is a sample already: it says more than an action that came later. */
async function isLearned(tx: Queries, { accountId, messageId }: DraftResponse): Promise<boolean> {
  const found = await tx.select({ id: trainingSamples.id }).from(trainingSamples)
    .innerJoin(responses, eq(responses.id, trainingSamples.responseId))
    .where(and(
      eq(responses.accountId, accountId),
      eq(responses.messageId, messageId),
      eq(trainingSamples.source, "sent"),
    )).limit(1);
  return found.length > 0;
}

async function addSample(
  tx: Queries,
  { response, request }: { response: DraftResponse; request: ActionRequest },
): Promise<TrainingSample | undefined> {
  if (!request.sample || (request.action !== "reject" && await isLearned(tx, response))) return undefined;
  const { id: responseId, accountId, conversationId, messageId, sourceMessageIds } = response;
  const used = fragment`${[messageId, ...sourceMessageIds ?? []]}::uuid[]`;
  const refused = await tx.execute(drizzleSql`select where ${isNeverTrained(accountId, used)}`);
  if (refused.rowCount !== 0) return undefined;
  const [sample] = await tx.insert(trainingSamples).values({
    id: newId(),
    accountId,
    responseId,
    conversationId,
    messageId,
    sourceMessageIds,
    source: request.action,
    ...request.sample,
  }).returning();
  return sample;
}

function chosenFields({ candidate }: ActionRequest): Partial<DraftResponse> {
  if (candidate === undefined) return {};
  const { id: chosenCandidate, text: response, ...figures } = candidate;
  return { chosenCandidate, response, ...figures };
}

/** Records the first action on a completed draft; a second, different one is a conflict. */
export function recordAction(
  { transaction }: Database,
  accountId: string,
  request: ActionRequest,
): Promise<ActionResult> {
  const { responseId, action, editedResponse, rejectionReason } = request;
  return transaction(async ({ db: tx }) => {
    // A policy that changes meanwhile finds the sample, or is found here.
    await shareLockUntilCommit(tx, messagesLockOf(accountId));
    const [draft] = await tx.select().from(responses)
      .where(and(eq(responses.accountId, accountId), eq(responses.id, responseId))).for("update");
    if (!draft) return { outcome: "not_found" };
    if (draft.status !== "completed") return { outcome: "not_completed", response: draft };
    if (draft.action) {
      if (!isSameAction(draft, request)) return { outcome: "conflict", response: draft };
      return { outcome: "repeated", response: draft, sample: await sampleOf(tx, request) };
    }
    const [response] = await tx.update(responses)
      .set({ action, editedResponse, rejectionReason, actedAt: new Date(), ...chosenFields(request) })
      .where(eq(responses.id, responseId)).returning();
    if (!response) throw new Error("The draft acted on was not returned");
    return { outcome: "recorded", response, sample: await addSample(tx, { response, request }) };
  });
}
