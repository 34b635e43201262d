/** Tests the schemas against the API reference's own examples. */
import assert from "node:assert/strict";
import type { z } from "zod";
import * as devices from "./devices.ts";
import * as conversations from "./conversations.ts";
import { errorBodySchema } from "./errors.ts";
import { GOLDEN_ERROR, GOLDEN_EXAMPLES, type GoldenExample } from "../tests/support/contract/golden.ts";
import * as ml from "./ml.ts";
import * as mlTraining from "./ml_training.ts";
import * as responses from "./responses.ts";
import * as sync from "./sync.ts";
import * as training from "./training.ts";

interface ExampleSchemas {
  request?: z.ZodType;
  response?: z.ZodType;
}

const SCHEMAS: Record<string, ExampleSchemas> = {
  "register device": {
    request: devices.registerDeviceRequestSchema,
    response: devices.registerDeviceResponseSchema,
  },
  "verify device": {
    request: devices.verifyDeviceRequestSchema,
    response: devices.verifyDeviceResponseSchema,
  },
  "sync messages": { request: sync.syncMessagesRequestSchema },
  "sync contacts": { request: sync.syncContactsRequestSchema },
  "list conversations": { response: conversations.conversationListSchema },
  "generate response": {
    request: responses.generateResponseRequestSchema,
    response: responses.generatedResponseSchema,
  },
  "accept response": { request: responses.responseActionRequestSchema },
  "edit response": { request: responses.responseActionRequestSchema },
  "reject response": { request: responses.responseActionRequestSchema },
  "start training job": { request: training.startTrainingRequestSchema },
  "get training job": { response: training.trainingJobResponseSchema },
  "health": { response: ml.healthResponseSchema },
  "generate": { request: ml.generateRequestSchema, response: ml.generateResultSchema },
  "generate async": { request: ml.generateRequestSchema, response: ml.generateAsyncResponseSchema },
  "generate status": { response: ml.generateStatusResponseSchema },
  "ml start training": { request: mlTraining.mlStartTrainingRequestSchema },
  "clear cache": { response: ml.clearCacheResponseSchema },
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The example with this product's own fields added, level by level. */
function withAdditions(example: unknown, additions: unknown): unknown {
  if (!isRecord(example) || !isRecord(additions)) return example ?? additions;
  const merged: Record<string, unknown> = { ...additions, ...example };
  for (const key of Object.keys(additions)) {
    if (key in example) merged[key] = withAdditions(example[key], additions[key]);
  }
  return merged;
}

function assertIncluded(example: unknown, parsed: unknown, path: string): void {
  if (!isRecord(example)) return assert.deepEqual(parsed, example, path);
  assert.ok(isRecord(parsed), path);
  for (const [key, value] of Object.entries(example)) assertIncluded(value, parsed[key], `${path}.${key}`);
}

function checkExample(example: GoldenExample): void {
  const schemas = SCHEMAS[example.name] ?? {};
  for (const side of ["request", "response"] as const) {
    if (example[side] === undefined) continue;
    const schema = schemas[side];
    assert.ok(schema, `${example.name} has a ${side} and needs a schema`);
    const complete = side === "response"
      ? withAdditions(example.response, example.additions)
      : example.request;
    assertIncluded(example[side], schema.parse(complete), `${example.name} ${side}`);
  }
}

for (const example of GOLDEN_EXAMPLES) {
  if (example.request === undefined && example.response === undefined) continue;
  Deno.test(`the reference's example "${example.name}" fits its schemas and keeps every field`, () => {
    checkExample(example);
  });
}

Deno.test("the reference's error body fits the error schema", () => {
  const complete = withAdditions(GOLDEN_ERROR.response, GOLDEN_ERROR.additions);
  assertIncluded(GOLDEN_ERROR.response, errorBodySchema.parse(complete), "error");
});
