/** Tests training samples: imported from sent replies, exported, deleted, and what a deletion does to adapters. */
import assert from "node:assert/strict";
import { deletionSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  importSamplesResponseSchema,
  trainingSampleListSchema,
  trainingSampleSchema,
} from "../../contract/training.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  sendBatch,
  sendConversation,
  type Sender,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";
import {
  draftFor,
  pairTrainee,
  promote,
  readJob,
  readModels,
  runningStatus,
  startJob,
  startWithSamples,
  trainAdapter,
} from "../../tests/support/server/trainee.ts";

const NONE = { repeated: 0, unprompted: 0, late: 0, automated: 0, neverTrain: 0, unsuitable: 0 };

async function importReplies({ server, token }: Sender, body: Record<string, unknown> = {}) {
  const options = { token, body, schema: importSamplesResponseSchema };
  return await server.expect(SERVER_PATHS.importTrainingSamples, options);
}

async function samplesOf({ server, token }: Sender) {
  const path = `${SERVER_PATHS.trainingSamples}?pageSize=200`;
  return (await server.expect(path, { token, schema: trainingSampleListSchema })).samples;
}

async function remove({ server, token }: Sender, id: string) {
  const path = pathOf(SERVER_PATHS.trainingSample, { id });
  return await server.expect(path, { method: "DELETE", token, schema: deletionSchema });
}

/** Messages of one conversation at these minutes; `me` is the owner. */
async function sendTimed(
  { server, token }: Sender,
  { lines, ...change }:
    & { lines: readonly [minute: number, sender: string, text: string][] }
    & Record<
      string,
      unknown
    >,
): Promise<void> {
  const messages = lines.map(([minute, sender, text]) =>
    syncMessage({
      senderId: sender === "me" ? null : sender,
      direction: sender === "me" ? "outgoing" : "incoming",
      text,
      sentAt: new Date(Date.UTC(2024, 0, 1, 12, 0, minute * 60)).toISOString(),
    })
  );
  await sendBatch({ server, token }, syncBatch(messages, change));
}

Deno.test("an imported sample has the prompt that a draft for the same message has", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  await server.request(SERVER_PATHS.syncContacts, {
    token: sender.token,
    body: { contacts: [{ phoneNumber: JOHN, displayName: "Johnny" }] },
  });
  const messages = await sendConversation(sender, {
    lines: [
      ["me", "Hello"],
      [JOHN, "Are you there?"],
      [JOHN, "Dinner\nat eight?"],
      ["me", "sure thing"],
      ["me", "see you"],
      [JOHN, "Great"],
    ],
  });
  await draftFor(sender, messages[2]?.id ?? "");
  assert.deepEqual(await importReplies(sender), {
    imported: 1,
    examined: 2,
    skipped: { ...NONE, unprompted: 1 },
  });
  const [sample, ...more] = await samplesOf(sender);
  assert.equal(more.length, 0);
  assert.equal(sample?.input, server.ml.generated[0]?.prompt);
  assert.match(sample?.input ?? "", /Johnny[^]*Them: Dinner\n {2}at eight\?\nMe:$/);
  assert.deepEqual(
    [sample?.output, sample?.source, sample?.quality, sample?.rejectedOutput],
    ["sure thing\nsee you", "import", 1, null],
  );
});

Deno.test("replies that failed, reactions that were sent as texts, and answers to codes and companies are no samples", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  await sendTimed(sender, { lines: [[0, JOHN, "Dinner?"], [1, "me", "Loved “Dinner?”"]] });
  await sendTimed(sender, {
    conversationImessageId: "+15550100002",
    lines: [[0, "+15550100002", "Your verification code is 482913"], [1, "me", "got it"]],
  });
  await sendTimed(sender, {
    conversationImessageId: "AMAZON",
    lines: [[0, "AMAZON", "Your parcel is here"], [1, "me", "thanks"]],
  });
  const failed = syncMessage({ direction: "outgoing", senderId: null, text: "never arrived", failed: true });
  const asked = syncMessage({ senderId: "+15550100003", text: "Lunch?", sentAt: "2024-01-01T11:59:00.000Z" });
  await sendBatch(sender, syncBatch([asked, failed], { conversationImessageId: "+15550100003" }));
  const { imported, skipped } = await importReplies(sender);
  assert.deepEqual([imported, skipped], [0, { ...NONE, automated: 2, unsuitable: 1 }]);
  assert.deepEqual(await samplesOf(sender), []);
});

