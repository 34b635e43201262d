/** Tests the complete app: health, metrics, documentation, limits, and requests while the database is unavailable. */
import assert from "node:assert/strict";
import { readySchema, serverHealthSchema } from "../contract/health.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { WIRE_VERSION, WIRE_VERSION_HEADER } from "../contract/wire.ts";
import { checkExamples, checkOperations } from "../tests/support/api_document.ts";
import { type ServerAppUnderTest, startServerApp } from "../tests/support/server/server_app.ts";
import { sendBatch, syncBatch, syncMessage } from "../tests/support/server/sync_batches.ts";

async function health(server: ServerAppUnderTest) {
  return await server.expect(SERVER_PATHS.health, { schema: serverHealthSchema });
}

Deno.test("health needs no token and reports what responds", async () => {
  await using server = await startServerApp();
  const { version, ...rest } = await health(server);
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.deepEqual(rest, {
    status: "healthy",
    wire_version: WIRE_VERSION,
    database_connected: true,
    kv_connected: true,
    ml: "ready",
    model_version: "test-model",
  });
});

Deno.test("health distinguishes a loading ml from an unreachable one, and does not ask it at every request", async () => {
  await using server = await startServerApp();
  const later = () => server.clock.now = new Date(server.clock.now.getTime() + 2_000);
  server.ml.health = { ...server.ml.health, status: "loading", model_loaded: false, model_version: null };
  const loading = await health(server);
  assert.deepEqual([loading.status, loading.ml, loading.model_version], ["degraded", "loading", null]);
  const asked = server.ml.authorizations.length;
  await Promise.all([health(server), health(server), health(server)]);
  assert.equal(server.ml.authorizations.length, asked);
  later();
  await server.ml.goDown();
  assert.equal((await health(server)).ml, "unavailable");
  await server.ml.comeBack();
});

Deno.test("an ml that has given its model's memory back is ready: the next request loads it", async () => {
  await using server = await startServerApp();
  server.ml.health = { ...server.ml.health, model_loaded: false };
  const { status, ml, model_version } = await health(server);
  assert.deepEqual([status, ml, model_version], ["healthy", "ready", "test-model"]);
});

Deno.test("the server is ready while its database answers, whatever ml does", async () => {
  await using server = await startServerApp();
  await server.ml.goDown();
  const answer = await server.expect(SERVER_PATHS.ready, { schema: readySchema });
  assert.deepEqual(answer, { ready: true });
  server.ml.comeBack();
});

Deno.test("ml is asked with its token", async () => {
  await using server = await startServerApp({ mlToken: "s3cret" });
  await health(server);
  assert.deepEqual(server.ml.authorizations, ["Bearer s3cret"]);
  assert.equal(server.logLines.join().includes("s3cret"), false);
});

Deno.test("metrics count requests by route, synced messages by outcome, and jobs by state", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const body = syncBatch([syncMessage(), syncMessage()]);
  await sendBatch({ server, token }, body);
  await sendBatch({ server, token }, body);
  await (await server.request(`${SERVER_PATHS.conversations}/${crypto.randomUUID()}`, { token })).body
    ?.cancel();
  await (await server.request("/nowhere")).body?.cancel();
  const response = await server.request(SERVER_PATHS.metrics);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const lines = new Set((await response.text()).split("\n"));
  for (
    const line of [
      'assistant_http_requests_total{method="POST",route="/api/sync/messages",status="200"} 2',
      'assistant_http_requests_total{method="GET",route="/api/conversations/:id",status="404"} 1',
      'assistant_http_requests_total{method="GET",route="unmatched",status="404"} 1',
      'assistant_http_request_duration_seconds_count{method="POST",route="/api/sync/messages"} 2',
      'assistant_sync_messages_total{outcome="inserted"} 2',
      'assistant_sync_messages_total{outcome="unchanged"} 2',
      'assistant_jobs{state="queued"} 0',
    ]
  ) assert.ok(lines.has(line), `${line} is missing in\n${[...lines].join("\n")}`);
});

