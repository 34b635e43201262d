/** The two HTTP servers that `http_bench.ts` compares: a process that serves the same app on one of them. */
import { createRoute, z } from "../../deps.ts";
import { createApiApp, createRoutes, jsonBody, jsonResponse } from "../../lib/http/app.ts";
import { serveHttp } from "../../lib/http/http_server.ts";
import type { HandlerInfo } from "../../lib/http/node_bridge.ts";
import { receiveBodies } from "../../lib/http/request_bodies.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";

/** The first one is what the others are compared to. */
export const HTTP_SIDES = ["Deno.serve", "node:http"] as const;
export type HttpSide = typeof HTTP_SIDES[number];

/** `bare` answers without an app; the others go through one as the services have it. */
export const PATHS = { bare: "/bare", get: "/get", post: "/post" } as const;

const textSchema = z.object({ text: z.string() });
const ok = { 200: jsonResponse(textSchema, "The text") };

function createApp() {
  const app = createApiApp({ log: silentLogger() });
  app.use(receiveBodies({ maxBodyBytes: 1_000_000, maxBytesInFlight: 10_000_000 }));
  const get = createRoute({ method: "get", path: PATHS.get, responses: ok });
  const request = { body: jsonBody(textSchema) };
  const post = createRoute({ method: "post", path: PATHS.post, request, responses: ok });
  const routes = createRoutes()
    .openapi(get, (c) => c.json({ text: "Hello" }, 200))
    .openapi(post, (c) => c.json(c.req.valid("json"), 200));
  return app.route("/", routes);
}

async function serve(side: HttpSide, port: number): Promise<void> {
  const app = createApp();
  const stopping = new AbortController().signal;
  const handler = (request: Request, info: HandlerInfo) =>
    request.url.endsWith(PATHS.bare) ? Response.json({ text: "Hello" }) : app.fetch(request, info);
  const address = { hostname: "127.0.0.1", port };
  if (side === "node:http") await serveHttp(handler, { ...address, connections: { perAddress: 512 } });
  else {
    Deno.serve({ ...address, onListen: () => {} }, (request, info) => {
      const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port };
      return handler(request, { completed: info.completed, remoteAddr, stopping });
    });
  }
  writeLine("listening");
}

if (import.meta.main) {
  const [name, port] = Deno.args;
  const side = HTTP_SIDES.find((one) => one === name);
  if (side === undefined) throw new TypeError(`There is no side ${name}`);
  await serve(side, Number(port));
}
