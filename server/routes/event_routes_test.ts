/** Tests events on real sockets: what an account hears, in which order, after which breaks, and what ends it. */
import assert from "node:assert/strict";
import { conversationListSchema } from "../../contract/conversations.ts";
import {
  type EventMessage,
  HEARTBEAT_MS,
  RESUME_CLOSE_CODE,
  SIGNED_OUT_CLOSE_CODE,
} from "../../contract/events.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { delay } from "../../lib/backoff.ts";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import {
  type EventClient,
  type EventClientOptions,
  HandshakeRefused,
  openEvents,
} from "../../tests/support/server/event_client.ts";
import { serveApp, type ServedApp } from "../../tests/support/server/served_app.ts";
import { createTestDatabase } from "../../tests/support/postgres/postgres.ts";
import {
  JOHN,
  sendBatch,
  sendConversation,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";
import {
  completedStatus,
  draftFor,
  pairTrainee,
  promote,
  runningStatus,
  startJob,
  trainAdapter,
} from "../../tests/support/server/trainee.ts";
import { SLOW_READER_MS } from "./event_routes.ts";

async function refusedWith(url: string, options: EventClientOptions): Promise<number> {
  try {
    await using _client = await openEvents(url, options);
  } catch (error) {
    if (error instanceof HandshakeRefused) return error.status;
    throw error;
  }
  return 101;
}

/** Signs a browser in and returns its `Cookie` header. */
async function cookieOf({ app }: ServedApp, token: string): Promise<string> {
  const response = await app.request(SERVER_PATHS.session, { body: { token } });
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

async function take(client: EventClient, count: number): Promise<EventMessage[]> {
  const taken: EventMessage[] = [];
  while (taken.length < count) taken.push(await client.next());
  return taken;
}

Deno.test("a client hears of its account's drafts, training, sync and devices, and of no other account's", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const trainee = await pairTrainee(app);
  const stranger = await pairTrainee(app);
  await using client = await openEvents(url, { token: trainee.token });
  await using other = await openEvents(url, { token: stranger.token });
  const connected = await client.next();
  assert.deepEqual([connected.event, connected.data], ["connected", { resumed: false }]);
  const start = connected.id;
  const [message] = await sendConversation(trainee, { lines: [[JOHN, "Dinner?"]] });
  const { responseId } = await draftFor(trainee, message?.id ?? "");
  const job = await startJob(trainee);
  app.ml.reportTraining(runningStatus(job.id, { progress: 40 }));
  await app.reconciler.reconcile();
  app.ml.reportTraining(completedStatus(job.id));
  await app.reconciler.reconcile();
  const { deviceId } = await app.pair();
  const events = await take(client, 7);
  assert.deepEqual(events.map(({ id }) => id), [1, 2, 3, 4, 5, 6, 7].map((n) => start + n));
  const draft = { responseId, conversationId: message?.conversationId, messageId: message?.id };
  assert.deepEqual(events.slice(1).map(({ event, data }) => [event, data]), [
    ["response:generating", { ...draft, status: "generating" }],
    ["response:completed", { ...draft, status: "completed" }],
    ["training:progress", { jobId: job.id, status: "queued", progress: 0 }],
    ["training:progress", { jobId: job.id, status: "training", progress: 40 }],
    ["training:progress", { jobId: job.id, status: "completed", progress: 100 }],
    ["models:changed", { adapterId: `adapter-${job.id}` }],
  ]);
  assert.equal(events[0]?.event, "sync:progress");
  assert.equal((await other.next()).event, "connected");
  await app.request(pathOf(SERVER_PATHS.deactivateDevice, { id: deviceId }), {
    method: "POST",
    token: stranger.token,
  });
  await sendBatch(stranger, syncBatch([syncMessage()]));
  const heard = await other.next();
  assert.ok(heard.event === "sync:progress", "the first thing that the stranger hears is its own");
});

Deno.test("what the person did with a draft is heard of once, however often it is sent", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const trainee = await pairTrainee(app);
  const [message] = await sendConversation(trainee, { lines: [[JOHN, "Dinner?"]] });
  const { responseId } = await draftFor(trainee, message?.id ?? "");
  await using client = await openEvents(url, { token: trainee.token });
  await client.next();
  const path = pathOf(SERVER_PATHS.responseAction, { id: responseId });
  const body = { action: "edit", editedResponse: "At eight" };
  for (let time = 0; time < 2; time++) await app.request(path, { token: trainee.token, body });
  await sendBatch(trainee, syncBatch([syncMessage()]));
  const [acted, next] = await take(client, 2);
  assert.deepEqual([acted?.event, acted?.data], ["response:acted", {
    responseId,
    conversationId: message?.conversationId,
    messageId: message?.id,
    status: "completed",
    action: "edit",
  }]);
  assert.equal(next?.event, "sync:progress");
});

