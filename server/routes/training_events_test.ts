/** Tests a training job's events: ml's, passed to the account's own devices until the job has ended. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { trainingJobResponseSchema } from "../../contract/training.ts";
import { errorBodySchema } from "../../contract/errors.ts";
import { textLinesOf } from "../../lib/async.ts";
import { serveApp } from "../../tests/support/server/served_app.ts";
import {
  completedStatus,
  type Job,
  pairTrainee,
  readJob,
  readModels,
  runningStatus,
  startJob,
  startWithSamples,
  type Trainee,
} from "../../tests/support/server/trainee.ts";

interface Events extends AsyncDisposable {
  /** The id of the latest event that had one. */
  readonly lastId: string | null;
  /** The job of the next event, or null once the stream has ended. */
  next(): Promise<Job | null>;
}

async function open({ server, token }: Trainee, jobId: string, lastEventId?: string): Promise<Events> {
  const path = pathOf(SERVER_PATHS.trainingJobEvents, { id: jobId });
  const headers: Record<string, string> = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const response = await server.request(path, { token, headers });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  assert.ok(response.body);
  const lines = textLinesOf(response.body);
  let lastId: string | null = null;
  return {
    get lastId() {
      return lastId;
    },
    async next() {
      let job: Job | null = null;
      for (let line = await lines.next(); !line.done; line = await lines.next()) {
        const [, field, value = ""] = /^(id|data): (.*)$/.exec(line.value) ?? [];
        if (field === "id") lastId = value;
        if (field === "data") job = trainingJobResponseSchema.parse(JSON.parse(value)).job;
        if (line.value === "" && job !== null) return job;
      }
      return null;
    },
    [Symbol.asyncDispose]: async () => void await lines.return(undefined),
  };
}

Deno.test("events carry the job now, each change, and its end, after which the adapter is there", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  await using events = await open(trainee, id);
  assert.equal((await events.next())?.status, "queued");
  assert.equal((await events.next())?.status, "queued", "ml's own first event");
  for (const step of [9, 10, 11]) {
    server.ml.reportTraining(runningStatus(id, { step, progress: step * 5 }));
    const job = await events.next();
    assert.deepEqual([job?.status, job?.progress, job?.metrics?.step], ["training", step * 5, step]);
    assert.notEqual(job?.startedAt, null);
  }
  server.ml.reportTraining(completedStatus(id));
  const ended = await events.next();
  assert.deepEqual([ended?.status, ended?.metrics?.result?.adapterId], ["completed", `adapter-${id}`]);
  assert.equal((await readModels(trainee)).adapters[0]?.id, `adapter-${id}`);
  assert.equal(await events.next(), null);
});

Deno.test("a late reader gets all events, or those after the last event it has seen", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  for (const step of [9, 10]) server.ml.reportTraining(runningStatus(id, { step }));
  await using early = await open(trainee, id);
  const now = await early.next();
  assert.deepEqual([now?.status, now?.metrics?.step, early.lastId], ["training", 10, null]);
  const course: unknown[] = [];
  for (const _ of [1, 2, 3]) course.push([(await early.next())?.metrics?.step, early.lastId]);
  assert.deepEqual(course, [[undefined, "1"], [9, "2"], [10, "3"]]);
  assert.equal((await readJob(trainee, id)).status, "training", "a repeated event changes nothing");
  server.ml.reportTraining(completedStatus(id));
  await using late = await open(trainee, id, "2");
  assert.equal((await late.next())?.status, "completed");
  const rest = [await late.next(), await late.next(), await late.next()];
  assert.deepEqual(
    rest.map((job) => job && [job.status, job.metrics?.step, job.finishedAt === null]),
    [["training", 10, true], ["completed", 20, false], null],
  );
  assert.equal((await readModels(trainee)).adapters.length, 1);
});

Deno.test("the last event of a job that has ended and that ml no longer knows is its end", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.reportTraining(completedStatus(id));
  await server.reconciler.reconcile();
  server.ml.trainingJobs.clear();
  await using events = await open(trainee, id);
  assert.equal((await events.next())?.status, "completed");
  assert.equal(await events.next(), null);
});

