/** Checks what a program that is made from an OpenAPI document needs of each operation. */
import assert from "node:assert/strict";

interface Operation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  responses?: Record<string, { description?: string }>;
}

interface ApiDocument {
  servers?: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
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
