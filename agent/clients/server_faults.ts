/** Owns the sentences for what a server answers, or does not: what happened and what the person can do. */
import { messageOf, UserError } from "../../lib/errors.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";

/** True when the server no longer takes this device's token. */
export function isPairingEnded(error: unknown): error is RemoteError {
  return error instanceof RemoteError && (error.statusCode === 401 || error.statusCode === 403);
}

/** The innermost cause names the reason in the last part of its message; the parts before repeat the address. */
function reasonOf(error: Error): string {
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return messageOf(error).split(": ").at(-1) ?? "no answer";
}

function unreachableSentence(baseUrl: string, error: UnreachableError): string {
  if (error.cause === undefined) return error.message;
  return `Cannot reach the server at ${baseUrl} (${reasonOf(error)}): ` +
    "see that it runs there, or set AGENT_SERVER_URL";
}

function pairingSentence(error: RemoteError): string {
  switch (error.body.code) {
    case "token_expired":
      return "The pairing has expired: run `agent pair` to pair again";
    case "device_deactivated":
      return "This device was deactivated on the server: run `agent pair` to pair it anew";
    case "scope_insufficient":
    case "forbidden":
      return "This device's pairing does not allow that: run `agent pair` to pair it anew";
    default:
      return "The server does not know this pairing: run `agent pair` to pair again";
  }
}

function waitSentence(error: RemoteError): string {
  const seconds = error.retryAfterMs === null ? null : Math.ceil(error.retryAfterMs / 1_000);
  const when = seconds === null ? "later" : `in ${seconds} seconds`;
  return `The server cannot take more at present (status ${error.statusCode}): try again ${when}`;
}

function remoteSentence(error: RemoteError): string {
  const { statusCode, body } = error;
  if (isPairingEnded(error)) return pairingSentence(error);
  if (statusCode === 429 || statusCode === 503) return waitSentence(error);
  if (statusCode >= 500) {
    return `The server failed (status ${statusCode}, request ${body.requestId}): its log says why; try again after`;
  }
  const path = body.details?.[0]?.path;
  return `The server refused the request (status ${statusCode}, ${body.code}${path ? ` at ${path}` : ""}): ` +
    "see that agent and server are of the same version";
}

/** The error a person reads in place of a client's error; anything else comes back as it is. */
export function serverFault(error: unknown, baseUrl: string): unknown {
  if (error instanceof UnreachableError) {
    return new UserError(unreachableSentence(baseUrl, error), { cause: error });
  }
  if (error instanceof RemoteError) return new UserError(remoteSentence(error), { cause: error });
  if (error instanceof DOMException && error.name === "AbortError") {
    return new UserError("Stopped before the end: nothing is lost, run the command again to go on", {
      cause: error,
    });
  }
  return error;
}
