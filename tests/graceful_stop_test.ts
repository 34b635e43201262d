/** Tests SIGTERM on real processes while an event stream and an upload are open: both end in order, and the exit is 0. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { ML_PATHS, pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { trainingJobResponseSchema } from "../contract/training.ts";
import { z } from "../deps.ts";
import { withDeadline } from "../lib/async.ts";
import { createClient } from "../lib/http/client.ts";
import type { ServiceProcess } from "../tools/service_process.ts";
import { MlServer } from "./support/ml/ml_server.ts";
import { pairDevice } from "./support/server/owner_client.ts";
import { startServer, startServices } from "./support/server/running_services.ts";
import { syncBatch, syncMessage } from "./support/server/sync_batches.ts";
import { requestOf, SAMPLES } from "./support/training/training_client.ts";

/** Longer than a service gives its requests (10 s) and its background jobs (3 s). */
const EXIT_DEADLINE_MS = 30_000;

interface Upload {
  readonly path: string;
  readonly body: string;
  readonly token?: string;
}

interface HalfUpload {
  /** Sends the other half. */
  finish(): void;
  /** All that was answered, once the connection is closed. */
  readonly answer: Promise<string>;
}

/** Sends a request with half of its body, and waits until the service reads it. */
async function beginUpload({ url }: ServiceProcess, { path, body, token }: Upload): Promise<HalfUpload> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const reading = Promise.withResolvers<void>();
  const half = Math.floor(body.length / 2);
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    // The service answers this once it has the head.
    "Expect: 100-continue",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
  ];
  let answer = "";
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("data", (bytes) => {
    answer += bytes;
    if (answer.startsWith("HTTP/1.1 100 ")) reading.resolve();
  }).on("error", () => {}).on("close", () => resolve(answer));
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  await reading.promise;
  socket.write(body.slice(0, half));
  return { finish: () => void socket.write(body.slice(half)), answer: promise };
}

/** Opens a stream of events and reads the first of them. */
async function openEvents(url: string, token?: string): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const headers: HeadersInit = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers });
  assert.equal(response.status, 200);
  const reader = response.body?.getReader();
  assert.ok(reader);
  assert.equal((await reader.read()).done, false);
  return reader;
}

async function endOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

/** Sends SIGTERM; the stream must end before the upload goes on, and the process ends with 0. */
async function stopGracefully(
  service: ServiceProcess,
  { reader, upload, finishes }: {
    reader: ReadableStreamDefaultReader<Uint8Array>;
    upload: HalfUpload;
    finishes: boolean;
  },
): Promise<string> {
  Deno.kill(service.pid, "SIGTERM");
  await endOf(reader);
  if (finishes) upload.finish();
  const answer = await upload.answer;
  assert.ok(await withDeadline(service.ended, EXIT_DEADLINE_MS), "the service did not end");
  assert.equal((await service.ended).code, 0);
  return answer;
}

for (const finishes of [true, false]) {
  const outcome = finishes ? "is finished" : "that does not go on is given up";

  Deno.test(`the server at SIGTERM: event streams end, an upload ${outcome}, exit 0`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "graceful-" });
    try {
      await using ml = await MlServer.start();
      await using running = await startServer({ dir, mlUrl: ml.url, env: { PAIRING: "open" } });
      const { server } = running;
      const token = await pairDevice(server.url);
      const client = createClient({ baseUrl: server.url, token: () => token });
      const post = <Schema extends z.ZodType>(path: string, body: unknown, schema: Schema) =>
        client.request("POST", path, { body, schema });
      const reply = syncMessage({ direction: "outgoing", text: "hi", sentAt: "2024-01-01T12:01:00Z" });
      await post(SERVER_PATHS.syncMessages, syncBatch([syncMessage(), reply]), z.unknown());
      await post(SERVER_PATHS.importTrainingSamples, {}, z.unknown());
      const started = { baseModel: "test-model" };
      const { job } = await post(SERVER_PATHS.startTraining, started, trainingJobResponseSchema);
      const path = pathOf(SERVER_PATHS.trainingJobEvents, { id: job.id });
      const reader = await openEvents(server.url + path, token);
      const body = JSON.stringify(syncBatch([syncMessage()]));
      const upload = await beginUpload(server, { path: SERVER_PATHS.syncMessages, body, token });
      const answer = await stopGracefully(server, { reader, upload, finishes });
      if (finishes) assert.match(answer, /HTTP\/1\.1 200 [^]*"inserted":1/);
      else assert.doesNotMatch(answer, /HTTP\/1\.1 200 /);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });

  Deno.test(`ml at SIGTERM: event streams end, an upload ${outcome}, exit 0`, async () => {
    await using services = await startServices();
    const { ml } = services;
    const request = requestOf({ samples: SAMPLES, batch_size: 1, epochs: 100 });
    const client = createClient({ baseUrl: ml.url });
    await client.request("POST", ML_PATHS.startTraining, { body: request, schema: z.unknown() });
    const events = pathOf(ML_PATHS.trainingEvents, { job_id: "job-1" });
    const reader = await openEvents(ml.url + events);
    const body = JSON.stringify({ prompt: "Them: hi\nMe:", max_tokens: 4 });
    const upload = await beginUpload(ml, { path: ML_PATHS.generate, body });
    const answer = await stopGracefully(ml, { reader, upload, finishes });
    if (finishes) assert.match(answer, /HTTP\/1\.1 (?:200|503) /);
    else assert.doesNotMatch(answer, /HTTP\/1\.1 200 /);
  });
}
