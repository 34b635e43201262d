/** Owns one attempt at a draft: asking ml for the text and recording how that ended. */
import { ApiError } from "../../lib/errors.ts";
import type { MlClient } from "../clients/ml.ts";
import type { ResponseStore } from "../store/response_store.ts";
import type { DraftResponse } from "../store/schema.ts";
import { groupLabelsOf, stopTextsFor, withoutGroupLabel } from "./group_labels.ts";

/** How the model is to write; the rest of ml's settings keep their defaults. */
export interface DraftSettings {
  temperature: number;
  maxTokens: number;
}

export interface GenerationParts {
  ml: Pick<MlClient, "generate">;
  responses: ResponseStore;
}

/** One draft whose row is `generating`. */
export interface Generation {
  draft: DraftResponse;
  settings: DraftSettings;
  signal: AbortSignal;
}

/**
 * Asks ml for the text of a draft and records it.
 *
 * @returns undefined when the draft ended otherwise meanwhile: it was cancelled
 * @throws ApiError when ml fails, or the signal's reason
 */
export async function generateDraft(
  { ml, responses }: GenerationParts,
  { draft, settings, signal }: Generation,
): Promise<DraftResponse | undefined> {
  const labels = groupLabelsOf(draft.prompt);
  const result = await ml.generate({
    prompt: draft.prompt,
    ...(labels.length > 0 ? { stop: stopTextsFor(labels) } : {}),
    max_tokens: settings.maxTokens,
    temperature: settings.temperature,
    conversation_id: draft.conversationId,
  }, { signal });
  return await responses.complete(draft.accountId, {
    responseId: draft.id,
    completion: {
      response: withoutGroupLabel(result.response.trim(), labels),
      confidence: result.confidence,
      modelVersion: result.model_version,
      tokensUsed: result.tokens_used,
      timings: result.timings,
    },
  });
}

/** What the record of a failed draft says; errors that are not of the contract reveal nothing. */
export function failureTextOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something went wrong on the server";
}
