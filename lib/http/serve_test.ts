/** Tests that a service serves until its signal, finishes what is in flight, and says when its port is taken. */
import assert from "node:assert/strict";
import { aborted } from "../async.ts";
import { silentLogger } from "../log.ts";
import { createApiApp } from "./app.ts";
import { type ServerSentEvent, streamEvents, StreamLimiter } from "./event_stream.ts";
import { receiveBodies } from "./request_bodies.ts";
import { serveUntil } from "./serve.ts";
import { UserError } from "../errors.ts";

Deno.test("a request in flight is answered after the signal, then the port is closed", async () => {
  const controller = new AbortController();
  const ready = Promise.withResolvers<string>();
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const serving = serveUntil(async () => {
    entered.resolve();
    await release.promise;
    return new Response("done");
  }, { hostname: "127.0.0.1", port: 0, signal: controller.signal, onReady: ready.resolve });
  const url = await ready.promise;
  const answer = fetch(url);
  await entered.promise;
  controller.abort();
  release.resolve();
  assert.equal(await (await answer).text(), "done");
  await serving;
  await assert.rejects(fetch(url));
});

Deno.test("a taken port is a sentence for the person who starts the service", async () => {
  const holder = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response());
  const options = { hostname: "127.0.0.1", signal: new AbortController().signal, onReady: () => {} };
  const attempt = serveUntil(() => new Response(), { ...options, port: holder.addr.port });
  await assert.rejects(
    attempt,
    (error: unknown) => error instanceof UserError && /is in use/.test(error.message),
  );
  await holder.shutdown();
});

Deno.test("open event streams end at the signal, and an upload that is on its way is finished", async () => {
  const app = createApiApp({ log: silentLogger() });
  const entered = Promise.withResolvers<void>();
  app.use("/upload", async (_, next) => {
    entered.resolve();
    await next();
  });
  app.use(receiveBodies({ maxBodyBytes: 1_000, maxBytesInFlight: 10_000 }));
  const events = async function* (signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    yield { event: "first", data: "1" };
    await aborted(signal);
  };
  const streams = new StreamLimiter(1);
  app.get("/events", (c) =>
    streamEvents(c, {
      slot: streams.acquire(""),
      open: (signal) => Promise.resolve(events(signal)),
      log: silentLogger(),
    }));
  app.post("/upload", async (c) => c.json((await c.req.text()).length));
  const stop = new AbortController();
  const ready = Promise.withResolvers<string>();
  const options = { hostname: "127.0.0.1", port: 0, signal: stop.signal, onReady: ready.resolve };
  const serving = serveUntil(app.fetch, options);
  const url = await ready.promise;
  const reader = (await fetch(`${url}/events`)).body?.getReader();
  await reader?.read();
  const upload = new TransformStream<Uint8Array, Uint8Array>();
  const writer = upload.writable.getWriter();
  const answer = fetch(`${url}/upload`, { method: "POST", body: upload.readable });
  await writer.write(new Uint8Array(400));
  await entered.promise;
  stop.abort();
  while (!(await reader?.read())?.done);
  await writer.write(new Uint8Array(400));
  await writer.close();
  assert.equal(await (await answer).json(), 800);
  await serving;
});

Deno.test("an upload that does not go on is given up at the deadline", async () => {
  const stop = new AbortController();
  const ready = Promise.withResolvers<string>();
  const entered = Promise.withResolvers<void>();
  const serving = serveUntil(async (request) => {
    entered.resolve();
    return new Response(await request.text());
  }, { hostname: "127.0.0.1", port: 0, signal: stop.signal, deadlineMs: 200, onReady: ready.resolve });
  const url = await ready.promise;
  const upload = new TransformStream<Uint8Array, Uint8Array>();
  const answer = assert.rejects(fetch(url, { method: "POST", body: upload.readable }));
  const writer = upload.writable.getWriter();
  await writer.write(new Uint8Array(1));
  await entered.promise;
  stop.abort();
  await serving;
  await answer;
  await writer.abort().catch(() => {});
});
