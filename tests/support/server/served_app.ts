/** Serves the server's app on a real port, for agents that speak HTTP to it. */
import { type ServerAppUnderTest, type ServerAppUnderTestOptions, startServerApp } from "./server_app.ts";

export interface ServedApp extends AsyncDisposable {
  readonly app: ServerAppUnderTest;
  readonly url: string;
}

/** Starts the app on a free port. */
export async function serveApp(options: ServerAppUnderTestOptions = {}): Promise<ServedApp> {
  const stack = new AsyncDisposableStack();
  const app = stack.use(await startServerApp(options));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const { method, headers, signal } = request;
    const body = request.body === null ? undefined : await request.arrayBuffer();
    return await app.send(pathname + search, { method, headers, body, signal });
  });
  stack.defer(() => server.shutdown());
  return {
    app,
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