Deno.test("events resume where they broke off when ml comes back, and end when it has lost the job", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  await using events = await open(trainee, id);
  await events.next();
  await events.next();
  await server.ml.goDown();
  server.ml.reportTraining(runningStatus(id, { step: 12 }));
  await server.ml.comeBack();
  assert.equal((await events.next())?.metrics?.step, 12);
  await server.ml.goDown();
  server.ml.trainingJobs.clear();
  await server.ml.comeBack();
  const ended = await events.next();
  assert.deepEqual([ended?.status, ended?.error], [
    "failed",
    "The ml service does not know this job any more",
  ]);
  assert.equal(await events.next(), null);
});

Deno.test("when the reader goes, ml is not listened to any longer", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  {
    await using events = await open(trainee, id);
    await events.next();
    await events.next();
    assert.equal(server.ml.watchersOf(id), 1);
  }
  await server.ml.unwatched(id);
  assert.equal(server.ml.watchersOf(id), 0);
});

Deno.test("the events of a device end when it is shut out", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  await using events = await open(trainee, id);
  await events.next();
  await events.next();
  const { token } = trainee;
  const { device } = await (await server.request(SERVER_PATHS.currentDevice, { token })).json();
  const path = pathOf(SERVER_PATHS.deactivateDevice, { id: device.id });
  assert.equal((await server.request(path, { method: "POST", token })).status, 200);
  assert.equal(await events.next(), null);
});

Deno.test("an account gets no events of another account's job", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  const { token } = await server.pair();
  await server.refuse(pathOf(SERVER_PATHS.trainingJobEvents, { id }), {
    token,
    status: 404,
    code: "not_found",
  });
  assert.equal(server.ml.watchersOf(id), 0);
});

const LIMIT = 16;

/** Asks for a job's events until there is a place. */
async function untilOpen(ask: () => Promise<Response>): Promise<Response> {
  let response = await ask();
  while (response.status === 429) {
    await response.body?.cancel();
    response = await ask();
  }
  return response;
}

Deno.test("an account holds so many streams open at a time; whoever closes one makes room, and others are not in its way", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  const other = await pairTrainee(server);
  const { id: theirs } = await startJob(other);
  await using streams = new AsyncDisposableStack();
  const opened = await Promise.all(Array.from({ length: LIMIT }, () => open(trainee, id)));
  for (const events of opened) assert.equal((await streams.use(events).next())?.id, id);
  const path = pathOf(SERVER_PATHS.trainingJobEvents, { id });
  const ask = () => server.request(path, { token: trainee.token });
  const refused = await ask();
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  const { code, message } = errorBodySchema.parse(await refused.json());
  assert.deepEqual([refused.status, code], [429, "too_many_requests"]);
  assert.match(message, /^16 streams of events are open already/);
  assert.equal((await streams.use(await open(other, theirs)).next())?.id, theirs);
  await opened[0]?.[Symbol.asyncDispose]();
  const again = await ask();
  assert.equal(again.status, 200);
  assert.equal((await ask()).status, 429);
  await again.body?.cancel();
});

Deno.test("streams that are refused or end by themselves take no place", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.reportTraining(completedStatus(id));
  const path = pathOf(SERVER_PATHS.trainingJobEvents, { id });
  const unknown = pathOf(SERVER_PATHS.trainingJobEvents, { id: crypto.randomUUID() });
  for (let count = 0; count <= LIMIT; count++) {
    const { token } = trainee;
    await server.refuse(unknown, { token, status: 404, code: "not_found" });
    const response = await server.request(path, { token });
    assert.equal(response.status, 200);
    await response.text();
  }
});

Deno.test("a reader that vanishes without a word makes room", async () => {
  await using served = await serveApp();
  const trainee = await pairTrainee(served.app);
  const { id } = await startJob(trainee);
  const path = pathOf(SERVER_PATHS.trainingJobEvents, { id });
  const { hostname, port } = new URL(served.url);
  const connections = await Promise.all(Array.from({ length: LIMIT }, async () => {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const head =
      `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${trainee.token}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    await connection.read(new Uint8Array(1_024));
    return connection;
  }));
  const headers = { authorization: `Bearer ${trainee.token}` };
  const ask = () => fetch(served.url + path, { headers });
  const refused = await ask();
  assert.equal(refused.status, 429);
  await refused.body?.cancel();
  connections[0]?.close();
  const response = await untilOpen(ask);
  assert.equal(response.status, 200);
  await response.body?.cancel();
  for (const connection of connections.slice(1)) connection.close();
});
