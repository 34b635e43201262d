/** Tests what an account's owner may do with all of it: export it, without what signs in, and delete it, here and in ml. */
import assert from "node:assert/strict";
import { unzipSync } from "fflate";
import { accountDeletionSchema, accountSettingsSchema } from "../../contract/account.ts";
import { SIGNED_OUT_CLOSE_CODE } from "../../contract/events.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { createTestDatabase } from "../../tests/support/postgres/postgres.ts";
import { openEvents } from "../../tests/support/server/event_client.ts";
import { REGISTRATION, startServerApp } from "../../tests/support/server/server_app.ts";
import { serveApp } from "../../tests/support/server/served_app.ts";
import { JOHN, sendBatch, syncBatch, syncMessage } from "../../tests/support/server/sync_batches.ts";
import { pairTrainee, startJob, trainAdapter } from "../../tests/support/server/trainee.ts";

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
    const { conversationId: id } = await sendBatch(
      owner,
      syncBatch(messages, { conversationImessageId: "many" }),
    );
    const body = { drafting: "automatic" };
    await server.request(pathOf(SERVER_PATHS.conversation, { id }), { method: "PATCH", token, body });
  }
  await sendBatch({ server, token: stranger.token }, syncBatch([syncMessage({ text: "of a stranger" })]));
  const files = await exported(url, token);
  assert.deepEqual(Object.keys(files).sort(), [
    "adapters.jsonl",
    "contacts.jsonl",
    "conversation_policies.jsonl",
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
  for (const secret of ["token_id", "registered_address", "secret_hash", "search_keys", stranger.deviceId]) {
    assert.equal(all.includes(secret), false, secret);
  }
});

Deno.test("an account that holds nothing but its device has an export all the same", async () => {
  await using served = await serveApp();
  const { token, deviceId } = await served.app.pair();
  const files = await exported(served.url, token);
  assert.deepEqual([files["devices.jsonl"]?.map(({ id }) => id), files["messages.jsonl"]], [[deviceId], []]);
});

Deno.test("a deleted account is gone everywhere, ml's work of it included, and no other one is touched", async () => {
  await using home = await createTestDatabase();
  await using served = await serveApp({ store: home.stores });
  const { app: server, url } = served;
  const owner = await pairTrainee(server);
  const other = await pairTrainee(server);
  const adapterId = await trainAdapter(owner);
  const othersAdapter = await trainAdapter(other);
  const job = await startJob(owner);
  const { token } = owner;
  await using client = await openEvents(url, { token });
  const ask = (name: string) => ({ method: "DELETE", token, body: { name } });
  const refused = { ...ask("Another Mac"), status: 400, code: "validation_failed" } as const;
  await server.refuse(SERVER_PATHS.account, refused);
  const deletion = await server.expect(SERVER_PATHS.account, {
    ...ask(REGISTRATION.name),
    schema: accountDeletionSchema,
  });
  assert.ok(deletion.messages > 0 && deletion.samples > 0 && deletion.responses > 0);
  assert.deepEqual([deletion.adapters, deletion.devices], [1, 1]);
  assert.equal(await client.closed, SIGNED_OUT_CLOSE_CODE);
  await server.refuse(SERVER_PATHS.currentDevice, { token, status: 401, code: "unauthorized" });
  const { sql } = home.database;
  for (
    const table of [
      "accounts",
      "devices",
      "messages",
      "conversations",
      "responses",
      "training_samples",
      "adapters",
    ]
  ) {
    const rows = await sql.script(`select from ${table}`);
    const left = table === "accounts" ? rows.length === 1 : rows.length > 0;
    assert.ok(left, `${table}: what the other account has stays`);
  }
  const [{ accounts } = { accounts: 0 }] = await sql<{ accounts: number }>`
    select count(distinct account_id)::integer as accounts from (
      select account_id from devices union select account_id from messages union select account_id from responses
      union select account_id from training_samples union select account_id from training_jobs
      union select account_id from events union select account_id from device_syncs) held`;
  assert.equal(accounts, 1);
  await server.reconciler.reconcile();
  assert.deepEqual([server.ml.adapters.has(adapterId), server.ml.adapters.has(othersAdapter)], [false, true]);
  assert.equal(server.ml.trainingJobs.get(job.id)?.status, "cancelled");
  assert.ok(server.ml.orders.some((order) => order.startsWith("DELETE /cachedraft:")));
});

Deno.test("settings are the account's own, and change one by one within their limits", async () => {
  await using server = await startServerApp();
  const [owner, stranger] = [await server.pair(), await server.pair()];
  const schema = accountSettingsSchema;
  const read = ({ token }: { token: string }) =>
    server.expect(SERVER_PATHS.accountSettings, { token, schema });
  const defaults = { draftCoverage: 1, automaticCoverage: 1, learnFromSent: false };
  assert.deepEqual(await read(owner), defaults);
  const { token } = owner;
  let expected = defaults;
  const changes = [
    { draftCoverage: 0.5 },
    { learnFromSent: true },
    { automaticCoverage: 0.25 },
    { draftCoverage: 0 },
    {},
  ];
  for (const change of changes) {
    expected = { ...expected, ...change };
    const options = { method: "PUT", token, body: change, schema };
    const changed = await server.expect(SERVER_PATHS.accountSettings, options);
    assert.deepEqual([changed, await read(owner)], [expected, expected]);
  }
  const shares = [-0.1, 1.1, "half", null].map((draftCoverage) => ({ draftCoverage }));
  for (const body of [...shares, { automaticCoverage: 2 }, { learnFromSent: "yes" }]) {
    const refused = { method: "PUT", token, body, status: 400, code: "validation_failed" } as const;
    await server.refuse(SERVER_PATHS.accountSettings, refused);
  }
  assert.deepEqual([await read(owner), await read(stranger)], [expected, defaults]);
});
