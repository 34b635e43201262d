/** Drafts replies, at once or in the background, and cancels drafts. */
import {
  type GenerateContext,
  generateContextSchema,
  type GeneratedResponse,
  type GenerateResponseRequest,
  type ResponseRecord,
} from "../../../contract/responses.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { Caller } from "../../auth/authenticate.ts";
import { type SignedInOptions, whileSignedIn } from "../../store/jobs/announcements.ts";
import type { IdempotencyStore } from "../../store/drafts/idempotency_store.ts";
import type { PolicyStore } from "../../store/messages/conversation_policy.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import type { DraftResponse } from "../../store/schema.ts";
import { failureTextOf, generateDraft, type GenerationDependencies } from "./draft_generation.ts";
import type { ServerJobs } from "./draft_jobs.ts";
import { findWaiting } from "./waiting_drafts.ts";
import { draftOnce, type KeyedRequest } from "./idempotency.ts";
import { exampleFinder, type ExampleStores } from "./examples.ts";
import { type ExampleFinder, promptFor, type PromptStores } from "./prompt_builder.ts";

/** When earlier replies are shown as examples: while no adapter is promoted, which has learned from them, always, or never. */
export type ExamplePolicy = "untrained" | "always" | "off";

export interface DraftingOptions
  extends GenerationDependencies, PromptStores, ExampleStores, SignedInOptions {
  /** Absent: `off`. */
  draftExamples?: ExamplePolicy;
  conversations: PromptStores["conversations"] & ExampleStores["conversations"];
  policies: Pick<PolicyStore, "draftingOf">;
  idempotency: IdempotencyStore;
  jobs: Pick<ServerJobs, "enqueue" | "cancel" | "list">;
  /** This server among those of its database; null where it is alone. */
  serverId: string | null;
  log: Logger;
}

interface DraftIdentity {
  /** The id that the draft gets; by default a new one. */
  responseId?: string;
}

/** How somebody waits for a draft. */
interface DraftWait {
  signal: AbortSignal;
  /** Given each piece of the text as it is written. The answer is what counts: it may differ. */
  onPiece?: (text: string) => void;
}

export interface Drafting {
  /**
   * Drafts a reply and waits for it; when the signal aborts, ml stops at its next token.
   *
   * @throws ApiError `not_found`, `validation_failed`, or what ml fails with
   */
  draft(
    caller: Caller,
    request: GenerateResponseRequest & DraftWait & DraftIdentity,
  ): Promise<GeneratedResponse>;
  /** Drafts a reply in the background; `GET /api/responses/:id` shows its progress. */
  enqueue(caller: Caller, request: GenerateResponseRequest & DraftIdentity): Promise<GeneratedResponse>;
  /**
   * Drafts as one of the two above does; a request sent again with its key answers with the same draft.
   *
   * @throws ApiError `idempotency_key_reused` when another request had the key, and what the two above throw
   */
  draftOnce(caller: Caller, keyed: Omit<KeyedRequest, "caller">): Promise<GeneratedResponse>;
  /**
   * Drafts for a reader of the pieces, with a key or without, and stops when the reader is shut out.
   *
   * @throws ApiError what `draft` and `draftOnce` throw
   */
  stream(caller: Caller, request: StreamedDraftRequest): Promise<GeneratedResponse>;
  /** Ends a draft that is not finished. @throws ApiError `not_found`, or `conflict` when it is */
  cancel(caller: Caller, responseId: string): Promise<ResponseRecord>;
}

export interface StreamedDraftRequest extends Required<DraftWait> {
  request: GenerateResponseRequest;
  /** Of the header `Idempotency-Key`. */
  key?: string;
}

interface DraftRequest {
  responseId?: string;
  messageId: string;
  context: GenerateContext;
  status: "queued" | "generating";
}

/** The answer to whoever asked for the draft. */
function generatedResponseOf(row: DraftResponse): GeneratedResponse {
  return {
    responseId: row.id,
    status: row.status,
    response: row.response,
    confidence: row.confidence,
    rawConfidence: row.rawConfidence,
    suggested: row.suggested,
    reason: row.reason,
    modelVersion: row.modelVersion,
    tokensUsed: row.tokensUsed,
    timings: row.timings,
    adapter: row.adapter,
    exampleCount: row.exampleCount,
    unsupported: row.unsupported,
    candidates: row.candidates,
  };
}

/** The complete record. */
export function responseRecordOf(row: DraftResponse): ResponseRecord {
  return {
    ...generatedResponseOf(row),
    conversationId: row.conversationId,
    messageId: row.messageId,
    error: row.error,
    action: row.action,
    editedResponse: row.editedResponse,
    rejectionReason: row.rejectionReason,
    chosenCandidate: row.chosenCandidate,
    createdAt: row.createdAt.toISOString(),
    completedAt: row.completedAt?.toISOString() ?? null,
    actedAt: row.actedAt?.toISOString() ?? null,
  };
}

/** The error for an id that is no draft of the account. */
export function responseNotFound(): ApiError {
  return new ApiError("not_found", "There is no response with this id");
}

/** @throws ApiError `not_found` */
export async function findDraft(
  responses: Pick<ResponseStore, "find">,
  accountId: string,
  responseId: string,
): Promise<DraftResponse> {
  const draft = await responses.find(accountId, responseId);
  if (draft === undefined) throw responseNotFound();
  return draft;
}

/** What finds the examples of an account's drafts; undefined where they have none. */
async function examplesOf(options: DraftingOptions, accountId: string): Promise<ExampleFinder | undefined> {
  const { draftExamples = "off", adapters } = options;
  if (draftExamples === "off") return undefined;
  const isTrained = draftExamples === "untrained" && await adapters.promoted(accountId) !== undefined;
  return isTrained ? undefined : exampleFinder(options);
}

