/** Shows drafts, and records what the person did with them, which becomes a training sample. */
import type { PageQuery } from "../../../contract/paging.ts";
import type {
  DraftCandidate,
  ResponseActionRequest,
  ResponseActionResponse,
  ResponseList,
  ResponseRecord,
} from "../../../contract/responses.ts";
import { ApiError, invalidRequest } from "../../../lib/errors.ts";
import type { Caller } from "../../auth/authenticate.ts";
import type { ActionRequest, ActionSample } from "../../store/drafts/response_action.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import { replyWeight } from "../training/sample_weight.ts";
import { pageFieldsOf, pageRequestOf } from "../paging.ts";
import type { DraftResponse } from "../../store/schema.ts";
import { findSentReplies } from "./sent_reply.ts";
import type { ServerJobs } from "./draft_jobs.ts";
import { findWaiting } from "./waiting_drafts.ts";
import { findStale, type Staleness } from "./stale_drafts.ts";
import { findDraft, responseNotFound, responseRecordOf } from "./draft_service.ts";

/** A sample's weight in training: what was rejected is kept out. */
const REJECTED_QUALITY = 0;

export interface ResponseServiceOptions {
  responses: ResponseStore;
  jobs: Pick<ServerJobs, "list">;
}

export interface ResponseService {
  list(caller: Caller, query: PageQuery & { conversationId?: string }): Promise<ResponseList>;
  /** @throws ApiError `not_found` */
  get(caller: Caller, responseId: string): Promise<ResponseRecord>;
  /**
   * Records what the person did with a draft, together with what that teaches. The same action again changes nothing.
   *
   * @throws ApiError `not_found`, or `conflict` for an unfinished draft, after a different action, and for a draft whose
   * messages were edited or unsent since
   */
  act(
    caller: Caller,
    request: { responseId: string; action: ResponseActionRequest },
  ): Promise<ResponseActionResponse>;
}

/** The candidate that an action names. @throws ApiError `validation_failed` */
function candidateOf(
  { candidates }: DraftResponse,
  action: ResponseActionRequest,
): DraftCandidate | undefined {
  if (action.action === "reject" || action.candidate === undefined) return undefined;
  const found = candidates?.find(({ id }) => id === action.candidate);
  if (found !== undefined) return found;
  throw invalidRequest([{ path: "candidate", message: "must be the id of one of the draft's candidates" }]);
}

/** What an action teaches; undefined for an accepted draft without text, which teaches nothing. */
function sampleOf(
  draft: DraftResponse,
  { action, candidate }: { action: ResponseActionRequest; candidate: DraftCandidate | undefined },
): ActionSample | undefined {
  const { prompt: input, candidates, response } = draft;
  const text = candidate?.text ?? response;
  // Whoever chooses another candidate has read the first one, and does not want it.
  const notChosen = candidate === undefined || candidate.id === 1 ? undefined : candidates?.[0]?.text;
  switch (action.action) {
    case "accept":
      return text
        ? { input, output: text, rejectedOutput: notChosen, quality: replyWeight(text, text) }
        : undefined;
    case "edit": {
      const output = action.editedResponse;
      return { input, output, rejectedOutput: text, quality: replyWeight(text ?? "", output) };
    }
    case "reject":
      return { input, output: "", rejectedOutput: response, quality: REJECTED_QUALITY };
  }
}

/** Reads what has happened since to some drafts; what it returns makes the record of each. */
async function recordsOf(
  { responses, jobs }: ResponseServiceOptions,
  accountId: string,
  drafts: readonly DraftResponse[],
): Promise<(draft: DraftResponse) => ResponseRecord> {
  const stale = await findStale(responses, accountId, drafts);
  const sent = await findSentReplies(responses, accountId, drafts);
  const waiting = await findWaiting(jobs, drafts);
  return (draft) => ({
    ...responseRecordOf(draft),
    ...waiting.get(draft.id),
    ...(stale.has(draft.id) ? { stale: true } : {}),
    ...(sent.has(draft.id) ? { sentReply: sent.get(draft.id) } : {}),
  });
}

/** What was unsent is kept nowhere, and the answer to words that have changed since teaches nothing. */
function checkFresh(action: ResponseActionRequest, staleness: Staleness | undefined): void {
  if (staleness === undefined || action.action === "reject") return;
  throw new ApiError(
    "conflict",
    `A message that this draft answers was ${staleness} since; nothing was recorded`,
  );
}

function actionRequestOf(
  draft: DraftResponse,
  { action, staleness }: { action: ResponseActionRequest; staleness: Staleness | undefined },
): ActionRequest {
  const candidate = candidateOf(draft, action);
  return {
    candidate,
    responseId: draft.id,
    action: action.action,
    editedResponse: action.action === "edit" ? action.editedResponse : undefined,
    rejectionReason: action.action === "reject" ? action.rejectionReason : undefined,
    sample: staleness === undefined ? sampleOf(draft, { action, candidate }) : undefined,
  };
}

function acting(responses: ResponseStore): ResponseService["act"] {
  return async ({ accountId }, { responseId, action }) => {
    const draft = await findDraft(responses, accountId, responseId);
    const staleness = (await findStale(responses, accountId, [draft])).get(draft.id);
    // The same action again changes nothing, whatever has happened to the message.
    if (draft.action === null) checkFresh(action, staleness);
    const result = await responses.recordAction(accountId, actionRequestOf(draft, { action, staleness }));
    switch (result.outcome) {
      case "recorded":
      case "repeated":
        return { response: responseRecordOf(result.response), trainingSampleId: result.sample?.id ?? null };
      case "conflict":
        throw new ApiError(
          "conflict",
          `Another action was recorded before: ${result.response.action}; it cannot be changed`,
        );
      case "not_completed":
        throw new ApiError(
          "conflict",
          `There is no draft to act on: the response is ${result.response.status}`,
        );
      case "not_found":
        throw responseNotFound();
    }
  };
}

/** Makes the response service. */
export function createResponseService(options: ResponseServiceOptions): ResponseService {
  const { responses } = options;
  return {
    async list({ accountId }, { conversationId, ...query }) {
      const page = await responses.list(accountId, { ...pageRequestOf(query), conversationId });
      const recordOf = await recordsOf(options, accountId, page.rows);
      return { responses: page.rows.map(recordOf), ...pageFieldsOf(page, query) };
    },
    async get({ accountId }, responseId) {
      const draft = await findDraft(responses, accountId, responseId);
      return (await recordsOf(options, accountId, [draft]))(draft);
    },
    act: acting(responses),
  };
}
