/** Tests that every failure of a request ends in the documented error body. */
import assert from "node:assert/strict";
import { createRoute, z } from "../../deps.ts";
import { type ErrorBody, errorBodySchema } from "../../contract/errors.ts";
import { ApiError } from "../errors.ts";
import { mountDocs } from "./api_docs.ts";
import { gzip } from "./client.ts";
import { createApiApp, createRoutes, jsonBody, jsonResponse } from "./app.ts";
import { createLogger } from "../log.ts";
import { receiveBodies } from "./request_bodies.ts";

const echoRoute = createRoute({
  method: "post",
  path: "/echo",
  request: { body: jsonBody(z.object({ items: z.array(z.object({ size: z.int() })) })) },
  responses: { 200: jsonResponse(z.object({ count: z.int() }), "How many") },
});

function testApp(): { app: ReturnType<typeof createApiApp>; lines: string[] } {
  const lines: string[] = [];
  const app = createApiApp({
    log: createLogger({ pretty: false, write: (line) => lines.push(line) }),
  });
  app.use(receiveBodies({ maxBodyBytes: 1024, maxBytesInFlight: 1024 * 1024 }));
  const routes = createRoutes().openapi(
    echoRoute,
    (c) => c.json({ count: c.req.valid("json").items.length }, 200),
  );
  app.route("/", routes);
  app.get("/busy", () => {
    throw new ApiError("queue_full", "The queue is full", { retryAfterSeconds: 2.2 });
  });
  app.get("/broken", () => {
    throw new Error("insert failed, params: hello mum");
  });
  mountDocs(app, { title: "Test", version: "1", description: "" });
  return { app, lines };
}

async function errorOf(response: Response): Promise<ErrorBody> {
  const body = errorBodySchema.parse(await response.json());
  assert.equal(body.statusCode, response.status);
  assert.equal(body.requestId, response.headers.get("x-request-id"));
  return body;
}

const JSON_TYPE = { "content-type": "application/json" };
const FAULTS: [string, RequestInit, number, string, string][] = [
  ["malformed JSON", { headers: JSON_TYPE, body: "{oops" }, 400, "malformed_json", ""],
  ["a missing body", { headers: JSON_TYPE }, 400, "malformed_json", ""],
  ["a wrong content type", { body: "{}" }, 400, "unsupported_media_type", ""],
  [
    "a wrong type",
    { headers: JSON_TYPE, body: '{"items":[{"size":1},{"size":"x"}]}' },
    400,
    "validation_failed",
    "items.1.size",
  ],
  ["a body that is no object", { headers: JSON_TYPE, body: "[]" }, 400, "validation_failed", ""],
];

for (const [what, init, status, code, path] of FAULTS) {
  Deno.test(`${what} is answered with 400 and the path of the fault`, async () => {
    const error = await errorOf(await testApp().app.request("/echo", { method: "POST", ...init }));
    assert.equal(error.statusCode, status);
    assert.equal(error.code, code);
    assert.equal(error.details?.[0]?.path, path);
  });
}

Deno.test("a body over the limit is answered with 413, with and without a declared length", async () => {
  const bytes = new TextEncoder().encode("x".repeat(2048));
  const streamed = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  for (const body of [bytes, streamed]) {
    const response = await testApp().app.request("/echo", { method: "POST", headers: JSON_TYPE, body });
    assert.equal((await errorOf(response)).code, "payload_too_large");
  }
});

function postCompressed(body: Uint8Array<ArrayBuffer>, encoding = "gzip"): Promise<Response> {
  const headers = { ...JSON_TYPE, "content-encoding": encoding };
  return Promise.resolve(testApp().app.request("/echo", { method: "POST", headers, body }));
}

Deno.test("a body compressed with gzip is read as if it were plain", async () => {
  const body = { items: [{ size: 1 }, { size: 2 }] };
  const response = await postCompressed(await gzip(new TextEncoder().encode(JSON.stringify(body))));
  assert.deepEqual(await response.json(), { count: 2 });
});

Deno.test("a small body that decompresses to more than the limit is answered with 413, and not held in memory", async () => {
  const bomb = await gzip(new Uint8Array(500_000));
  assert.ok(bomb.length < 1_024);
  assert.equal((await errorOf(await postCompressed(bomb))).code, "payload_too_large");
});

Deno.test("a body that is not what its encoding says, or is cut short, is answered with 400", async () => {
  const compressed = await gzip(new TextEncoder().encode('{"items":[]}'));
  for (const body of [new TextEncoder().encode("{}"), compressed.slice(0, -6)]) {
    const error = await errorOf(await postCompressed(body));
    assert.deepEqual([error.statusCode, error.code], [400, "malformed_json"]);
  }
  const unknown = await errorOf(await postCompressed(compressed, "br"));
  assert.deepEqual([unknown.statusCode, unknown.code], [400, "unsupported_media_type"]);
});

Deno.test("an unknown path is answered with 404", async () => {
  assert.equal((await errorOf(await testApp().app.request("/nowhere"))).code, "not_found");
});

Deno.test("Retry-After is in full seconds, rounded up", async () => {
  const response = await testApp().app.request("/busy");
  assert.equal((await errorOf(response)).code, "queue_full");
  assert.equal(response.headers.get("retry-after"), "3");
});

Deno.test("an unexpected error reveals nothing to the client, and its message stays out of the log", async () => {
  const { app, lines } = testApp();
  const error = await errorOf(await app.request("/broken"));
  assert.equal(error.code, "internal");
  assert.doesNotMatch(JSON.stringify(error) + lines.join(), /mum|params/);
  const line = JSON.parse(lines[0] ?? "{}");
  assert.equal(line.requestId, error.requestId);
  assert.match(line.stack, /app_test/);
});

Deno.test("the OpenAPI document lists the routes", async () => {
  const document = await (await testApp().app.request("/openapi.json")).json();
  assert.ok(document.paths["/echo"].post);
});

Deno.test("the documentation page loads everything from the service itself", async () => {
  const { app } = testApp();
  const page = await (await app.request("/docs")).text();
  const urls = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
  assert.equal(urls.length, 2);
  for (const url of urls) {
    const response = await app.request(url);
    assert.equal(response.status, 200, url);
    assert.ok((await response.arrayBuffer()).byteLength > 10_000, url);
  }
});