Deno.test("a dry run says what an import would make, and makes nothing", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  await sendTimed(sender, { lines: [[0, "me", "Hello"], [1, JOHN, "Dinner?"], [2, "me", "sure"]] });
  const preview = await importReplies(sender, { dryRun: true });
  assert.deepEqual([preview.imported, preview.skipped.unprompted], [1, 1]);
  assert.deepEqual(await samplesOf(sender), []);
  assert.deepEqual(await importReplies(sender), preview);
  const again = await importReplies(sender, { dryRun: true });
  assert.deepEqual([again.imported, again.skipped.repeated], [0, 1]);
});

Deno.test("an import makes each sample once, however often and in parallel it is asked for", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const lines = Array.from(
    { length: 120 },
    (_, index): [number, string, string] =>
      index % 2 === 0 ? [index, JOHN, `question ${index}`] : [index, "me", `answer ${index}`],
  );
  await sendTimed(sender, { lines });
  const [first, second] = await Promise.all([importReplies(sender), importReplies(sender)]);
  assert.equal(first.imported + second.imported, 60);
  assert.deepEqual(await importReplies(sender), {
    imported: 0,
    examined: 60,
    skipped: { ...NONE, repeated: 60 },
  });
  assert.equal((await samplesOf(sender)).length, 60);
});

Deno.test("an import is bounded, and takes the latest replies first", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  for (const hour of [0, 1, 2]) {
    await sendTimed(sender, { lines: [[hour * 60, JOHN, `q${hour}`], [hour * 60 + 1, "me", `a${hour}`]] });
  }
  const outputs = async () => (await samplesOf(sender)).map(({ output }) => output).sort();
  assert.equal((await importReplies(sender, { limit: 2 })).imported, 2);
  assert.deepEqual(await outputs(), ["a1", "a2"]);
  assert.equal((await importReplies(sender, { limit: 2 })).imported, 1, "what is there costs no room");
  assert.deepEqual(await outputs(), ["a0", "a1", "a2"]);
});

Deno.test("samples of one source are listed page by page, counted as such, and an unknown source is refused", async () => {
  await using server = await startServerApp();
  const sender = await pairTrainee(server);
  const before = (await samplesOf(sender)).map(({ source }) => source);
  assert.ok(!before.includes("import"));
  for (const hour of [0, 1, 2]) {
    await sendTimed(sender, {
      conversationImessageId: "another",
      lines: [[hour * 60, JOHN, `q${hour}`], [hour * 60 + 1, "me", `a${hour}`]],
    });
  }
  await importReplies(sender);
  const read = async (query: string) =>
    await server.expect(`${SERVER_PATHS.trainingSamples}?${query}`, {
      token: sender.token,
      schema: trainingSampleListSchema,
    });
  const all = (await samplesOf(sender)).filter(({ source }) => source === "import");
  assert.ok(all.length >= 3);
  const first = await read("source=import&pageSize=2");
  assert.deepEqual([first.total, first.samples], [all.length, all.slice(0, 2)]);
  const next = await read(`source=import&pageSize=200&cursor=${first.nextCursor}`);
  assert.deepEqual([next.samples, next.nextCursor], [all.slice(2), null]);
  for (const source of new Set(before)) {
    const { total, samples } = await read(`source=${source}&pageSize=200`);
    assert.equal(total, before.filter((one) => one === source).length);
    assert.ok(samples.every((sample) => sample.source === source));
  }
  assert.equal((await read("source=sent")).total, 0);
  const refused = await server.request(`${SERVER_PATHS.trainingSamples}?source=other`, {
    token: sender.token,
  });
  assert.equal(refused.status, 400);
  assert.equal((await refused.json()).details[0].path, "source");
});

