/** Tests that bodies are bounded by what they become, each and all together, and read only behind authentication. */
import assert from "node:assert/strict";
import { type Context, Hono } from "../../deps.ts";
import { ApiError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { createApiApp } from "./app.ts";
import { gzip } from "./client.ts";
import { receiveBodies } from "./request_bodies.ts";

const LIMITS = { maxBodyBytes: 40_000, maxBytesInFlight: 100_000, maxBodyBytesOf: { "/large": 300_000 } };

function testApp(handler: (c: Context) => Response | Promise<Response>) {
  const app = createApiApp({ log: silentLogger() });
  app.use(receiveBodies(LIMITS));
  app.route("/", new Hono().post("/*", handler));
  return app;
}

const sizeOf = async (c: Context) => c.json((await c.req.text()).length);

/** A body that begins, and ends when `end` is called. */
function openBody(bytes: number) {
  const gate = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(new Uint8Array(bytes));
      await gate.promise;
      controller.close();
    },
  });
  return { body, end: gate.resolve };
}

async function post(app: ReturnType<typeof testApp>, path: string, init: RequestInit): Promise<Response> {
  return await app.request(path, { method: "POST", ...init });
}

Deno.test("bodies on their way share a bound; beyond it a request is refused for now, and later taken", async () => {
  const app = testApp(sizeOf);
  const open = [openBody(40_000), openBody(40_000)];
  const answers = open.map(({ body }) => post(app, "/", { body }));
  const refused = await post(app, "/", { body: "x".repeat(30_000) });
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "2"]);
  assert.equal((await refused.json()).code, "overloaded");
  for (const { end } of open) end();
  for (const answer of await Promise.all(answers)) assert.equal(await answer.json(), 40_000);
  assert.equal((await post(app, "/", { body: "x".repeat(30_000) })).status, 200);
});

/** A body in pieces that end anywhere, also within a character. */
function inPieces(text: string, pieceBytes: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const count = Math.ceil(bytes.length / pieceBytes);
  return ReadableStream.from(
    Array.from({ length: count }, (_, index) => bytes.slice(index * pieceBytes, (index + 1) * pieceBytes)),
  );
}

Deno.test("a body is read as it was written, in whatever pieces it comes and however long it is", async () => {
  const app = testApp(async (c) => c.body(await c.req.text()));
  for (const pieceBytes of [777, 16_384, 100_001]) {
    for (const count of [0, 1, 1_820, 1_821, 3_641, 27_000]) {
      const text = `-${"é漢😀".repeat(count)}`;
      const answer = await post(app, "/large", { body: inPieces(text, pieceBytes) });
      assert.ok(await answer.text() === text, `${count} times in pieces of ${pieceBytes} bytes`);
    }
  }
});

Deno.test("a compressed body counts by what it becomes", async () => {
  const app = testApp(sizeOf);
  const open = openBody(40_000);
  const first = post(app, "/", { body: open.body });
  const second = openBody(30_000);
  const held = post(app, "/", { body: second.body });
  const body = await gzip(new Uint8Array(39_000));
  const headers = { "content-encoding": "gzip" };
  assert.ok(body.length < 1_000);
  assert.equal((await post(app, "/", { body, headers })).status, 503);
  open.end();
  second.end();
  await Promise.all([first, held]);
  assert.equal(await (await post(app, "/", { body, headers })).json(), 39_000);
});

Deno.test("refused, broken and failing requests give their memory back", async () => {
  const app = testApp((c) => {
    throw c.req.path === "/fail" ? new ApiError("conflict", "No") : new Error("fault");
  });
  for (let i = 0; i < 20; i++) {
    assert.equal((await post(app, "/fail", { body: "x".repeat(39_000) })).status, 409);
    assert.equal((await post(app, "/", { body: "x".repeat(50_000) })).status, 413);
    const headers = { "content-encoding": "gzip" };
    assert.equal((await post(app, "/", { body: "x".repeat(30_000), headers })).status, 400);
  }
});

Deno.test("a path of large bodies neither fills the others' memory nor is kept out by it", async () => {
  const app = testApp(sizeOf);
  const open = [openBody(40_000), openBody(40_000)];
  const answers = open.map(({ body }) => post(app, "/", { body }));
  assert.equal(await (await post(app, "/large", { body: "x".repeat(250_000) })).json(), 250_000);
  for (const { end } of open) end();
  await Promise.all(answers);
});
