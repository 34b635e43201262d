/** Drives training over HTTP in tests: starts jobs that train in a second, follows them, and looks at what they leave. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type AdapterInfo, modelListSchema } from "../../../contract/ml.ts";
import {
  type MlStartTrainingRequest,
  type MlTrainingStatus,
  mlTrainingStatusSchema,
} from "../../../contract/ml_training.ts";
import {
  assertError,
  eventsOf,
  type MlService,
  type MlServiceOptions,
  withMlService,
} from "../ml/ml_service.ts";
import { withTinyEngine } from "../ml/tiny_gguf_engine.ts";
import { FIGURES } from "../../../ml/training/job/job_folders.ts";
import { inventedSamples } from "./training_folder.ts";

export const SAMPLES = inventedSamples(30).map(({ input, output, quality, rejected }) => ({
  input,
  output,
  quality,
  rejected: rejected ?? undefined,
}));

export type TrainingChanges = Partial<Omit<MlStartTrainingRequest, "samples">> & { samples?: unknown };

export function requestOf(changes: TrainingChanges = {}): Record<string, unknown> {
  return {
    job_id: "job-1",
    base_model: "tiny",
    samples: SAMPLES,
    epochs: 2,
    learning_rate: 5e-3,
    seed: 7,
    batch_size: 8,
    lora: { rank: 4 },
    ...changes,
  };
}

/** A test of the app on llama.cpp with the tiny model loaded. */
export function trainingTest(
  name: string,
  use: (service: MlService) => Promise<void>,
  options: Pick<MlServiceOptions, "adaptersLimitBytes" | "queuedLimitBytes"> = {},
): void {
  Deno.test(name, () =>
    withTinyEngine({}, ({ engine, dir }) => {
      return withMlService({ ...options, engine, dir }, async (service) => {
        await service.models.start();
        await use(service);
      });
    }));
}

export async function statusIn(response: Response, expected = 200): Promise<MlTrainingStatus> {
  const body = await response.json();
  assert.equal(response.status, expected, JSON.stringify(body));
  return mlTrainingStatusSchema.parse(body);
}

export async function start(
  { post }: Pick<MlService, "post">,
  changes: TrainingChanges = {},
): Promise<MlTrainingStatus> {
  return await statusIn(await post("/training/start", requestOf(changes)), 202);
}

export interface StatusEvent {
  id: number;
  status: MlTrainingStatus;
}

/** Follows a job until it ends or `at` returns true. */
export async function followUntil(
  { request }: MlService,
  jobId: string,
  options: { at: (status: MlTrainingStatus) => boolean },
): Promise<MlTrainingStatus | undefined> {
  const response = await request(`/training/events/${jobId}`);
  const decoder = new TextDecoder();
  let [text, read] = ["", 0];
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    const end = text.lastIndexOf("\n\n");
    const events = end > read ? eventsOf(text.slice(read, end)) : [];
    read = Math.max(read, end);
    const found = events.map(({ data }) => mlTrainingStatusSchema.parse(data)).find(options.at);
    // Leaving the loop ends the stream, as a reader that goes away does.
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Follows a job to its end. */
export async function follow(
  { request }: Pick<MlService, "request">,
  jobId: string,
  { after }: { after?: number } = {},
): Promise<StatusEvent[]> {
  const headers: HeadersInit = after === undefined ? {} : { "last-event-id": String(after) };
  const response = await request(`/training/events/${jobId}`, { headers });
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  return eventsOf(await response.text()).map(({ event, id, data }) => {
    assert.equal(event, "status");
    return { id: Number(id), status: mlTrainingStatusSchema.parse(data) };
  });
}

export async function adaptersOf({ request }: MlService): Promise<AdapterInfo[]> {
  return modelListSchema.parse(await (await request("/models")).json()).adapters;
}

/** What is left in a job's folder, which is private to its user. */
export async function leftOf({ dir }: MlService, jobId: string): Promise<string[]> {
  const folder = join(dir, "training", jobId);
  for (const path of [folder, join(dir, "training")]) {
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o700, path);
  }
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

/** Follows a job that is expected to succeed. */
export async function completed(
  service: Pick<MlService, "request">,
  jobId: string,
): Promise<MlTrainingStatus> {
  const last = (await follow(service, jobId)).at(-1)?.status;
  assert.ok(last?.status === "completed", last?.error ?? last?.status ?? "");
  return last;
}

/** Follows a job that is expected to fail. @returns its sentence */
export async function failed(service: MlService, jobId: string): Promise<string> {
  const last = (await follow(service, jobId)).at(-1)?.status;
  assert.equal(last?.status, "failed");
  return last.error ?? "";
}

/** Nothing of a job is left but figures: no messages, no weights. */
export async function assertFiguresOnly(service: MlService, jobId: string): Promise<void> {
  const left = await leftOf(service, jobId);
  assert.ok(left.every((name) => FIGURES.includes(name)), left.join(" "));
}

/** How a job that ended without success should look: no adapter, no messages, and the next job runs. */
export async function assertCleanEnd(service: MlService, jobId: string): Promise<void> {
  await assertFiguresOnly(service, jobId);
  assert.deepEqual(await adaptersOf(service), []);
  await assertError(await service.post(`/training/cancel/${jobId}`, {}), "409 conflict");
  await assertError(await service.post("/training/start", requestOf({ job_id: jobId })), "409 job_exists");
}
