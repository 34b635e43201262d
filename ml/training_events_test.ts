/** Tests the streams of a training job's statuses: how faults are reported, and the limit of readers per job. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { errorBodySchema } from "../contract/errors.ts";
import { assertError, eventsOf } from "../tests/support/ml/ml_service.ts";
import { completed, follow, start, trainingTest } from "../tests/support/training/training_client.ts";
import { STATUS_FILE } from "./training/job/job_folders.ts";

trainingTest(
  "a damaged status is skipped by those who follow, and the log quotes nothing of it",
  async (service) => {
    await start(service);
    await completed(service, "job-1");
    const path = join(service.dir, "training", "job-1", STATUS_FILE);
    const reported = (await Deno.readTextFile(path)).split("\n").slice(0, 2);
    await Deno.writeTextFile(path, `${reported.join("\n")}\nwords of a person\n`);
    const events = eventsOf(await (await service.request("/training/events/job-1")).text());
    assert.deepEqual(events.map(({ event }) => event), ["status", "status", "status"]);
    assert.doesNotMatch(service.logLines.join("\n"), /words|person/);
  },
);

trainingTest("a fault while statuses are streamed is the stream's last event", async (service) => {
  await start(service);
  await completed(service, "job-1");
  const path = join(service.dir, "training", "job-1", STATUS_FILE);
  await Deno.remove(path);
  await Deno.mkdir(path);
  const response = await service.request("/training/events/job-1");
  const events = eventsOf(await response.text());
  assert.deepEqual(events.map(({ event }) => event), ["error"]);
  const { code, requestId } = errorBodySchema.parse(events.at(-1)?.data);
  assert.deepEqual([code, requestId], ["internal", response.headers.get("x-request-id")]);
  assert.ok(service.logLines.some((text) => text.includes("a stream of events broke")));
});

trainingTest(
  "each job has a limited number of readers at a time; one that leaves makes room",
  async (service) => {
    const ask = (jobId: string) => service.request(`/training/events/${jobId}`);
    for (const jobId of ["one", "two"]) await start(service, { job_id: jobId, epochs: 50 });
    const streams = await Promise.all(Array.from({ length: 32 }, () => ask("one")));
    assert.ok(streams.every(({ status }) => status === 200));
    const refused = await ask("one");
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    assert.match(await assertError(refused, "429 too_many_requests"), /^32 streams of events are open/);
    streams.push(await ask("two"));
    assert.equal(streams.at(-1)?.status, 200, "another job's readers have places of their own");
    await streams[0]?.body?.cancel();
    streams.push(await ask("one"));
    assert.equal(streams.at(-1)?.status, 200);
    for (const { body } of streams.slice(1)) await body?.cancel();
    for (const jobId of ["two", "one"]) {
      await service.post(`/training/cancel/${jobId}`, {});
      assert.equal((await follow(service, jobId)).at(-1)?.status.status, "cancelled");
    }
  },
);