Deno.test("a promotion, a policy and a deletion are heard of once each, and none that was only tried", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const trainee = await pairTrainee(app);
  const { token, messageIds: [messageId = ""], sampleIds: [sampleId] } = trainee;
  const adapterId = await trainAdapter(trainee);
  const path = pathOf(SERVER_PATHS.message, { id: messageId });
  const { conversations: [conversation] } = await app.expect(SERVER_PATHS.conversations, {
    token,
    schema: conversationListSchema,
  });
  const conversationId = conversation?.id ?? "";
  const place = pathOf(SERVER_PATHS.conversation, { id: conversationId });
  await using client = await openEvents(url, { token });
  await client.next();
  await promote(trainee, adapterId);
  await app.request(place, { method: "PATCH", token, body: { drafting: "off" } });
  await app.request(`${path}?dryRun=true`, { method: "DELETE", token });
  await app.request(pathOf(SERVER_PATHS.trainingSample, { id: sampleId }), { method: "DELETE", token });
  await app.request(path, { method: "DELETE", token });
  await app.request(place, { method: "DELETE", token });
  const heard = await take(client, 5);
  const [models, changed] = [{ adapterId }, { conversationId }];
  assert.deepEqual(heard.map(({ event, data }) => [event, data]), [
    ["models:changed", models],
    ["conversation:changed", changed],
    // It learned from the sample.
    ["models:changed", models],
    ["conversation:changed", changed],
    ["conversation:changed", changed],
  ]);
});

Deno.test("a draft that is cancelled and one that fails are both heard of as failed, with their status", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const trainee = await pairTrainee(app);
  const [message] = await sendConversation(trainee, { lines: [[JOHN, "Dinner?"]] });
  await app.ml.goDown();
  await using client = await openEvents(url, { token: trainee.token });
  const { token } = trainee;
  const body = { messageId: message?.id };
  await app.request(SERVER_PATHS.generateResponse, { token, body });
  const failed = await client.find("response:failed");
  assert.equal(failed.event === "response:failed" && failed.data.status, "failed");
  const queued =
    await (await app.request(SERVER_PATHS.generateResponse, { token, body: { ...body, async: true } }))
      .json();
  await app.request(pathOf(SERVER_PATHS.cancelResponse, { id: queued.responseId }), {
    method: "POST",
    token,
  });
  const cancelled = await client.find("response:failed");
  assert.deepEqual(
    cancelled.event === "response:failed" && [cancelled.data.responseId, cancelled.data.status],
    [queued.responseId, "cancelled"],
  );
});

