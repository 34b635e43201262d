/** Owns how a stored draft looks on the wire. */
import type { GeneratedResponse, ResponseRecord } from "../../../contract/responses.ts";
import type { DraftResponse } from "../../store/schema.ts";

/** The answer to whoever asked for the draft. */
export function generatedResponseOf(row: DraftResponse): GeneratedResponse {
  return {
    responseId: row.id,
    status: row.status,
    response: row.response,
    confidence: row.confidence,
    modelVersion: row.modelVersion,
    tokensUsed: row.tokensUsed,
    timings: row.timings,
  };
}

/** The whole record. */
export function responseRecordOf(row: DraftResponse): ResponseRecord {
  return {
    ...generatedResponseOf(row),
    conversationId: row.conversationId,
    messageId: row.messageId,
    error: row.error,
    action: row.action,
    editedResponse: row.editedResponse,
    rejectionReason: row.rejectionReason,
    createdAt: row.createdAt.toISOString(),
    completedAt: row.completedAt?.toISOString() ?? null,
    actedAt: row.actedAt?.toISOString() ?? null,
  };
}