function draftingIsOff(): ApiError {
  return new ApiError(
    "conflict",
    "Drafts are off for this conversation: set its `drafting` to on_demand to have them",
  );
}

async function createDraft(
  options: DraftingOptions,
  { caller, request }: { caller: Caller; request: DraftRequest },
): Promise<{ draft: DraftResponse; labels: readonly string[] }> {
  const { accountId, deviceId } = caller;
  const { responseId: id, messageId, context, status } = request;
  if (await options.policies.draftingOf(accountId, messageId) === "off") throw draftingIsOff();
  while (true) {
    const { text: prompt, labels, ...made } = await promptFor(options, {
      examples: await examplesOf(options, accountId),
      accountId,
      messageId,
      context,
    });
    const { serverId } = options;
    const row = { id, accountId, deviceId, messageId, prompt, ...made, status, serverId };
    const draft = await options.responses.create(row);
    // Otherwise a message of the prompt was deleted meanwhile: the next prompt is without it, or is answered by a 404.
    if (draft !== undefined) return { draft, labels };
  }
}

async function recordFailure(
  { responses, log }: DraftingOptions,
  { draft, error }: { draft: DraftResponse; error: unknown },
): Promise<void> {
  await responses.fail(draft.accountId, { responseId: draft.id, error: failureTextOf(error) }).catch(
    (fault) => {
      log.warn("a failed draft could not be recorded", { responseId: draft.id, ...logFieldsOfError(fault) });
    },
  );
}

function draftingNow(
  options: DraftingOptions,
  running: Map<string, AbortController>,
): Drafting["draft"] {
  const { responses } = options;
  return async (caller, request) => {
    const { responseId, messageId, context = generateContextSchema.parse({}), candidates, signal, onPiece } =
      request;
    const { draft, labels } = await createDraft(options, {
      caller,
      request: { responseId, messageId, context, status: "generating" },
    });
    const cancellation = new AbortController();
    running.set(draft.id, cancellation);
    const either = AbortSignal.any([signal, cancellation.signal]);
    try {
      const completed = await generateDraft(options, {
        draft,
        labels,
        settings: { ...context, candidates },
        background: false,
        signal: either,
        onPiece,
      });
      return generatedResponseOf(completed ?? await findDraft(responses, draft.accountId, draft.id));
    } catch (error) {
      if (cancellation.signal.aborted) {
        return generatedResponseOf(await findDraft(responses, draft.accountId, draft.id));
      }
      if (signal.aborted) {
        await responses.cancel(draft.accountId, draft.id);
        throw new ApiError("cancelled", "The client went away before the draft was finished", {
          cause: error,
        });
      }
      await recordFailure(options, { draft, error });
      throw error;
    } finally {
      running.delete(draft.id);
    }
  };
}

function draftingLater(options: DraftingOptions): Drafting["enqueue"] {
  return async (caller, { responseId, messageId, context = generateContextSchema.parse({}), candidates }) => {
    const { draft, labels } = await createDraft(options, {
      caller,
      request: { responseId, messageId, context, status: "queued" },
    });
    const { temperature, maxTokens } = context;
    const settings = { temperature, maxTokens, candidates };
    const payload = { accountId: draft.accountId, responseId: draft.id, labels, ...settings };
    try {
      await options.jobs.enqueue("draft", payload, { id: draft.id, group: draft.accountId });
    } catch (error) {
      await recordFailure(options, { draft, error });
      throw error;
    }
    return { ...generatedResponseOf(draft), ...(await findWaiting(options.jobs, [draft])).get(draft.id) };
  };
}

function cancelling(options: DraftingOptions): Drafting["cancel"] {
  const { responses, jobs, announcements } = options;
  return async ({ accountId }, responseId) => {
    const cancelled = await responses.cancel(accountId, responseId);
    if (cancelled !== undefined) {
      await announcements.announce({ topic: "draft_cancelled", text: cancelled.id });
      await jobs.cancel(cancelled.id);
      return responseRecordOf(cancelled);
    }
    const ended = await findDraft(responses, accountId, responseId);
    if (ended.status === "cancelled") return responseRecordOf(ended);
    throw new ApiError("conflict", `The response has ended already: it is ${ended.status}`);
  };
}

/** Makes the drafting service. */
export function createDrafting(options: DraftingOptions): Drafting {
  /** What is drafted while its request waits. */
  const running = new Map<string, AbortController>();
  options.announcements.on("draft_cancelled", (id) => {
    running.get(id)?.abort(new DOMException("The draft was cancelled", "AbortError"));
  });
  const draft = draftingNow(options, running);
  const enqueue = draftingLater(options);
  const once: Drafting["draftOnce"] = async (caller, { request, key, ...wait }) => {
    const make = (responseId: string) =>
      request.async
        ? enqueue(caller, { ...request, responseId })
        : draft(caller, { ...request, ...wait, responseId });
    const made = await draftOnce(options, { caller, key, request, signal: wait.signal }, make);
    return "responseId" in made ? made : generatedResponseOf(made);
  };
  return {
    draft,
    enqueue,
    cancel: cancelling(options),
    draftOnce: once,
    async stream(caller, { request, key, signal: leaving, onPiece }) {
      const ended = new AbortController();
      const open = AbortSignal.any([leaving, ended.signal]);
      try {
        const signal = await whileSignedIn(options, { holder: caller, signal: open });
        if (key !== undefined) return await once(caller, { request, key, signal, onPiece });
        return await draft(caller, { ...request, signal, onPiece });
      } finally {
        ended.abort();
      }
    },
  };
}
