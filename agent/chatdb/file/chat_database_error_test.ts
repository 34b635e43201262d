// Checks how errors of node:sqlite are classified: some occur only on macOS, so they are built here.
import assert from "node:assert/strict";
import { asChatDatabaseError, ChatDatabaseError } from "./chat_database_error.ts";

function failureOf(errcode: number | undefined): string {
  const error = Object.assign(new Error("authorization denied"), { code: "ERR_SQLITE_ERROR", errcode });
  const known = asChatDatabaseError(error, "/chat.db");
  if (known === error) return "unknown";
  assert.ok(known instanceof ChatDatabaseError);
  assert.equal(known.cause, error);
  return known.code;
}

Deno.test("SQLite's refusals are distinguished by their primary code, whatever the extended one", () => {
  const expected: Record<string, number[]> = {
    permission_denied: [3, 8, 14, 23, 23 | 1 << 8, 8 | 1 << 8, 8 | 5 << 8, 14 | 2 << 8],
    locked: [5, 6, 5 | 1 << 8, 5 | 2 << 8],
    truncated: [11, 11 | 1 << 8],
    not_a_database: [26],
    unknown: [1, 7, 10, 21],
  };
  for (const [code, errcodes] of Object.entries(expected)) {
    for (const errcode of errcodes) assert.equal(failureOf(errcode), code, `code ${errcode}`);
  }
});

Deno.test("a refusal to open has no code and means missing access; an error of another kind is returned unchanged", () => {
  assert.equal(failureOf(undefined), "permission_denied");
  for (const other of [new RangeError("x"), "text", null]) {
    assert.equal(asChatDatabaseError(other, "/chat.db"), other);
  }
});
