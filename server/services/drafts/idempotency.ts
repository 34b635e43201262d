/** Requests for drafts with an idempotency key: sent again, they answer with the same draft. */
import { createHash } from "node:crypto";
import type { GeneratedResponse, GenerateResponseRequest } from "../../../contract/responses.ts";
import { delay } from "../../../lib/backoff.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { Caller } from "../../auth/authenticate.ts";
import { newId } from "../../store/database.ts";
import type { IdempotencyStore, KeyClaim, StoredKey } from "../../store/drafts/idempotency_store.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import type { DraftResponse } from "../../store/schema.ts";

/** How often a request waits for the draft of the one before it. */
const POLL_MS = 100;
/** A key whose draft is not there after so long belongs to a server that ended before it made one. */
const STALE_MS = 60_000;

export interface IdempotencyDependencies {
  readonly idempotency: IdempotencyStore;
  readonly responses: Pick<ResponseStore, "find">;
}

export interface KeyedRequest {
  readonly caller: Caller;
  readonly key: string;
  readonly request: GenerateResponseRequest;
  readonly signal: AbortSignal;
  readonly onPiece?: (text: string) => void;
}

function hashOf({ messageId, context, async, candidates = 1 }: GenerateResponseRequest): string {
  const shaping = [messageId, context ?? null, async, ...(candidates === 1 ? [] : [candidates])];
  return createHash("sha256").update(JSON.stringify(shaping)).digest("hex");
}

function isLive({ status }: DraftResponse): boolean {
  return status === "queued" || status === "generating";
}

/** The draft of an earlier request once it can be answered; null when there is none to answer with. */
async function earlierDraft(
  { responses }: IdempotencyDependencies,
  { caller, request, signal }: KeyedRequest,
  stored: StoredKey,
): Promise<DraftResponse | "not_yet" | null> {
  const draft = await responses.find(caller.accountId, stored.responseId);
  if (draft === undefined) return stored.ageMs > STALE_MS ? null : "not_yet";
  if (draft.status === "failed") return null;
  if (request.async || !isLive(draft)) return draft;
  signal.throwIfAborted();
  return "not_yet";
}

/**
 * Makes the draft of a request, or answers with that of an earlier request that had the same key. A request that failed
 * frees its key.
 *
 * @param make makes the draft with the given id
 * @throws ApiError `idempotency_key_reused` when the earlier request asked for something else, and what `make` throws
 */
export async function draftOnce(
  dependencies: IdempotencyDependencies,
  keyed: KeyedRequest,
  make: (responseId: string) => Promise<GeneratedResponse>,
): Promise<GeneratedResponse | DraftResponse> {
  const { caller, key, request, signal } = keyed;
  const claim: KeyClaim = { key, requestHash: hashOf(request), responseId: newId() };
  const { idempotency } = dependencies;
  while (true) {
    const stored = await idempotency.claim(caller.accountId, claim);
    if (stored.isNew) break;
    if (stored.requestHash !== claim.requestHash) {
      throw new ApiError("idempotency_key_reused", "Another request was sent with this Idempotency-Key");
    }
    const draft = await earlierDraft(dependencies, keyed, stored);
    if (draft === null) await idempotency.release(caller.accountId, stored);
    else if (draft === "not_yet") await delay(POLL_MS, { signal });
    else return draft;
  }
  try {
    return await make(claim.responseId);
  } catch (error) {
    await idempotency.release(caller.accountId, claim);
    throw error;
  }
}
