/** Owns one attempt at a draft: asking ml for the text, with the account's adapter, and recording how that ended. */
import { createHash } from "node:crypto";
import type { GenerateInput, GenerateResult } from "../../../contract/ml.ts";
import type { AdapterFault } from "../../../contract/models.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { MlClient } from "../../clients/ml.ts";
import type { AdapterStore } from "../../store/training/adapter_store.ts";
import { draftCachePrefix } from "../../store/messages/deletion.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import type { Adapter, DraftResponse } from "../../store/schema.ts";
import { groupLabelsOf, stopTextsFor, withoutGroupLabel } from "./group_labels.ts";

/** How the model is to write; the rest of ml's settings keep their defaults. */
export interface DraftSettings {
  temperature: number;
  maxTokens: number;
}

export interface GenerationDependencies {
  ml: Pick<MlClient, "generate" | "clearCache">;
  responses: ResponseStore;
  adapters: Pick<AdapterStore, "promoted" | "isTainted" | "noteFault">;
  log: Logger;
}

/** One draft whose row is `generating`. */
export interface Generation {
  draft: DraftResponse;
  settings: DraftSettings;
  signal: AbortSignal;
}

/** Why ml does not draft with an adapter; undefined for a failure that has nothing to do with it. */
function adapterFaultOf(error: unknown): AdapterFault | undefined {
  if (!(error instanceof ApiError)) return undefined;
  if (error.code === "not_found") return "unknown";
  return error.code === "conflict" ? "refused" : undefined;
}

interface Question {
  draft: DraftResponse;
  request: GenerateInput;
  signal: AbortSignal;
}

/** What the promoted adapter writes; undefined when ml does not serve it, or it was tainted while it wrote. */
async function generateWithAdapter(
  { ml, adapters, log }: GenerationDependencies,
  { adapter, draft, request, signal }: Question & { adapter: Adapter },
): Promise<GenerateResult | undefined> {
  const { accountId, id: responseId } = draft;
  const { id: adapterId, fault: knownFault } = adapter;
  const note = async (fault: AdapterFault | null) => {
    if (fault !== knownFault) await adapters.noteFault(accountId, { adapterId, fault });
  };
  let reason: AdapterFault | "tainted" = "tainted";
  try {
    const result = await ml.generate({ ...request, adapter_id: adapterId }, { signal });
    await note(null);
    if (!await adapters.isTainted(accountId, adapterId)) return result;
  } catch (error) {
    const fault = adapterFaultOf(error);
    if (fault === undefined) throw error;
    await note(fault);
    reason = fault;
  }
  log.warn("the promoted adapter did not draft, the base model does", { responseId, adapterId, reason });
}

/** Asks ml with the adapter that the account has promoted, and once without one when that is no use. */
async function generateText(parts: GenerationDependencies, question: Question): Promise<GenerateResult> {
  const { draft, request, signal } = question;
  const adapter = await parts.adapters.promoted(draft.accountId);
  const written = adapter && await generateWithAdapter(parts, { ...question, adapter });
  return written ?? await parts.ml.generate(request, { signal });
}

/**
 * The key under which ml keeps the reply to a request that always has the same one. It begins with the account's own
 * prefix, so that a deletion can have them forgotten; ml keeps models and adapters apart by itself.
 */
function cacheKeyOf(accountId: string, request: GenerateInput): string {
  return draftCachePrefix(accountId) + createHash("sha256").update(JSON.stringify(request)).digest("hex");
}

/**
 * Asks ml for the text of a draft and records it.
 *
 * @returns undefined when the draft ended otherwise meanwhile: it was cancelled
 * @throws ApiError when ml fails, or the signal's reason
 */
export async function generateDraft(
  parts: GenerationDependencies,
  { draft, settings, signal }: Generation,
): Promise<DraftResponse | undefined> {
  const labels = groupLabelsOf(draft.prompt);
  const request: GenerateInput = {
    prompt: draft.prompt,
    ...(labels.length > 0 ? { stop: stopTextsFor(labels) } : {}),
    max_tokens: settings.maxTokens,
    temperature: settings.temperature,
    conversation_id: draft.conversationId,
  };
  if (settings.temperature === 0) request.cache_key = cacheKeyOf(draft.accountId, request);
  const result = await generateText(parts, { draft, request, signal });
  const completed = await parts.responses.complete(draft.accountId, {
    responseId: draft.id,
    completion: {
      response: withoutGroupLabel(result.response.trim(), labels),
      confidence: result.confidence,
      modelVersion: result.model_version,
      tokensUsed: result.tokens_used,
      timings: result.timings,
    },
  });
  if (completed === undefined) await dropCachedReply(parts, request);
  return completed;
}

/** Nobody waits for the reply any more. Where its messages were deleted, that was before ml had kept it. */
async function dropCachedReply(
  { ml, log }: GenerationDependencies,
  { cache_key }: GenerateInput,
): Promise<void> {
  if (cache_key === undefined) return;
  await ml.clearCache(cache_key).catch((error) => {
    log.warn("a reply that nobody waits for may still be cached", logFieldsOfError(error));
  });
}

/** What the record of a failed draft says; errors that are not of the contract reveal nothing. */
export function failureTextOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something went wrong on the server";
}
