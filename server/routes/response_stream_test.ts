/** Tests drafts that are streamed: their pieces and their end, what fails before and after, and readers that leave. */
import assert from "node:assert/strict";
import { errorBodySchema } from "../../contract/errors.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { generatedResponseSchema, responseRecordSchema } from "../../contract/responses.ts";
import { serverSentEventsOf } from "../../lib/http/client.ts";
import { openEvents } from "../../tests/support/server/event_client.ts";
import { serveApp, type ServedApp } from "../../tests/support/server/served_app.ts";
import { JOHN, sendConversation, type Sender } from "../../tests/support/server/sync_batches.ts";
import { draftFor, promote, trainAdapter } from "../../tests/support/server/trainee.ts";

interface Asker extends Sender, AsyncDisposable {
  served: ServedApp;
  deviceId: string;
  messageId: string;
}

async function startWithMessage(): Promise<Asker> {
  const served = await serveApp();
  const { token, deviceId } = await served.app.pair();
  const sender = { server: served.app, token };
  const [message] = await sendConversation(sender, { lines: [[JOHN, "Dinner?"]] });
  return {
    ...sender,
    served,
    deviceId,
    messageId: message?.id ?? "",
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  };
}

interface AskOptions {
  headers?: Record<string, string>;
  accept?: string;
  signal?: AbortSignal;
}

async function ask(
  { served, token, messageId }: Asker,
  { headers, accept = "text/event-stream", signal }: AskOptions = {},
): Promise<Response> {
  return await fetch(served.url + SERVER_PATHS.generateResponse, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", accept, ...headers },
    body: JSON.stringify({ messageId }),
    signal,
  });
}

interface Event {
  event: string | undefined;
  data: unknown;
}

async function eventsOf(response: Response): Promise<Event[]> {
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  assert.ok(response.body);
  const events: Event[] = [];
  for await (const { event, data } of serverSentEventsOf(response.body)) {
    events.push({ event, data: JSON.parse(data) });
  }
  return events;
}

async function recordOf({ server, token }: Asker, id: string) {
  return await server.expect(pathOf(SERVER_PATHS.response, { id }), { token, schema: responseRecordSchema });
}

/** The latest draft once it has ended. */
async function endOfDraft(asker: Asker) {
  await using client = await openEvents(asker.served.url, { token: asker.token, after: 0 });
  for (;;) {
    const message = await client.next();
    if (message.event === "response:completed" || message.event === "response:failed") {
      return await recordOf(asker, message.data.responseId);
    }
  }
}

Deno.test("a draft comes piece by piece, and then whole as it was recorded", async () => {
  await using asker = await startWithMessage();
  asker.server.ml.behaviour = { kind: "answer", pieces: [" At", " sev", "en"], response: " At seven " };
  const events = await eventsOf(await ask(asker));
  assert.deepEqual(
    events.slice(0, 3),
    [" At", " sev", "en"].map((text) => ({ event: "token", data: { text } })),
  );
  assert.deepEqual(events.slice(3).map(({ event }) => event), ["completed"]);
  const completed = generatedResponseSchema.parse(events[3]?.data);
  assert.deepEqual([completed.status, completed.response], ["completed", "At seven"]);
  assert.equal((await recordOf(asker, completed.responseId)).response, "At seven");
});

Deno.test("a draft that ends without a piece, such as one of the cache, is whole at once", async () => {
  await using asker = await startWithMessage();
  const events = await eventsOf(await ask(asker));
  assert.deepEqual(events.map(({ event }) => event), ["completed"]);
});

Deno.test("a request sent again with its key gets the same draft, whole", async () => {
  await using asker = await startWithMessage();
  asker.server.ml.behaviour = { kind: "answer", pieces: ["Yes"], response: "Yes" };
  const headers = { "idempotency-key": "one" };
  const first = await eventsOf(await ask(asker, { headers }));
  const second = await eventsOf(await ask(asker, { headers }));
  assert.deepEqual([first.length, second], [2, first.slice(1)]);
});

Deno.test("what fails before the first piece is an error with its status, and after it an event", async () => {
  await using asker = await startWithMessage();
  asker.server.ml.behaviour = { kind: "fail", code: "queue_full", retryAfterSeconds: 7 };
  const refused = await ask(asker);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "7"]);
  assert.equal(errorBodySchema.parse(await refused.json()).code, "queue_full");
  asker.server.ml.behaviour = { kind: "lose_answer" };
  const events = await eventsOf(await ask(asker));
  assert.deepEqual(events.map(({ event }) => event), ["token", "error"]);
  assert.equal(errorBodySchema.parse(events[1]?.data).code, "ml_unavailable");
});

Deno.test("where the adapter may not draft, the pieces are those of the base model", async () => {
  await using asker = await startWithMessage();
  const { token, server } = asker;
  const { responseId: id } = await draftFor(asker, asker.messageId);
  await server.request(pathOf(SERVER_PATHS.responseAction, { id }), { token, body: { action: "accept" } });
  const adapterId = await trainAdapter(asker);
  await promote(asker, adapterId);
  server.ml.adapters.set(adapterId, "damaged");
  server.ml.behaviour = { kind: "answer", pieces: ["Base"], response: "Base" };
  const events = await eventsOf(await ask(asker));
  assert.deepEqual(events.map(({ event }) => event), ["token", "completed"]);
  assert.equal(generatedResponseSchema.parse(events[1]?.data).modelVersion, "test-model");
});

for (const accept of ["text/event-stream", "application/json"]) {
  Deno.test(`a client that leaves stops ml, and its draft is cancelled: ${accept}`, async () => {
    await using asker = await startWithMessage();
    asker.server.ml.behaviour = { kind: "hang" };
    const client = new AbortController();
    const asked = ask(asker, { accept, signal: client.signal });
    asked.catch(() => {});
    await asker.server.ml.hanging;
    if (accept === "text/event-stream") await (await asked).body?.getReader().read();
    client.abort();
    await asker.server.ml.abandoned;
    assert.equal((await endOfDraft(asker)).status, "cancelled");
  });
}

Deno.test("a device that is shut out gets no further piece, and ml stops", async () => {
  await using asker = await startWithMessage();
  asker.server.ml.behaviour = { kind: "hang" };
  const response = await ask(asker);
  const { token, deviceId, server } = asker;
  await server.request(pathOf(SERVER_PATHS.deactivateDevice, { id: deviceId }), { method: "POST", token });
  await server.ml.abandoned;
  const events = await eventsOf(response);
  assert.deepEqual(events.map(({ event }) => event), ["token", "error"]);
});
