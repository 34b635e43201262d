/** What a failed sync means for a running agent: its phase, and a code and a sentence to show. */
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import { isPairingEnded, serverFault } from "../clients/server_faults.ts";
import { NotPairedError } from "../pairing/pairing.ts";
import type { AgentPhase } from "./agent_state.ts";

export interface SyncFailure {
  readonly phase: Extract<
    AgentPhase,
    "server_unreachable" | "pairing_ended" | "database_unreadable" | "failed"
  >;
  /** Stable; for a database the code of `ChatDatabaseError`, for a pairing that of the contract. */
  readonly code: string;
  /** What happened, for the person. */
  readonly message: string;
  /** What the person can do about it; null when the message says it all. */
  readonly fix: string | null;
  /** How long the server asks to wait; null when it does not. */
  readonly retryAfterMs: number | null;
}

function failure(phase: SyncFailure["phase"], code: string, rest: Partial<SyncFailure>): SyncFailure {
  return { phase, code, message: "", fix: null, retryAfterMs: null, ...rest };
}

function remoteFailure(error: RemoteError, text: Pick<SyncFailure, "message" | "fix">): SyncFailure {
  const { statusCode, retryAfterMs, body: { code } } = error;
  if (isPairingEnded(error)) return failure("pairing_ended", code, text);
  if (statusCode === 429 || statusCode === 503) {
    return failure("server_unreachable", "server_busy", { ...text, retryAfterMs });
  }
  if (statusCode >= 500) return failure("server_unreachable", "server_failed", { ...text, retryAfterMs });
  return failure("failed", code, text);
}

/** The failure that an error of a sync, or of its preparation, stands for. */
export function syncFailureOf(thrown: unknown, serverUrl: string): SyncFailure {
  const error = serverFault(thrown, serverUrl);
  if (!(error instanceof UserError)) {
    return failure("failed", "unexpected", {
      message: "Something unexpected went wrong",
      fix: "Read the last lines of the agent's log",
    });
  }
  const { cause, message, fix } = error;
  const text = { message, fix };
  if (error instanceof ChatDatabaseError) return failure("database_unreadable", error.code, text);
  if (error instanceof NotPairedError) return failure("pairing_ended", "not_paired", text);
  if (cause instanceof RemoteError) return remoteFailure(cause, text);
  if (cause instanceof UnreachableError) return failure("server_unreachable", "server_unreachable", text);
  return failure("failed", "failed", text);
}