Deno.test("a socket opens with a token in the header or as a subprotocol, or a cookie from the server's own page alone", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const { token } = await app.pair();
  const { token: syncToken } = await app.pair({ scope: "sync" });
  const cookie = await cookieOf(served, token);
  const foreign = "https://elsewhere.example";
  const cases: [string, number, EventClientOptions][] = [
    ["a token as subprotocol", 101, { token }],
    ["a token in the header", 101, { headers: { authorization: `Bearer ${token}` } }],
    ["a cookie and the own origin", 101, { headers: { cookie, origin: url } }],
    ["nothing", 401, {}],
    ["a token that is none", 401, { token: "abc" }],
    ["a cookie of no session", 401, { headers: { cookie: cookie.replace(/=.*/, "=abc"), origin: url } }],
    ["a cookie without an origin", 403, { headers: { cookie } }],
    ["a cookie and another origin", 403, { headers: { cookie, origin: foreign } }],
    ["a token and another origin", 403, { token, headers: { origin: foreign } }],
    ["a device that may only sync", 403, { token: syncToken }],
    ["another subprotocol alone", 400, {
      headers: { authorization: `Bearer ${token}` },
      protocols: ["chat"],
    }],
    ["an id that is none", 400, { token, after: -1 }],
  ];
  for (const [what, status, options] of cases) assert.equal(await refusedWith(url, options), status, what);
  const plain = await fetch(url + SERVER_PATHS.events, { headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual([plain.status, plain.headers.get("upgrade"), (await plain.json()).code], [
    426,
    "websocket",
    "upgrade_required",
  ]);
  const asProtocol = await fetch(url + SERVER_PATHS.events, {
    headers: { "sec-websocket-protocol": `assistant.v1, bearer.${token}` },
  });
  assert.equal(asProtocol.status, 401, "a subprotocol is no credential of an ordinary request");
  await asProtocol.body?.cancel();
});

/** Follows events over connections that are cut off, until it has those up to an id. */
async function followThroughCuts(
  urls: readonly string[],
  { token, after, last, cuts }: { token: string; after: number; last: () => number; cuts: number },
): Promise<{ ids: number[]; cut: number }> {
  const ids: number[] = [];
  let cut = 0;
  for (let from = after; from < last();) {
    await using client = await openEvents(urls[cut % urls.length] ?? "", { token, after: from });
    const connected = await client.next();
    assert.deepEqual([connected.id, connected.data], [from, { resumed: true }]);
    const isLast = cut >= cuts;
    for (let count = 0; isLast ? from < last() : count <= cut % 3; count++) {
      from = (await client.next()).id;
      ids.push(from);
    }
    if (!isLast) {
      client.cut();
      cut++;
    }
  }
  return { ids, cut };
}

Deno.test("a client that is cut off ten times, at two servers, while much happens misses and repeats nothing", async () => {
  await using home = await createTestDatabase();
  await using first = await serveApp({ store: home.stores });
  await using second = await serveApp({ store: home.stores });
  const { token } = await first.app.pair();
  await using client = await openEvents(first.url, { token });
  const { id: after } = await client.next();
  const BATCHES = 80;
  const sending = Promise.all(Array.from({ length: BATCHES }, async (_, n) => {
    const server = n % 2 === 0 ? first.app : second.app;
    const change = { conversationImessageId: `chat-${n % 7}`, lagRows: n };
    await sendBatch({ server, token }, syncBatch([syncMessage()], change));
  }));
  const last = () => after + BATCHES;
  const { ids, cut } = await followThroughCuts([first.url, second.url], { token, after, last, cuts: 10 });
  await sending;
  assert.equal(cut, 10);
  assert.deepEqual(ids, Array.from({ length: BATCHES }, (_, n) => after + 1 + n));
});

Deno.test("a reader of more than a page that is cut off on the way reads on where it was", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const { token, deviceId } = await app.pair();
  await using client = await openEvents(url, { token });
  const { id: after } = await client.next();
  for (let n = 0; n < 450; n++) {
    await app.request(SERVER_PATHS.syncHeartbeat, { token, body: { lagRows: n } });
  }
  const events = await take(client, 450);
  assert.deepEqual(events.map(({ id }) => id - after), Array.from({ length: 450 }, (_, n) => n + 1));
  await using again = await openEvents(url, { token, after: after + 100 });
  assert.deepEqual((await again.next()).data, { resumed: true });
  const rest = await take(again, 350);
  assert.deepEqual(rest.map(({ id }) => id - after), Array.from({ length: 350 }, (_, n) => n + 101));
  assert.ok(rest.every(({ event, data }) => event === "sync:progress" && data.deviceId === deviceId));
});

