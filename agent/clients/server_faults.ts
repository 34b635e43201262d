/** What a person reads when the server answers with an error, or not at all. */
import { WIRE_VERSION } from "../../contract/wire.ts";
import { UserError } from "../../lib/errors.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";

/** True when the server no longer takes this device's token. */
export function isPairingEnded(error: unknown): error is RemoteError {
  return error instanceof RemoteError && (error.statusCode === 401 || error.statusCode === 403);
}

interface FaultText {
  message: string;
  fix: string;
}

/** Deno says why a request failed at the end of its innermost cause; what comes before repeats the address. */
function reasonOf(error: Error): string {
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return error.message.slice(error.message.lastIndexOf(": ") + 1).trim();
}

function unreachableText(baseUrl: string, error: UnreachableError): FaultText {
  if (error.cause === undefined) {
    return {
      message: error.message,
      fix:
        "Check that AGENT_SERVER_URL is the address of your server, and that it and the agent have the same version",
    };
  }
  return {
    message: `Cannot reach the server at ${baseUrl} (${reasonOf(error)})`,
    fix: "Check that it runs there, or set AGENT_SERVER_URL",
  };
}

function pairingText(error: RemoteError): FaultText {
  switch (error.body.code) {
    case "token_expired":
      return { message: "The pairing has expired", fix: "Run `agent pair` to pair again" };
    case "device_deactivated":
      return {
        message: "This device was deactivated on the server",
        fix: "Run `agent pair` to pair it again",
      };
    case "scope_insufficient":
    case "forbidden":
      return {
        message: "This device's pairing does not allow that",
        fix: "Run `agent pair` to pair it again",
      };
    default:
      return { message: "The server does not know this pairing", fix: "Run `agent pair` to pair again" };
  }
}

/** What to do where agent and server do not speak the same version of the wire; null for any other error. */
function outdatedText({ body: { code } }: RemoteError): FaultText | null {
  if (code !== "client_outdated" && code !== "server_outdated") return null;
  const [old, other] = code === "client_outdated" ? ["agent", "server"] : ["server", "agent"];
  return {
    message: `The ${old} is too old for this ${other} (the agent speaks version ${WIRE_VERSION} of the wire)`,
    fix: `Update the ${old}; nothing is lost, what waits is sent after that`,
  };
}

function remoteText(error: RemoteError): FaultText {
  const { statusCode, body, retryAfterMs } = error;
  if (isPairingEnded(error)) return pairingText(error);
  const outdated = outdatedText(error);
  if (outdated !== null) return outdated;
  if (statusCode === 429 || statusCode === 503) {
    const when = retryAfterMs === null ? "later" : `in ${Math.ceil(retryAfterMs / 1_000)} seconds`;
    return { message: `The server is too busy (status ${statusCode})`, fix: `Try again ${when}` };
  }
  if (statusCode >= 500) {
    return {
      message: `The server failed (status ${statusCode}, request ${body.requestId})`,
      fix: "Look for that request in the server's log, then try again",
    };
  }
  const path = body.details?.[0]?.path;
  return {
    message: `The server refused the request (status ${statusCode}, ${body.code}${
      path ? ` at ${path}` : ""
    })`,
    fix: "Check that the agent and the server have the same version",
  };
}

/** The error a person reads in place of a client's error; anything else comes back as it is. */
export function serverFault(error: unknown, baseUrl: string): unknown {
  if (error instanceof DOMException && error.name === "AbortError") {
    return new UserError("Stopped before the end; nothing is lost", {
      fix: "Run the command again to continue",
      cause: error,
    });
  }
  const isUnreachable = error instanceof UnreachableError;
  if (!isUnreachable && !(error instanceof RemoteError)) return error;
  const { message, fix } = isUnreachable ? unreachableText(baseUrl, error) : remoteText(error);
  return new UserError(message, { fix, cause: error });
}