Deno.test("an import leaves out groups and whatever is no answer of a person to a person", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const chat = (name: string) => ({ conversationImessageId: name });
  await sendTimed(sender, { ...chat("late"), lines: [[0, JOHN, "hm?"], [361, "me", "what was it"]] });
  await sendTimed(sender, {
    ...chat("pause"),
    lines: [[0, JOHN, "hm?"], [1, "me", "yes"], [5, "me", "also"]],
  });
  await sendTimed(sender, { ...chat("code"), lines: [[0, "72000", "Your code"], [1, "me", "STOP"]] });
  await sendTimed(sender, {
    ...chat("link"),
    lines: [[0, JOHN, "where"], [1, "me", "https://example.com/a"]],
  });
  await sendTimed(sender, { ...chat("number"), lines: [[0, JOHN, "the code?"], [1, "me", "482 913"]] });
  await sendTimed(sender, { ...chat("long"), lines: [[0, JOHN, "tell"], [1, "me", "la ".repeat(700)]] });
  await sendTimed(sender, { ...chat("photo"), lines: [[0, JOHN, "\uFFFC"], [1, "me", "nice"]] });
  await sendTimed(sender, {
    ...chat("group"),
    isGroup: true,
    participantIds: [JOHN, "+15550101"],
    lines: [[0, JOHN, "all?"], [1, "me", "yes all"]],
  });
  assert.deepEqual(await importReplies(sender), {
    imported: 1,
    examined: 8,
    skipped: { repeated: 0, unprompted: 1, late: 1, automated: 1, neverTrain: 0, unsuitable: 4 },
  });
  assert.deepEqual((await samplesOf(sender)).map(({ output }) => output), ["yes"]);
});

Deno.test("a reply that was sent from a draft is not imported beside it", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const reply = syncMessage({ direction: "outgoing", senderId: null, text: "Reply number 1" });
  // Right behind the first question, whose draft was accepted.
  await sendBatch(trainee, syncBatch([{ ...reply, sentAt: "2024-01-01T12:00:30Z" }]));
  const { imported, skipped } = await importReplies(trainee);
  assert.deepEqual([imported, skipped.repeated], [0, 1]);
  assert.equal((await samplesOf({ server, token: trainee.token })).length, 3);
});

Deno.test("an import can be kept to conversations, which must be the account's", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const stranger = { server, ...await server.pair() };
  const lines = [[JOHN, "hi"], ["me", "hello"]] as const;
  const [first] = await sendConversation(sender, { lines, conversationImessageId: "one" });
  await sendConversation(sender, { lines, conversationImessageId: "two" });
  const id = first?.conversationId ?? "";
  for (const [token, ids] of [[stranger.token, [id]], [sender.token, [id, crypto.randomUUID()]]] as const) {
    const { details } = await server.refuse(SERVER_PATHS.importTrainingSamples, {
      token,
      body: { conversationIds: ids },
      status: 400,
      code: "validation_failed",
    });
    assert.deepEqual(details?.map(({ path }) => path), [`conversationIds.${ids.length - 1}`]);
  }
  assert.equal((await importReplies(sender, { conversationIds: [id] })).imported, 1);
  assert.deepEqual((await samplesOf(sender)).map(({ conversationId }) => conversationId), [id]);
  assert.equal((await samplesOf(stranger)).length, 0);
});

Deno.test("an export is one sample a line, all of them, of the own account", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const lines = Array.from(
    { length: 1_300 },
    (_, index): [number, string, string] =>
      index % 2 === 0 ? [index, JOHN, `line\n${index}`] : [index, "me", `answer "${index}"`],
  );
  await sendTimed(sender, { lines: lines.slice(0, 700) });
  await sendTimed(sender, { lines: lines.slice(700) });
  assert.equal((await importReplies(sender)).imported, 650);
  const exportOf = async (token: string) => {
    const response = await server.request(SERVER_PATHS.exportTrainingSamples, { token });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/x-ndjson");
    const text = await response.text();
    return text.split("\n").slice(0, -1).map((line) => trainingSampleSchema.parse(JSON.parse(line)));
  };
  const exported = await exportOf(sender.token);
  assert.equal(new Set(exported.map(({ id }) => id)).size, 650);
  assert.deepEqual(exported.slice(0, 200), await samplesOf(sender));
  assert.deepEqual(await exportOf((await server.pair()).token), []);
});

