/** Makes one attempt at a draft: has ml write the text, with the account's adapter, and stores the result. */
import { createHash } from "node:crypto";
import {
  type AdapterProof,
  DEFAULT_STOP,
  type GenerateInput,
  type GenerateResult,
  MAX_STOP_TEXT_LENGTH,
  MAX_STOP_TEXTS,
} from "../../../contract/ml.ts";
import type { AdapterFault, AppliedAdapter } from "../../../contract/models.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { MlClient } from "../../clients/ml.ts";
import type { AdapterStore } from "../../store/training/adapter_store.ts";
import { draftCachePrefix } from "../../store/messages/deletion.ts";
import type { Completion, ResponseStore } from "../../store/drafts/response_store.ts";
import type { Adapter, DraftResponse } from "../../store/schema.ts";
import type { AcceptanceService } from "../acceptance/acceptance_service.ts";
import { rankCandidates } from "./candidates.ts";

/**
 * With temperature 1 what comes nearest to real replies (docs/training.md, "How drafts are sampled"). A penalty for
 * repeated tokens and a cut of rare ones make a text that no person writes.
 */
export const SAMPLING = { top_p: 1, top_k: 0, min_p: 0.05, repeat_penalty: 1 } as const;

/** How the model is to write. */
export interface DraftSettings {
  temperature: number;
  maxTokens: number;
  /** Drafts to choose from at most. Default 1. */
  candidates?: number;
}

export interface GenerationDependencies {
  ml: Pick<MlClient, "generate" | "clearCache">;
  responses: ResponseStore;
  adapters: Pick<AdapterStore, "promoted" | "isTainted" | "noteFault">;
  judgeOf: AcceptanceService["judgeOf"];
  log: Logger;
}

/** One draft whose row is `generating`. */
export interface Generation {
  draft: DraftResponse;
  /** The sender names before a group's messages, as the prompt has them. */
  labels: readonly string[];
  settings: DraftSettings;
  /** Nobody waits for it: ml runs it after the drafts for which somebody does. */
  background: boolean;
  signal: AbortSignal;
  /** Given each piece of the text as ml writes it; the stored text may differ: it is trimmed, and may be another one. */
  onPiece?: (text: string) => void;
}

/** Why ml does not draft with an adapter; undefined for a failure that has nothing to do with it. */
function adapterFaultOf(error: unknown): AdapterFault | undefined {
  if (!(error instanceof ApiError)) return undefined;
  if (error.code === "not_found") return "unknown";
  if (error.code === "adapter_damaged") return "damaged";
  if (error.code === "adapter_unproven") return "unproven";
  return error.code === "conflict" ? "refused" : undefined;
}

/** ml's proof of an adapter, with the names of the server's wire. */
export function appliedAdapterOf({ expected_shift: expectedShift, ...proof }: AdapterProof): AppliedAdapter {
  return { ...proof, expectedShift };
}

/** One call of ml for a draft. */
interface GenerationCall {
  draft: DraftResponse;
  request: GenerateInput;
  signal: AbortSignal;
  onPiece?: (text: string) => void;
}

/** What the promoted adapter writes; undefined when ml does not serve it, or it was tainted meanwhile. */
async function generateWithAdapter(
  { ml, adapters, log }: GenerationDependencies,
  { adapter, draft, request, signal, onPiece }: GenerationCall & { adapter: Adapter },
): Promise<GenerateResult | undefined> {
  const { accountId, id: responseId } = draft;
  const { id: adapterId, fault: knownFault } = adapter;
  const note = async (fault: AdapterFault | null) => {
    if (fault !== knownFault) await adapters.noteFault(accountId, { adapterId, fault });
  };
  let reason: AdapterFault | "tainted" = "tainted";
  try {
    const result = await ml.generate({ ...request, adapter_id: adapterId }, { signal, onPiece });
    await note(null);
    if (!await adapters.isTainted(accountId, adapterId)) return result;
  } catch (error) {
    const fault = adapterFaultOf(error);
    if (fault === undefined) throw error;
    await note(fault);
    reason = fault;
  }
  log.warn("the promoted adapter did not draft", { responseId, adapterId, reason });
}

/**
 * Generates with the account's promoted adapter; where there is none or it cannot be used, with ml's texting adapter, or
 * with the base model where ml has none for it.
 */
