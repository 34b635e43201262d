/** Tests that a service serves until its signal, finishes what is in flight, and says when its port is taken. */
import assert from "node:assert/strict";
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
