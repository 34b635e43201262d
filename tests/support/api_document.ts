/** Checks what a program that is made from an OpenAPI document needs of each operation. */
import assert from "node:assert/strict";

interface Content {
  description?: string;
  content?: Record<string, { schema?: { $ref?: string } }>;
}

interface Operation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  requestBody?: Content;
  responses?: Record<string, Content>;
}

interface ApiDocument {
  servers?: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, { examples?: unknown[] }> };
}

/** The bodies and the good answers in JSON of these operations, which the document must have, come with an example. */
export function checkExamples({ paths, components }: ApiDocument, operationIds: readonly string[]): void {
  const operations = new Map(
    Object.values(paths).flatMap((methods) => Object.values(methods)).map((one) => [one.operationId, one]),
  );
  for (const id of operationIds) {
    const { requestBody, responses = {} } = operations.get(id) ?? assert.fail(`there is no operation ${id}`);
    const answers = Object.entries(responses).filter(([status]) => status.startsWith("2"));
    for (const part of [requestBody, ...answers.map(([, answer]) => answer)]) {
      const name = part?.content?.["application/json"]?.schema?.$ref?.split("/").at(-1);
      if (name !== undefined) assert.equal(components.schemas[name]?.examples?.length, 1, `${id}: ${name}`);
    }
  }
}

/** Every operation has a name of its own, a tag, and says what it does and what its answers mean. */
export function checkOperations({ servers, paths }: ApiDocument): void {
  assert.deepEqual(servers?.map(({ url }) => url), ["/"]);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ at: `${method} ${path}`, ...operation }))
  );
  assert.ok(operations.length > 0);
  for (const { at, operationId, tags, summary, responses = {} } of operations) {
    assert.match(operationId ?? "", /^[a-z]+([A-Z][A-Za-z]*)+$/, at);
    assert.equal(tags?.length, 1, at);
    assert.ok(summary, at);
    for (const [status, { description }] of Object.entries(responses)) {
      assert.ok(description, `${at} ${status}`);
    }
  }
  const ids = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length, "an operation's name is used twice");
}
