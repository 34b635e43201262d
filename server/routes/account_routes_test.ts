/** Tests the export of an account: all that is its own, nothing of another, and nothing that signs in. */
import assert from "node:assert/strict";
import { unzipSync } from "fflate";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { serveApp } from "../../tests/support/server/served_app.ts";
import { JOHN, sendBatch, syncBatch, syncMessage } from "../../tests/support/server/sync_batches.ts";
import { pairTrainee, trainAdapter } from "../../tests/support/server/trainee.ts";

async function exported(url: string, token: string): Promise<Record<string, Record<string, unknown>[]>> {
  const response = await fetch(url + SERVER_PATHS.exportAccount, {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/zip"]);
  const files = unzipSync(await response.bytes());
  return Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [
      name,
      new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "").map((line) =>
        JSON.parse(line)
      ),
    ]),
  );
}

Deno.test("an export holds all of the account, and nothing of another or that signs in", async () => {
  await using served = await serveApp();
  const { app: server, url } = served;
  const owner = await pairTrainee(server);
  const adapterId = await trainAdapter(owner);
  const { token } = owner;
  await server.request(SERVER_PATHS.syncContacts, {
    token,
    body: { contacts: [{ phoneNumber: JOHN, displayName: "John" }] },
  });
  const stranger = await server.pair();
  // More than one fetch, and texts that could be taken for the format.
  for (let batch = 0; batch < 3; batch++) {
    const messages = Array.from({ length: 400 }, (_, n) => syncMessage({ text: `line\n${batch}-${n} "}` }));
    await sendBatch(owner, syncBatch(messages, { conversationImessageId: "many" }));
  }
  await sendBatch({ server, token: stranger.token }, syncBatch([syncMessage({ text: "of a stranger" })]));
  const files = await exported(url, token);
  assert.deepEqual(Object.keys(files).sort(), [
    "adapters.jsonl",
    "contacts.jsonl",
    "conversations.jsonl",
    "device_syncs.jsonl",
    "devices.jsonl",
    "messages.jsonl",
    "responses.jsonl",
    "training_jobs.jsonl",
    "training_samples.jsonl",
  ]);
  const texts = new Set(files["messages.jsonl"]?.map(({ text }) => text));
  for (const text of ['line\n0-0 "}', 'line\n2-399 "}']) assert.ok(texts.has(text));
  assert.equal(texts.has("of a stranger"), false);
  assert.deepEqual(files["adapters.jsonl"]?.map(({ id }) => id), [adapterId]);
  for (const name of Object.keys(files)) assert.ok(files[name]?.length, name);
  const all = JSON.stringify(files);
  for (const secret of ["token_id", "registered_address", "secret_hash", stranger.deviceId]) {
    assert.equal(all.includes(secret), false, secret);
  }
});

Deno.test("an account that holds nothing but its device has an export all the same", async () => {
  await using served = await serveApp();
  const { token, deviceId } = await served.app.pair();
  const files = await exported(served.url, token);
  assert.deepEqual([files["devices.jsonl"]?.map(({ id }) => id), files["messages.jsonl"]], [[deviceId], []]);
});
