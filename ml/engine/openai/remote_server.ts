/** The other server's HTTP interface: addresses, the token, and its refusals as our own errors. */
import { ApiError } from "../../../lib/errors.ts";

export interface RemoteServerOptions {
  /** The API's address, with or without `/v1` at its end. */
  url: string;
  token?: string | null;
}

export interface RemoteServer {
  /**
   * Sends a request to a path such as `/v1/models`, whatever the answer is.
   *
   * @throws ApiError `ml_unavailable` when nobody answers; the signal's reason
   */
  fetch(path: string, init: RequestInit): Promise<Response>;
  /** As `fetch`, for an answer that must be a success. Throws {@linkcode refusalOf} otherwise. */
  send(path: string, init: RequestInit): Promise<Response>;
}

const RETRY_AFTER_SECONDS = 10;

/** The error of a server that does not answer as it should. */
export function unavailable(message: string, cause?: unknown): ApiError {
  return new ApiError("ml_unavailable", message, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

/** A refusal as our own error. The server's words may quote the prompt and are left out. */
export function refusalOf({ status, headers }: Response): ApiError {
  if (status === 404) return new ApiError("model_not_loaded", "The model server does not have the model");
  if (status === 400 || status === 413 || status === 422) {
    return new ApiError(
      "validation_failed",
      "The model server refused the request: its prompt may be too long",
    );
  }
  if (status === 429 || status === 503) {
    const seconds = Number(headers.get("retry-after")) || RETRY_AFTER_SECONDS;
    return new ApiError("queue_full", "The model server is busy", { retryAfterSeconds: seconds });
  }
  return unavailable(`The model server answered with status ${status}`);
}

/** Makes the interface; nothing is sent yet. */
export function createRemoteServer({ url, token }: RemoteServerOptions): RemoteServer {
  const root = url.replace(/\/v1$/, "");
  const headers = {
    "content-type": "application/json",
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
  return {
    async fetch(path, init) {
      return await fetch(root + path, { ...init, headers }).catch((error) => {
        init.signal?.throwIfAborted();
        throw unavailable(`The model server at ${root} cannot be reached`, error);
      });
    },

    async send(path, init) {
      const response = await this.fetch(path, init);
      if (response.ok) return response;
      await response.body?.cancel();
      throw refusalOf(response);
    },
  };
}
