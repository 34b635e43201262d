/** Walks the API reference's own examples against a running pair of services: shapes, status codes, tokens. */
import assert from "node:assert/strict";
import { z } from "zod";
import { conversationListSchema, messageListSchema } from "../contract/conversations.ts";
import * as devices from "../contract/devices.ts";
import { errorBodySchema } from "../contract/errors.ts";
import { GOLDEN_EXAMPLES, type GoldenExample } from "./support/contract/golden.ts";
import * as ml from "../contract/ml.ts";
import * as mlTraining from "../contract/ml_training.ts";
import * as responses from "../contract/responses.ts";
import * as sync from "../contract/sync.ts";
import * as training from "../contract/training.ts";
import { type RunningServices, startServices } from "./support/server/running_services.ts";

/** What ml trains on: the model that it serves, which the reference's example names otherwise. */
const SERVED_MODEL = "tiny";

/** What earlier steps of the walk have learned. */
interface Walk {
  token: string;
  deviceId: string;
  code: string;
  conversationId: string;
  messageId: string;
  responseId: string;
  sampleIds: string[];
  trainingJobId: string;
  mlJobId: string;
}

interface Step {
  /** The example of the reference that this step sends. */
  example: string;
  status: number;
  schema: z.ZodType;
  /** The value of the path's `:id` or `:job_id`. */
  id?: (walk: Walk) => string;
  /** Replaces the example's placeholders. */
  request?: (walk: Walk, example: Record<string, unknown>) => unknown;
  learn?: (walk: Walk, answer: never) => void;
}

/** A step that takes what its answer says into the walk, typed by its schema. */
function step<Schema extends z.ZodType>(
  definition: Omit<Step, "schema" | "learn"> & {
    schema: Schema;
    learn?: (walk: Walk, answer: z.output<Schema>) => void;
  },
): Step {
  return definition as Step;
}

function draft(): Step {
  return step({
    example: "generate response",
    status: 200,
    schema: responses.generatedResponseSchema.extend({
      status: z.literal("completed"),
      response: z.string(),
      confidence: z.number(),
    }),
    request: (walk, example) => ({ ...example, messageId: walk.messageId }),
    learn: (walk, answer) => walk.responseId = answer.responseId,
  });
}

function act(example: string): Step {
  return step({
    example,
    status: 200,
    schema: responses.responseActionResponseSchema,
    id: (walk) => walk.responseId,
  });
}

const STEPS: Step[] = [
  step({
    example: "register device",
    status: 201,
    schema: devices.registerDeviceResponseSchema,
    learn: (walk, answer) => Object.assign(walk, { deviceId: answer.deviceId, code: answer.code }),
  }),
  step({
    example: "verify device",
    status: 200,
    schema: devices.verifyDeviceResponseSchema,
    request: (walk) => ({ deviceId: walk.deviceId, code: walk.code }),
    learn: (walk, answer) => walk.token = answer.token,
  }),
  step({ example: "list devices", status: 200, schema: devices.deviceListSchema }),
  step({
    example: "sync messages",
    status: 200,
    schema: sync.syncMessagesResponseSchema,
    learn: (_, answer) => assert.deepEqual([answer.inserted, answer.updated, answer.unchanged], [1, 0, 0]),
  }),
  step({ example: "sync contacts", status: 200, schema: sync.syncContactsResponseSchema }),
  step({
    example: "list conversations",
    status: 200,
    schema: conversationListSchema,
    learn: (walk, answer) => {
      assert.equal(answer.total, 1);
      walk.conversationId = answer.conversations[0]?.id ?? "";
    },
  }),
  step({
    example: "get conversation messages",
    status: 200,
    schema: messageListSchema,
    id: (walk) => walk.conversationId,
    learn: (walk, answer) => {
      assert.equal(answer.messages[0]?.text, "Hello!");
      walk.messageId = answer.messages[0]?.id ?? "";
    },
  }),
  draft(),
  act("accept response"),
  draft(),
  act("edit response"),
  draft(),
  act("reject response"),
  step({
    example: "list training samples",
    status: 200,
    schema: training.trainingSampleListSchema,
    learn: (walk, answer) => {
      assert.deepEqual(answer.samples.map((sample) => sample.source).toSorted(), [
        "accept",
        "edit",
        "reject",
      ]);
      walk.sampleIds = answer.samples.filter((sample) => sample.quality > 0).map((sample) => sample.id);
    },
  }),
  step({
    example: "start training job",
    status: 202,
    schema: training.trainingJobResponseSchema,
    request: (walk, example) => ({ ...example, baseModel: SERVED_MODEL, sampleIds: walk.sampleIds }),
    learn: (walk, answer) => walk.trainingJobId = answer.job.id,
  }),
  step({
    example: "get training job",
    status: 200,
    schema: training.trainingJobResponseSchema,
    id: (walk) => walk.trainingJobId,
  }),
  step({
    example: "cancel training job",
    status: 200,
    schema: training.trainingJobResponseSchema.refine(({ job }) => job.status === "cancelled"),
    id: (walk) => walk.trainingJobId,
  }),
  step({ example: "health", status: 200, schema: ml.healthResponseSchema }),
  step({ example: "generate", status: 200, schema: ml.generateResultSchema }),
  step({
    example: "generate async",
    status: 202,
    schema: ml.generateAsyncResponseSchema,
    learn: (walk, answer) => walk.mlJobId = answer.job_id,
  }),
  step({
    example: "generate status",
    status: 200,
    schema: ml.generateStatusResponseSchema,
    id: (walk) => walk.mlJobId,
  }),
  step({
    example: "ml start training",
    status: 202,
    schema: mlTraining.mlTrainingStatusSchema,
    request: (_, example) => ({ ...example, base_model: SERVED_MODEL }),
  }),
  step({
    example: "ml training status",
    status: 200,
    schema: mlTraining.mlTrainingStatusSchema,
    id: () => "custom-job-id",
  }),
  step({
    example: "ml cancel training",
    status: 200,
    schema: mlTraining.mlTrainingStatusSchema.refine(({ status }) => status === "cancelled"),
    id: () => "custom-job-id",
  }),
  step({ example: "reload model", status: 404, schema: errorBodySchema }),
  step({ example: "clear cache", status: 200, schema: ml.clearCacheResponseSchema }),
  step({
    example: "deactivate device",
    status: 200,
    schema: devices.deviceResponseSchema,
    id: (walk) => walk.deviceId,
  }),
];

