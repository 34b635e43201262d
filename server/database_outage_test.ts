/** Tests a running server while its database is unavailable and once it is back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { errorBodySchema } from "../contract/errors.ts";
import { serverHealthSchema } from "../contract/health.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { openDatabase } from "./store/database.ts";
import { createStores } from "./store/store.ts";
import { createTestDatabase } from "../tests/support/postgres/postgres.ts";
import { type ServerAppUnderTest, startServerApp } from "../tests/support/server/server_app.ts";
import { sendBatch, syncBatch, syncMessage } from "../tests/support/server/sync_batches.ts";
import { TcpProxy } from "../tests/support/process/tcp_proxy.ts";

async function isConnected(server: ServerAppUnderTest): Promise<boolean> {
  const health = await server.expect(SERVER_PATHS.health, { schema: serverHealthSchema });
  return health.database_connected;
}

Deno.test("requests get 503 while the database is unavailable, and succeed once it is back", async () => {
  await using home = await createTestDatabase();
  const { host, port = 5432, ...login } = home.address;
  await using proxy = new TcpProxy(join(host, `.s.PGSQL.${port}`));
  await using database = openDatabase({ ...login, host: "127.0.0.1", port: proxy.port, max: 2 });
  await using server = await startServerApp({ store: createStores(database) });
  const { token } = await server.pair();
  const before = await sendBatch({ server, token }, syncBatch([syncMessage()]));

  await proxy.goDown();
  const secretText = "meet me at the old mill";
  for (let attempt = 0; attempt < 3; attempt++) {
    const response = await server.request(SERVER_PATHS.syncMessages, {
      token,
      body: syncBatch([syncMessage({ text: secretText })]),
    });
    assert.equal(response.status, 503);
    assert.equal(errorBodySchema.parse(await response.json()).code, "database_unavailable");
    assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
  }
  assert.equal(await isConnected(server), false);
  assert.equal((await server.request(SERVER_PATHS.ready)).status, 503);

  proxy.comeBack();
  while (!await isConnected(server));
  const after = await sendBatch({ server, token }, syncBatch([syncMessage()]));
  assert.deepEqual(after, before);
  const log = server.logLines.join("\n");
  assert.equal([secretText, token].some((secret) => log.includes(secret)), false);
});