Deno.test("a deleted sample is gone, and the adapters that learned from it are used no more", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [accepted, edited] = trainee.sampleIds;
  const clean = await trainAdapter(trainee, { sampleIds: [edited] });
  const adapterId = await trainAdapter(trainee, { sampleIds: [accepted, edited] });
  await promote(trainee, adapterId);
  await server.ml.goDown();
  assert.deepEqual(await remove(trainee, accepted), {
    messages: 0,
    responses: 0,
    samples: 1,
    taintedAdapterIds: [adapterId],
  });
  await server.reconciler.reconcile();
  await server.ml.comeBack();
  const models = await readModels(trainee);
  assert.deepEqual(
    [models.promotedAdapterId, models.adapters.map(({ id, state }) => [id, state])],
    [null, [[adapterId, "tainted"], [clean, "staged"]]],
  );
  assert.equal(server.ml.adapters.get(adapterId), "ready", "ml could not be reached yet");
  assert.equal((await draftFor(trainee, trainee.messageIds[0] ?? "")).modelVersion, "test-model");
  assert.equal(server.ml.generated.at(-1)?.adapter_id, undefined);
  await server.reconciler.reconcile();
  assert.equal(server.ml.adapters.get(adapterId), "tainted");
  await server.reconciler.reconcile();
  assert.deepEqual(server.ml.orders, [`POST /models/adapters/${adapterId}/taint`], "the taint is sent once");
  const { message } = await server.refuse(pathOf(SERVER_PATHS.promoteAdapter, { adapterId }), {
    method: "POST",
    token: trainee.token,
    status: 409,
    code: "conflict",
  });
  assert.match(message, /deleted/);
  await server.refuse(pathOf(SERVER_PATHS.trainingSample, { id: accepted }), {
    method: "DELETE",
    token: trainee.token,
    status: 404,
    code: "not_found",
  });
});

Deno.test("an adapter that is tainted while it writes a draft has written in vain", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const adapterId = await trainAdapter(trainee);
  await promote(trainee, adapterId);
  server.ml.behaviour = { kind: "hang" };
  const drafting = draftFor(trainee, trainee.messageIds[0] ?? "");
  await server.ml.hanging;
  await remove(trainee, trainee.sampleIds[0]);
  server.ml.release();
  assert.equal((await drafting).modelVersion, "test-model");
  const asked = server.ml.generated.slice(-2).map(({ adapter_id }) => adapter_id);
  assert.deepEqual(asked, [adapterId, undefined]);
});

Deno.test("a job that learns from a deleted sample is stopped in ml, and says why", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [accepted, edited] = trainee.sampleIds;
  const { id } = await startJob(trainee);
  server.ml.reportTraining(runningStatus(id));
  await remove(trainee, accepted);
  await server.reconciler.reconcile();
  assert.equal(server.ml.trainingJobs.get(id)?.status, "cancelled");
  const job = await readJob(trainee, id);
  assert.deepEqual([job.status, job.error], ["cancelled", "A sample that it learned from was deleted"]);
  assert.equal((await startJob(trainee)).sampleCount, 1, "the device may train again, on what is left");
  assert.deepEqual(server.ml.started.at(-1)?.samples.map((sample) => sample.id), [edited]);
});

Deno.test("another account deletes no sample and taints no adapter", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const adapterId = await trainAdapter(trainee);
  await promote(trainee, adapterId);
  const stranger = await pairTrainee(server);
  await server.refuse(pathOf(SERVER_PATHS.trainingSample, { id: trainee.sampleIds[0] }), {
    method: "DELETE",
    token: stranger.token,
    status: 404,
    code: "not_found",
  });
  assert.equal((await readModels(trainee)).promotedAdapterId, adapterId);
});
