/** Tests that each example of the API documents is what its schema takes, field by field. */
import assert from "node:assert/strict";
import * as z from "zod";
import * as conversations from "./conversations.ts";
import * as devices from "./devices.ts";
import { API_EXAMPLES } from "./examples.ts";
import * as ml from "./ml.ts";
import * as mlTraining from "./ml_training.ts";
import * as responses from "./responses.ts";
import * as search from "./search.ts";
import * as sync from "./sync.ts";
import * as training from "./training.ts";

const MODULES = [conversations, devices, ml, mlTraining, responses, search, sync, training];

const schemas = new Map(
  MODULES.flatMap((module) => Object.values(module))
    .filter((value) => value instanceof z.ZodType)
    .map((schema) => [schema.meta()?.id, schema]),
);

for (const [name, example] of Object.entries(API_EXAMPLES)) {
  Deno.test(`the example of ${name} fits its schema and keeps every field`, () => {
    const schema = schemas.get(name);
    assert.ok(schema, `a schema is named ${name}`);
    // Fields that have a default and are not in the example are added.
    assert.partialDeepStrictEqual(schema.parse(example), example);
  });
}