function exampleNamed(name: string): GoldenExample {
  const example = GOLDEN_EXAMPLES.find((candidate) => candidate.name === name);
  assert.ok(example, `no example named ${name}`);
  return example;
}

function send(
  services: RunningServices,
  example: GoldenExample,
  options: { id?: string; body?: unknown; token?: string },
): Promise<Response> {
  const path = example.path.replace(/:id|:job_id/, options.id ?? "");
  return fetch(services[example.service].url + path, {
    method: example.method,
    headers: {
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
    },
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
  });
}

async function takeStep(
  services: RunningServices,
  walk: Walk,
  { example: name, ...rest }: Step,
): Promise<void> {
  const example = exampleNamed(name);
  const request = example.request as Record<string, unknown> | undefined;
  const body = rest.request && request ? rest.request(walk, request) : request;
  const id = rest.id?.(walk);
  if (example.authorized) {
    const refused = await send(services, example, { id, body });
    assert.equal(refused.status, 401, `${name} without a token`);
    errorBodySchema.parse(await refused.json());
  }
  const response = await send(services, example, {
    id,
    body,
    token: example.authorized ? walk.token : undefined,
  });
  const answer = await response.json();
  assert.equal(response.status, rest.status, `${name}: ${JSON.stringify(answer)}`);
  rest.learn?.(walk, rest.schema.parse(answer) as never);
}

/** The service's own document must hold every path of the reference. */
async function checkOpenApi(services: RunningServices, service: "server" | "ml"): Promise<void> {
  const document = await (await fetch(`${services[service].url}/openapi.json`)).json();
  for (const { path, method } of GOLDEN_EXAMPLES.filter((example) => example.service === service)) {
    const template = (path.split("?")[0] ?? "").replace(/:(\w+)/g, "{$1}");
    assert.ok(document.paths[template]?.[method.toLowerCase()], `${method} ${template}`);
  }
}

/** The result of the background generation, once it is there. */
async function checkAsyncResult(services: RunningServices, walk: Walk): Promise<void> {
  const url = `${services.ml.url}/generate/status/${walk.mlJobId}`;
  let job: ml.GenerateStatusResponse;
  do {
    job = ml.generateStatusResponseSchema.parse(await (await fetch(url)).json());
  } while (job.status === "queued" || job.status === "running");
  assert.equal(job.status, "completed");
  assert.equal(job.result?.model_version, "tiny");
  assert.ok(job.completed_at !== null);
}

Deno.test("every endpoint of the API reference answers as documented on running services", async (t) => {
  assert.deepEqual(
    new Set(STEPS.map((taken) => taken.example)),
    new Set(GOLDEN_EXAMPLES.map((example) => example.name)),
  );
  await using services = await startServices();
  for (const service of ["server", "ml"] as const) {
    await t.step(`the OpenAPI document of ${service}`, () => checkOpenApi(services, service));
  }
  const walk = { sampleIds: [] as string[] } as Walk;
  for (const next of STEPS) {
    const passed = await t.step(next.example, async () => {
      await takeStep(services, walk, next);
      if (next.example === "generate status") await checkAsyncResult(services, walk);
    });
    if (!passed) break;
  }
  await t.step("the deactivated device is refused at once", async () => {
    const refused = await send(services, exampleNamed("list devices"), { token: walk.token });
    assert.equal(refused.status, 403);
    assert.equal(errorBodySchema.parse(await refused.json()).code, "device_deactivated");
  });
});