async function generate(
  dependencies: GenerationDependencies,
  call: GenerationCall,
): Promise<GenerateResult> {
  const { draft, request, signal } = call;
  let isStarted = false;
  const onPiece = call.onPiece && ((text: string) => {
    isStarted = true;
    call.onPiece?.(text);
  });
  const adapter = await dependencies.adapters.promoted(draft.accountId);
  const result = adapter && await generateWithAdapter(dependencies, { ...call, onPiece, adapter });
  // A second text does not continue the pieces of the first.
  return result ??
    await dependencies.ml.generate({ ...request, texting: true }, {
      signal,
      onPiece: isStarted ? undefined : onPiece,
    });
}

/** Where a reply ends: small models continue with what the others would say. */
export function stopTextsFor(labels: readonly string[]): string[] {
  const stops = labels.map((label) => `\n${label}:`).filter((stop) => stop.length <= MAX_STOP_TEXT_LENGTH);
  return [...DEFAULT_STOP, ...stops].slice(0, MAX_STOP_TEXTS);
}

/**
 * The key under which ml caches the reply to a request that always has the same one. It begins with the account's own
 * prefix, so that a deletion can clear them; ml keeps models and adapters apart by itself.
 */
function cacheKeyOf(accountId: string, request: GenerateInput): string {
  return draftCachePrefix(accountId) + createHash("sha256").update(JSON.stringify(request)).digest("hex");
}

function hasCandidates({ candidates = 1 }: DraftSettings): boolean {
  return candidates > 1;
}

/** What ml has written, as it is stored. */
async function completionOf(
  { judgeOf }: GenerationDependencies,
  { draft: { accountId, prompt }, labels, settings }: Generation,
  result: GenerateResult,
): Promise<Completion> {
  const adapter = result.adapter ? appliedAdapterOf(result.adapter) : null;
  const ranked = rankCandidates(result.candidates ?? [result], { prompt, labels });
  const judge = await judgeOf(accountId);
  const judged = ranked.map((candidate) => {
    const { text: response, unsupported, rawConfidence } = candidate;
    return { candidate, ...judge({ prompt, response, unsupported, rawConfidence, adapter }) };
  });
  const [best] = judged;
  if (best === undefined) throw new RangeError("ml answered without a candidate");
  const { candidate: { id: _, text: response, ...written }, ...judgement } = best;
  const candidates = judged.map(({ candidate, confidence }) => ({ ...candidate, confidence }));
  return {
    response,
    ...written,
    ...judgement,
    adapter,
    modelVersion: result.model_version,
    timings: result.timings,
    candidates: hasCandidates(settings) ? candidates : null,
  };
}

function requestOf({ draft, labels, settings, background }: Generation): GenerateInput {
  const request: GenerateInput = {
    prompt: draft.prompt,
    ...(labels.length > 0 ? { stop: stopTextsFor(labels) } : {}),
    max_tokens: settings.maxTokens,
    temperature: settings.temperature,
    ...SAMPLING,
    ...(hasCandidates(settings) ? { n: settings.candidates } : {}),
    conversation_id: draft.conversationId,
  };
  const cacheKey = settings.temperature === 0 ? { cache_key: cacheKeyOf(draft.accountId, request) } : {};
  // ml lets the accounts take turns; to it an account is this id and nothing else.
  return { ...request, ...cacheKey, account_id: draft.accountId, background };
}

/**
 * Has ml write the text of a draft, and stores it.
 *
 * @returns undefined when the draft ended in another way meanwhile: it was cancelled or deleted
 * @throws ApiError when ml fails, or the signal's reason
 */
export async function generateDraft(
  dependencies: GenerationDependencies,
  generation: Generation,
): Promise<DraftResponse | undefined> {
  const { draft, settings, signal } = generation;
  const request = requestOf(generation);
  const onPiece = hasCandidates(settings) ? undefined : generation.onPiece;
  const result = await generate(dependencies, { draft, request, signal, onPiece });
  const completed = await dependencies.responses.complete(draft.accountId, {
    responseId: draft.id,
    completion: await completionOf(dependencies, generation, result),
  });
  if (completed === undefined) await clearCachedReply(dependencies, request);
  return completed;
}

/** The draft is gone: if its messages were deleted, ml's cache was cleared before ml had this reply. */
async function clearCachedReply(
  { ml, log }: GenerationDependencies,
  { cache_key }: GenerateInput,
): Promise<void> {
  if (cache_key === undefined) return;
  await ml.clearCache(cache_key).catch((error) => {
    log.warn("the reply of a draft that is gone may still be cached", logFieldsOfError(error));
  });
}

/** What the record of a failed draft says; errors that are not of the contract reveal nothing. */
export function failureTextOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something went wrong on the server";
}