Deno.test("who comes back too late, or with an id that was never given, learns that events may be missing", async () => {
  await using home = await createTestDatabase();
  await using served = await serveApp({ store: home.stores });
  const { app, url } = served;
  const { token } = await app.pair();
  await using client = await openEvents(url, { token });
  const { id } = await client.next();
  const beat = async () => await app.request(SERVER_PATHS.syncHeartbeat, { token, body: { lagRows: 1 } });
  for (let n = 0; n < 3; n++) await beat();
  const answerTo = async (after: number) => {
    await using again = await openEvents(url, { token, after });
    const { id, data } = await again.next();
    return [id, data];
  };
  assert.deepEqual(await answerTo(id), [id, { resumed: true }]);
  assert.deepEqual(await answerTo(id + 4), [id + 3, { resumed: false }], "a number that was not given yet");
  await home.database.sql`update events set created_at = now() - interval '6 minutes'`;
  for (let n = 0; n < 64; n++) await beat();
  assert.deepEqual(await answerTo(id), [id + 67, { resumed: false }]);
  assert.deepEqual(await answerTo(id + 67), [id + 67, { resumed: true }]);
});

Deno.test("a deactivated device's socket ends at once and for good, at every server, and its own alone", async () => {
  await using home = await createTestDatabase();
  await using first = await serveApp({ store: home.stores });
  await using second = await serveApp({ store: home.stores });
  const lost = await first.app.pair();
  const kept = await first.app.pair();
  await using atFirst = await openEvents(first.url, lost);
  await using atSecond = await openEvents(second.url, lost);
  await using other = await openEvents(second.url, kept);
  for (const client of [atFirst, atSecond, other]) await client.next();
  const path = pathOf(SERVER_PATHS.deactivateDevice, { id: lost.deviceId });
  await first.app.request(path, { method: "POST", token: lost.token });
  assert.deepEqual([await atFirst.closed, await atSecond.closed], [
    SIGNED_OUT_CLOSE_CODE,
    SIGNED_OUT_CLOSE_CODE,
  ]);
  await second.app.request(SERVER_PATHS.syncHeartbeat, { token: kept.token, body: { lagRows: 0 } });
  assert.equal((await other.next()).event, "sync:progress");
});

Deno.test("signing out ends what that browser holds open, sockets and streams, and nothing else", async () => {
  await using served = await serveApp();
  const { app, url } = served;
  const trainee = await pairTrainee(app);
  const { token } = trainee;
  const job = await startJob(trainee);
  const [cookie, otherCookie] = [await cookieOf(served, token), await cookieOf(served, token)];
  const headers = { cookie, origin: url };
  await using browser = await openEvents(url, { headers });
  await using otherBrowser = await openEvents(url, { headers: { cookie: otherCookie, origin: url } });
  await using device = await openEvents(url, { token });
  for (const client of [browser, otherBrowser, device]) await client.next();
  const stream = await fetch(url + pathOf(SERVER_PATHS.trainingJobEvents, { id: job.id }), { headers });
  assert.equal(stream.status, 200);
  const ended = stream.text();
  await fetch(url + SERVER_PATHS.session, { method: "DELETE", headers });
  assert.equal(await browser.closed, SIGNED_OUT_CLOSE_CODE);
  assert.match(await ended, /event: training:progress/);
  await sendBatch(trainee, syncBatch([syncMessage()]));
  assert.equal((await otherBrowser.next()).event, "sync:progress");
  assert.equal((await device.next()).event, "sync:progress");
});

