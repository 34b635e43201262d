/** Owns what an error means for a running agent: the phase it puts it in, and a code and a sentence to show. */
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
  /** One sentence for the person. */
  readonly message: string;
  /** How long the server asks to be left alone; null when it does not. */
  readonly retryAfterMs: number | null;
}

function setback(phase: SyncFailure["phase"], code: string, rest: Partial<SyncFailure>): SyncFailure {
  return { phase, code, message: "", retryAfterMs: null, ...rest };
}

function remoteSetback(error: RemoteError, message: string): SyncFailure {
  const { statusCode, retryAfterMs, body: { code } } = error;
  if (isPairingEnded(error)) return setback("pairing_ended", code, { message });
  if (statusCode === 429 || statusCode === 503) {
    return setback("server_unreachable", "server_busy", { message, retryAfterMs });
  }
  if (statusCode >= 500) return setback("server_unreachable", "server_failed", { message, retryAfterMs });
  return setback("failed", code, { message });
}

/** The setback that an error of a sync, or of what comes before it, stands for. */
export function syncFailureOf(thrown: unknown, serverUrl: string): SyncFailure {
  const error = serverFault(thrown, serverUrl);
  if (error instanceof ChatDatabaseError) {
    return setback("database_unreadable", error.code, { message: error.message });
  }
  if (error instanceof NotPairedError) {
    return setback("pairing_ended", "not_paired", { message: error.message });
  }
  if (!(error instanceof UserError)) {
    return setback("failed", "unexpected", {
      message: "Something unexpected went wrong: see the agent's log",
    });
  }
  const { cause, message } = error;
  if (cause instanceof RemoteError) return remoteSetback(cause, message);
  if (cause instanceof UnreachableError) {
    return setback("server_unreachable", "server_unreachable", { message });
  }
  return setback("failed", "failed", { message });
}
