/** Tests that each kind of failure puts the agent into its own phase, with a stable code and a sentence. */
import assert from "node:assert/strict";
import type { ErrorCode } from "../../contract/errors.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";
import { ApiError, errorBodyOf, UserError } from "../../lib/errors.ts";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import { NotPairedError } from "../pairing/pairing.ts";
import { syncFailureOf } from "./sync_failure.ts";

const URL = "http://127.0.0.1:3100";

function remoteError(code: ErrorCode, retryAfterMs: number | null = null): RemoteError {
  return new RemoteError(errorBodyOf(new ApiError(code, "refused"), "request-1"), retryAfterMs);
}

const CASES: [name: string, error: unknown, phase: string, code: string][] = [
  [
    "nobody listens",
    new UnreachableError("Nobody listens there"),
    "server_unreachable",
    "server_unreachable",
  ],
  ["a busy server", remoteError("too_many_requests"), "server_unreachable", "server_busy"],
  ["a server without its database", remoteError("database_unavailable"), "server_unreachable", "server_busy"],
  ["a server that failed", remoteError("internal"), "server_unreachable", "server_failed"],
  ["an expired token", remoteError("token_expired"), "pairing_ended", "token_expired"],
  ["a device that was shut out", remoteError("device_deactivated"), "pairing_ended", "device_deactivated"],
  ["no pairing", new NotPairedError("run `agent pair` first"), "pairing_ended", "not_paired"],
  [
    "no permission",
    new ChatDatabaseError("permission_denied", "/x"),
    "database_unreadable",
    "permission_denied",
  ],
  ["a locked database", new ChatDatabaseError("locked", "/x"), "database_unreadable", "locked"],
  ["a request that was refused", remoteError("validation_failed"), "failed", "validation_failed"],
  ["a full disk", new UserError("Cannot write"), "failed", "failed"],
];

for (const [name, error, phase, code] of CASES) {
  Deno.test(`${name}: ${phase}, ${code}`, () => {
    const failure = syncFailureOf(error, URL);
    assert.deepEqual([failure.phase, failure.code], [phase, code]);
    assert.ok(failure.message.length > 5);
  });
}

Deno.test("the pause that a server asks for is passed on", () => {
  assert.equal(syncFailureOf(remoteError("queue_full", 30_000), URL).retryAfterMs, 30_000);
});

Deno.test("an unexpected error is shown without its own words, which may quote anything", () => {
  const { phase, code, message } = syncFailureOf(new Error("near 'a private message'"), URL);
  assert.deepEqual([phase, code], ["failed", "unexpected"]);
  assert.ok(!message.includes("private"));
});