Deno.test("a quiet socket has a heartbeat, which says what was sent last", async () => {
  const clock = new FakeClock(Date.now());
  await using served = await serveApp({ clock });
  const { token } = await served.app.pair();
  await using client = await openEvents(served.url, { token });
  const { id } = await client.next();
  for (let beats = 0; beats < 3; beats++) {
    clock.advance(HEARTBEAT_MS);
    assert.deepEqual(await client.next(), { id, event: "heartbeat", data: {} });
  }
});

Deno.test("a reader that is too slow is closed with the word to resume, and then misses nothing", async () => {
  const clock = new FakeClock(Date.now());
  await using home = await createTestDatabase();
  await using served = await serveApp({ clock, store: home.stores });
  const { app, url } = served;
  const { token, deviceId } = await app.pair();
  const [account] = await home.database.sql<
    { id: string }
  >`select account_id as id from devices where id = ${deviceId}`;
  await using client = await openEvents(url, { token });
  const { id } = await client.next();
  client.pause();
  // Larger than what the sockets of both ends hold.
  const padding = "x".repeat(1_000_000);
  const data = JSON.stringify({
    deviceId,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    deleted: 0,
    lagRows: 0,
    padding,
  });
  for (let n = 0; n < 30; n++) {
    await home.database.sql`select add_event(${account?.id}::uuid, 'sync:progress', ${data}::jsonb)`;
  }
  while (!app.logLines.some((line) => line.includes("read its events too slowly"))) {
    await delay(10);
    clock.advance(SLOW_READER_MS);
  }
  client.resume();
  assert.equal(await client.closed, RESUME_CLOSE_CODE);
  const seen: number[] = [];
  for (let more = true; more;) {
    const message = await client.next().catch(() => null);
    if (message === null) more = false;
    else if (message.event !== "heartbeat") seen.push(message.id);
  }
  await using again = await openEvents(url, { token, after: seen.at(-1) ?? id });
  assert.deepEqual((await again.next()).data, { resumed: true });
  while (seen.length < 30) seen.push((await again.next()).id);
  assert.deepEqual(seen, Array.from({ length: 30 }, (_, n) => id + 1 + n));
});

Deno.test("a client hears what happened while its server had lost the database, and is sent back by one that stops", async () => {
  await using home = await createTestDatabase();
  await using served = await serveApp({ store: home.stores });
  const { token, deviceId } = await served.app.pair();
  const lost = await served.app.pair();
  await using client = await openEvents(served.url, { token });
  await using shutOut = await openEvents(served.url, lost);
  for (const open of [client, shutOut]) await open.next();
  // In one statement with what happens, so that the server can only read of it later.
  await home.database.transaction(async ({ sql }) => {
    await sql`update devices set name = 'Renamed' where id = ${deviceId}`;
    await sql`update devices set status = 'deactivated' where id = ${lost.deviceId}`;
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query ilike '%advisory_lock_shared%' and pid <> pg_backend_pid()`;
  });
  assert.deepEqual((await client.next()).data, { deviceId, status: "active" });
  assert.equal(await shutOut.closed, SIGNED_OUT_CLOSE_CODE);
  const stopped = served.shutdown();
  assert.equal(await client.closed, RESUME_CLOSE_CODE);
  await stopped;
});

Deno.test("an account holds a limited number of sockets open; closing one makes room", async () => {
  await using served = await serveApp();
  const { token } = await served.app.pair();
  await using clients = new AsyncDisposableStack();
  const opened = await Promise.all(Array.from({ length: 200 }, () => openEvents(served.url, { token })));
  for (const client of opened) clients.use(client);
  await sendBatch({ server: served.app, token }, syncBatch([syncMessage()]));
  for (const client of opened) assert.equal((await client.find("sync:progress")).event, "sync:progress");
  assert.equal(await refusedWith(served.url, { token }), 429);
  await opened[0]?.[Symbol.asyncDispose]();
  // The server hears of it a moment later.
  while (await refusedWith(served.url, { token }) !== 101) await delay(10);
});