Deno.test("the OpenAPI document names every path of the contract with its methods and schemas", async () => {
  await using server = await startServerApp();
  const document = await (await server.request("/openapi.json")).json();
  assert.equal(document.openapi, "3.1.0");
  checkOperations(document);
  checkExamples(document, [
    "postRegisterDevice",
    "postVerifyDevice",
    "postSyncMessages",
    "postSyncContacts",
    "getConversations",
    "getConversationMessages",
    "getSearch",
    "postGenerateResponse",
    "postResponseAction",
    "postImportTrainingSamples",
    "postStartTraining",
    "getTrainingJob",
  ]);
  const { patch } = document.paths["/api/conversations/{id}"];
  assert.deepEqual([patch.operationId, patch.tags], ["patchConversation", ["conversations"]]);
  const undocumented = Object.values(SERVER_PATHS)
    .filter((path) => path !== SERVER_PATHS.metrics)
    .filter((path) => document.paths[path.replace(/:(\w+)/g, "{$1}")] === undefined);
  assert.deepEqual(undocumented, []);
  const sync = document.paths[SERVER_PATHS.syncMessages].post;
  assert.deepEqual(sync.security, [{ bearer: [] }, { session: [] }]);
  assert.equal(sync.requestBody.required, true);
  assert.equal(
    sync.requestBody.content["application/json"].schema.$ref,
    "#/components/schemas/SyncMessagesRequest",
  );
  const events =
    document.paths["/api/training/jobs/{id}/events"].get.responses[200].content["text/event-stream"];
  assert.deepEqual(events.schema.properties.event.enum, ["training:progress", "error"]);
  for (const time of ["sentAt", "readAt"]) {
    const { description } = document.components.schemas.Message.properties[time];
    assert.match(description, /from 0001-01-01T00:00:00\.000Z to 9999-12-31T23:59:59\.999Z/, time);
  }
  const pageSize = document.paths[SERVER_PATHS.devices].get.parameters
    .find(({ name }: { name: string }) => name === "pageSize");
  assert.equal(pageSize.required, false);
  assert.deepEqual([pageSize.schema.type, pageSize.schema.minimum, pageSize.schema.maximum], [
    "integer",
    1,
    200,
  ]);
  const versions = sync.parameters.filter(({ name }: { name: string }) => name === WIRE_VERSION_HEADER);
  assert.deepEqual([versions.length, versions[0].in, versions[0].required], [1, "header", false]);
  assert.deepEqual(
    await (await server.request("/openapi.json")).json(),
    document,
    "it is the same each time",
  );
  const statuses = Object.keys(sync.responses);
  assert.deepEqual(
    ["400", "401", "403", "408", "413", "421", "426", "503"].filter((s) => !statuses.includes(s)),
    [],
  );
  assert.match(await (await server.request("/docs")).text(), /openapi\.json/);
});

Deno.test("the server's root is the owner's page, without a token, under a policy that lets nothing foreign in", async () => {
  await using server = await startServerApp();
  const page = await server.request("/");
  assert.equal(page.status, 200);
  const policy = page.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  const html = await page.text();
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "");
  assert.equal(files.length, 5);
  for (const path of files) assert.equal((await server.request(path)).status, 200, path);
  assert.equal((await server.request("/docs")).status, 200);
});

Deno.test("a browser that has the page's script is not sent it again, and gets it compressed the first time", async () => {
  await using server = await startServerApp();
  const first = await server.request("/app.js", { headers: { "accept-encoding": "gzip, br" } });
  assert.equal(first.headers.get("content-encoding"), "gzip");
  assert.ok((await first.arrayBuffer()).byteLength <= 90_000, "the page's script is larger than 90 kB");
  const etag = first.headers.get("etag") ?? "";
  const second = await server.request("/app.js", { headers: { "if-none-match": etag } });
  assert.deepEqual([second.status, (await second.arrayBuffer()).byteLength], [304, 0]);
});

Deno.test("nothing of a body is read before its token was checked", async () => {
  await using server = await startServerApp();
  let wasRead = false;
  const body = new ReadableStream({ pull: () => void (wasRead = true) }, { highWaterMark: 0 });
  const response = await server.send(SERVER_PATHS.syncMessages, { method: "POST", body });
  assert.equal(response.status, 401);
  assert.equal(wasRead, false);
});

Deno.test("bodies above 16 KiB are refused where no token is needed", async () => {
  await using server = await startServerApp();
  const body = { name: "x".repeat(16 * 1024) };
  const headers = { "content-length": String(JSON.stringify(body).length) };
  await server.refuse(SERVER_PATHS.registerDevice, { body, headers, status: 413, code: "payload_too_large" });
});

Deno.test("answers carry a request id and forbid content sniffing", async () => {
  await using server = await startServerApp();
  const response = await server.request(SERVER_PATHS.health);
  await response.body?.cancel();
  assert.match(response.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});

Deno.test("a version of the wire that is not spoken is refused before the token is looked at, none is accepted", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const path = SERVER_PATHS.currentDevice;
  const asking = (version: string) => ({ token, headers: { [WIRE_VERSION_HEADER]: version } });
  for (const options of [{ token }, asking(String(WIRE_VERSION))]) {
    assert.equal((await server.request(path, options)).status, 200);
  }
  const { message } = await server.refuse(path, { ...asking("2"), status: 426, code: "server_outdated" });
  assert.equal(
    message,
    "The server is too old for this client: the client speaks version 2 of the wire, the server 1 to 1. Update the server.",
  );
  await server.refuse(path, { ...asking("0"), status: 426, code: "client_outdated" });
  await server.refuse(path, { ...asking("999999999"), token: "x", status: 426, code: "server_outdated" });
  for (const version of ["", "1.0", "-1", "9".repeat(5_000), "1, 1", "new"]) {
    await server.refuse(path, { ...asking(version), status: 400, code: "validation_failed" });
  }
  const refused = await server.request(path, asking("2"));
  assert.equal(refused.headers.get("upgrade"), "assistant-wire/1");
  const health = await server.request(SERVER_PATHS.health, asking("2"));
  assert.equal(health.status, 200, "which says what is spoken");
});
