/** Tests when an account is trained again by itself: at night, with enough new samples, once, and as it was last. */
import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/support/process/fake_clock.ts";
import { startServerApp } from "../../../tests/support/server/server_app.ts";
import {
  draftFor,
  pairTrainee,
  readModels,
  runningStatus,
  START,
  startJob,
  trainAdapter,
  type Trainee,
} from "../../../tests/support/server/trainee.ts";
import {
  JOHN,
  sendBatch,
  sendConversation,
  syncBatch,
  syncMessage,
} from "../../../tests/support/server/sync_batches.ts";
import { accountSettingsSchema } from "../../../contract/account.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { responseActionResponseSchema } from "../../../contract/responses.ts";
import { delay } from "../../../lib/backoff.ts";
import { createLogger } from "../../../lib/log.ts";
import { createMlClient } from "../../clients/ml.ts";
import { Announcements } from "../../store/jobs/announcements.ts";
import { isWithin, retrain } from "./retraining.ts";
import { createTrainingService } from "./training_service.ts";

const NIGHT = { from: 1, to: 5 };
const HOUR_MS = 3_600_000;

/** Three in the morning, local time, so many days from today: the rows of a test are as old as that. */
function nightIn(days: number): number {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 3).getTime();
}

/** Accepts drafts to that many new messages. */
async function acceptDrafts({ server, token }: Trainee, count: number): Promise<void> {
  const texts = Array.from({ length: count }, () => `Question ${crypto.randomUUID()}?`);
  const messages = await sendConversation({ server, token }, { lines: texts.map((text) => [JOHN, text]) });
  for (const message of messages.filter(({ text }) => texts.includes(text ?? ""))) {
    const { responseId } = await draftFor({ server, token }, message.id);
    await server.expect(pathOf(SERVER_PATHS.responseAction, { id: responseId }), {
      token,
      body: { action: "accept" },
      schema: responseActionResponseSchema,
    });
  }
}

/** Looks for accounts to train again, at a time, as a server that asks for two new samples does. */
async function retrainAt({ server }: Trainee, time: number, change: { isLeader?: boolean } = {}) {
  const { store, jobSync, ml } = server;
  const { isLeader } = change;
  await retrain({
    ...store,
    training: createTrainingService({
      ...store,
      jobSync,
      ml: createMlClient({ baseUrl: ml.url, token: null }),
      announcements: new Announcements(),
      onOutbox: () => {},
    }),
    log: createLogger({ write: (line) => server.logLines.push(line) }),
    clock: new FakeClock(time),
    newSamples: 2,
    hours: NIGHT,
    isLeader: isLeader === undefined ? undefined : () => Promise.resolve(isLeader),
  });
  return ml.started.length;
}

Deno.test("an account with enough new samples is trained again as it was last, on all of them", async () => {
  const trainee = await pairTrainee(await startServerApp());
  await using server = trainee.server;
  await trainAdapter(trainee, { epochs: 2, seed: 7 });
  await acceptDrafts(trainee, 2);
  assert.equal(await retrainAt(trainee, nightIn(2)), 2);
  const [first, again] = server.ml.started;
  assert.equal(again?.samples.length, 4);
  const settings = ({ base_model, epochs, learning_rate, method, seed }: NonNullable<typeof first>) => ({
    base_model,
    epochs,
    learning_rate,
    method,
    seed,
  });
  assert.ok(first && again);
  assert.deepEqual(settings(again), settings(first));
  assert.deepEqual([again.base_model, again.epochs, again.seed], [START.baseModel, 2, 7]);
  assert.equal((await readModels(trainee)).promotedAdapterId, null, "its owner promotes it");
});

Deno.test("what was sent in place of drafts is new as well, where the owner wants that", async () => {
  const trainee = await pairTrainee(await startServerApp());
  await using server = trainee.server;
  await trainAdapter(trainee);
  const { token } = trainee;
  for (const person of ["+15550101", "+15550102"]) {
    const place = { conversationImessageId: person, participantIds: [person] };
    const messages = await sendConversation(trainee, { lines: [[person, "Dinner?"]], ...place });
    await draftFor(trainee, messages[0]?.id ?? "");
    const reply = syncMessage({
      direction: "outgoing",
      senderId: null,
      text: "not in the mood",
      sentAt: new Date(Date.now() + 60_000).toISOString(),
    });
    await sendBatch(trainee, syncBatch([reply], place));
  }
  assert.equal(await retrainAt(trainee, nightIn(2)), 1, "it is off by default");
  const change = { method: "PUT", token, body: { learnFromSent: true }, schema: accountSettingsSchema };
  await server.expect(SERVER_PATHS.accountSettings, change);
  assert.equal(await retrainAt(trainee, nightIn(2)), 2);
  assert.equal(server.ml.started[1]?.samples.length, 4);
});

Deno.test("nothing is trained again by day, by a server that does not lead, or with too few new samples", async () => {
  const trainee = await pairTrainee(await startServerApp());
  await using _ = trainee.server;
  await trainAdapter(trainee);
  await acceptDrafts(trainee, 1);
  assert.equal(await retrainAt(trainee, nightIn(2)), 1, "one new sample of two");
  await acceptDrafts(trainee, 1);
  assert.equal(await retrainAt(trainee, nightIn(2) + 9 * HOUR_MS), 1, "noon");
  assert.equal(await retrainAt(trainee, nightIn(2), { isLeader: false }), 1);
  assert.equal(await retrainAt(trainee, nightIn(2), { isLeader: true }), 2);
});

Deno.test("an account is trained at most once a night, and again in the next after one that failed", async () => {
  const trainee = await pairTrainee(await startServerApp());
  await using server = trainee.server;
  await trainAdapter(trainee);
  await acceptDrafts(trainee, 2);
  const failed = await startJob(trainee);
  server.ml.reportTraining(runningStatus(failed.id, { status: "failed", error: "Out of memory" }));
  await server.reconciler.reconcile();
  assert.equal(await retrainAt(trainee, nightIn(0)), 2, "it was trained within the last twenty hours");
  assert.equal(await retrainAt(trainee, nightIn(2)), 3);
});

Deno.test("an account whose owner never trained it is left alone", async () => {
  const trainee = await pairTrainee(await startServerApp());
  await using _ = trainee.server;
  await acceptDrafts(trainee, 3);
  assert.equal(await retrainAt(trainee, nightIn(2)), 0);
});

Deno.test("a server with RETRAIN_AFTER trains again by itself, every night that has new samples", async () => {
  const clock = new FakeClock(nightIn(2));
  const settings = { RETRAIN_AFTER: "1", RETRAIN_HOURS: "0-24" };
  const trainee = await pairTrainee(await startServerApp({ clock, settings }));
  await using server = trainee.server;
  await trainAdapter(trainee);
  await acceptDrafts(trainee, 1);
  clock.advance(HOUR_MS / 4);
  while (server.ml.started.length < 2) await delay(5);
  assert.equal(server.ml.started[1]?.samples.length, 3);
});

Deno.test("a range of hours may pass midnight, and one that ends where it begins is the whole day", () => {
  const hours = (range: Parameters<typeof isWithin>[1]) =>
    Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => isWithin(hour, range));
  assert.deepEqual(hours({ from: 1, to: 5 }), [1, 2, 3, 4]);
  assert.deepEqual(hours({ from: 22, to: 2 }), [0, 1, 22, 23]);
  assert.equal(hours({ from: 0, to: 24 }).length, 24);
  assert.equal(hours({ from: 6, to: 6 }).length, 24);
});
