/** Serves HTTP until a signal, and finishes what is in flight by a deadline. */
import { aborted, withDeadline } from "../async.ts";
import { UserError } from "../errors.ts";
import { type HttpServer, type HttpServerOptions, serveHttp } from "./http_server.ts";
import type { FetchHandler } from "./node_bridge.ts";

export interface ServeOptions extends HttpServerOptions {
  signal: AbortSignal;
  /** How long requests in flight may take once the signal came. */
  deadlineMs?: number;
  onReady: (url: string) => void;
}

const DEFAULT_DEADLINE_MS = 10_000;

async function listen(handler: FetchHandler, options: ServeOptions): Promise<HttpServer> {
  const { hostname, port } = options;
  try {
    return await serveHttp(handler, options);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "EADDRINUSE") throw error;
    throw new UserError(`Port ${port} on ${hostname} is in use`, {
      fix: "Stop what listens there, or set another port",
    });
  }
}

/**
 * Serves HTTP until the signal aborts, then lets what is in flight finish.
 *
 * @throws UserError when the port is taken
 */
export async function serveUntil(handler: FetchHandler, options: ServeOptions): Promise<void> {
  const { hostname, signal, deadlineMs = DEFAULT_DEADLINE_MS } = options;
  const server = await listen(handler, options);
  options.onReady(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${server.port}`);
  await aborted(signal);
  await withDeadline(server.shutdown(), deadlineMs);
  server.destroy();
}
