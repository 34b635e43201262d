/** Serves the server's app on a real port, for agents that speak HTTP to it. */
import { serveHttp } from "../../../lib/http/http_server.ts";
import { type ServerAppUnderTest, type ServerAppUnderTestOptions, startServerApp } from "./server_app.ts";

export interface ServedApp extends AsyncDisposable {
  readonly app: ServerAppUnderTest;
  readonly url: string;
  /** Stops in order, as a signal has a server do. */
  shutdown(): Promise<void>;
}

export interface ServedAppOptions extends ServerAppUnderTestOptions {
  /** Changes each request before the app sees it. */
  rewrite?: (request: Request) => Request;
}

/** Starts the app on a free port. */
export async function serveApp({ rewrite, ...options }: ServedAppOptions = {}): Promise<ServedApp> {
  const stack = new AsyncDisposableStack();
  const app = stack.use(await startServerApp({ clientAddress: "127.0.0.1", ...options }));
  const fetch: typeof app.fetch = rewrite === undefined
    ? app.fetch
    : (request, ...rest) => app.fetch(rewrite(request), ...rest);
  const server = await serveHttp(fetch, { hostname: "127.0.0.1", port: 0 });
  const stop = async () => {
    const stopped = server.shutdown();
    server.destroy();
    await stopped;
  };
  stack.defer(stop);
  return {
    app,
    url: `http://127.0.0.1:${server.port}`,
    shutdown: () => server.shutdown(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
