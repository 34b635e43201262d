/** Tests the borders of the schemas: what they refuse, and that they name the path of the fault. */
import assert from "node:assert/strict";
import type { z } from "zod";
import { registerDeviceRequestSchema, verifyDeviceRequestSchema } from "./devices.ts";
import { modelIdSchema } from "./generation.ts";
import { pageQuerySchema } from "./paging.ts";
import { pathOf, SERVER_PATHS } from "./paths.ts";
import { responseActionRequestSchema } from "./responses.ts";
import { MAX_TEXT_LENGTH } from "./scalars.ts";
import { syncContactsRequestSchema, syncMessagesRequestSchema } from "./sync.ts";

function pathsOf(schema: z.ZodType, input: unknown): string[] {
  const result = schema.safeParse(input);
  assert.equal(result.success, false, `accepted ${JSON.stringify(input)?.slice(0, 200)}`);
  return (result.error?.issues ?? []).map((issue) => issue.path.join("."));
}

function batchWith(message: Record<string, unknown>): unknown {
  const fine = { imessageGuid: "g", direction: "incoming", sentAt: "2024-01-01T12:00:00Z", text: "hi" };
  return {
    conversationImessageId: "c",
    isGroup: false,
    participantIds: [],
    messages: [fine, { ...fine, ...message }],
  };
}

const FAULTY_MESSAGES: [string, Record<string, unknown>, string][] = [
  ["NUL in a text", { text: "a\0b" }, "messages.1.text"],
  ["a lone surrogate", { text: "a\ud800" }, "messages.1.text"],
  ["an unknown direction", { direction: "sideways" }, "messages.1.direction"],
  ["an unknown message type", { messageType: "hologram" }, "messages.1.messageType"],
  ["a time without a zone", { sentAt: "2024-01-01T12:00:00" }, "messages.1.sentAt"],
  ["a read time without a zone", { readAt: "2024-01-01T12:00:00" }, "messages.1.readAt"],
  ["a delivery time that is a number", { deliveredAt: 5 }, "messages.1.deliveredAt"],
  ["a time before the year 1", { sentAt: "0000-06-01T12:00:00Z" }, "messages.1.sentAt"],
  ["a time after the year 9999", { sentAt: "9999-12-31T23:00:00-05:00" }, "messages.1.sentAt"],
  ["a number as text", { text: 5 }, "messages.1.text"],
  ["an empty guid", { imessageGuid: "" }, "messages.1.imessageGuid"],
  ["a text over the limit", { text: "x".repeat(MAX_TEXT_LENGTH + 1) }, "messages.1.text"],
];

for (const [what, message, path] of FAULTY_MESSAGES) {
  Deno.test(`a batch with ${what} is refused at ${path}`, () => {
    assert.deepEqual(pathsOf(syncMessagesRequestSchema, batchWith(message)), [path]);
  });
}

Deno.test("empty texts, missing texts and texts of 100 kB are messages too", () => {
  for (const text of ["", null, undefined, "x".repeat(100_000)]) {
    assert.ok(syncMessagesRequestSchema.safeParse(batchWith({ text })).success);
  }
});

Deno.test("a contact needs a handle", () => {
  const input = { contacts: [{ displayName: "Nobody" }] };
  assert.deepEqual(pathsOf(syncContactsRequestSchema, input), ["contacts.0"]);
});

Deno.test("a device is verified with a UUID and six digits only", () => {
  assert.deepEqual(pathsOf(verifyDeviceRequestSchema, { deviceId: "nope", code: "12345" }), [
    "deviceId",
    "code",
  ]);
});

Deno.test("an unknown platform is refused", () => {
  const input = { name: "a", hardwareId: "b", platform: "amiga", osVersion: "1" };
  assert.deepEqual(pathsOf(registerDeviceRequestSchema, input), ["platform"]);
});

Deno.test("an edit needs its text, and an unknown action is refused", () => {
  assert.deepEqual(pathsOf(responseActionRequestSchema, { action: "edit" }), ["editedResponse"]);
  assert.deepEqual(pathsOf(responseActionRequestSchema, { action: "maybe" }), ["action"]);
});

for (const page of ["0", "-1", "1.5", "1000000000", "9".repeat(30), "one", ""]) {
  Deno.test(`page=${JSON.stringify(page)} is refused at page`, () => {
    assert.deepEqual(pathsOf(pageQuerySchema(), { page }), ["page"]);
  });
}

Deno.test("paging has defaults", () => {
  assert.deepEqual(pageQuerySchema(50).parse({}), { page: 1, pageSize: 50 });
});

for (const id of ["../secrets", "/etc/passwd", "a/b", "https://x", "", "a..b", ".hidden"]) {
  Deno.test(`${JSON.stringify(id)} is no model id`, () => {
    assert.equal(modelIdSchema.safeParse(id).success, false);
  });
}

Deno.test("a path's parameters are filled in and encoded, and a missing one is an error", () => {
  assert.equal(pathOf(SERVER_PATHS.response, { id: "a/b" }), "/api/responses/a%2Fb");
  assert.throws(() => pathOf(SERVER_PATHS.response, {}), TypeError);
});
