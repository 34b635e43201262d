/** Tests restoring through the API of a server that nobody owns, in its own process. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { errorBodySchema } from "../contract/errors.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { restoreResponseSchema } from "../contract/restore.ts";
import { createTestDatabase } from "../tests/support/postgres/postgres.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { startServer } from "../tests/support/server/running_services.ts";
import { startServerApp, TEST_SECRET } from "../tests/support/server/server_app.ts";
import { batch, message, paired } from "../tests/support/server/store_rows.ts";
import { createTokens } from "./auth/authenticate.ts";
import { setupCodeOf } from "./services/devices/pairing.ts";
import { writeBackup } from "./store/backup/backup_file.ts";

const SECRET = "5".repeat(64);
/** Nothing answers there. */
const ML_AWAY = "http://127.0.0.1:9";

/** A backup of a server with one device and one message, and that device's token. */
async function makeBackup(path: string): Promise<{ key: string; token: string }> {
  await using source = await createTestDatabase();
  const origin = await paired(source.stores);
  await source.stores.ingest.ingestMessages(origin, batch([message("m-1", { minute: 1 })]));
  const key = await generateX25519Identity();
  await using own = await source.database.connect();
  await writeBackup(own, path, { secret: SECRET, recipient: await identityToRecipient(key), replace: false });
  const { token } = await createTokens({ secret: Uint8Array.fromHex(SECRET), now: () => new Date() }).issue(
    origin,
  );
  return { key, token };
}

async function refusalOf(response: Response): Promise<string> {
  const { statusCode, code, message } = errorBodySchema.parse(await response.json());
  return `${statusCode} ${code}: ${message}`;
}

Deno.test("a server that nobody owns restores an uploaded backup, starts again, and then takes no other", async () => {
  await inTempDir(async (dir) => {
    const path = join(dir, "backup.age");
    const { key, token } = await makeBackup(path);
    await using running = await startServer({ dir, mlUrl: ML_AWAY });
    const { url } = running.server;
    const upload = async (headers: Record<string, string>, bytes?: Uint8Array<ArrayBuffer>) => {
      const body = bytes ?? (await Deno.open(path)).readable;
      return await fetch(url + SERVER_PATHS.restore, { method: "POST", headers, body });
    };
    const whole = await Deno.readFile(path);
    assert.match(await refusalOf(await upload({})), /^409 conflict: This key does not open the backup/);
    assert.match(
      await refusalOf(await upload({ "backup-key": key }, whole.subarray(0, -10))),
      /^409 conflict: The backup/,
    );
    assert.match(await refusalOf(await upload({}, new Uint8Array(9))), /is no backup/);
    const foreign = await upload({ "backup-key": key, origin: "https://elsewhere.example" });
    assert.match(await refusalOf(foreign), /^403 forbidden/);
    const answer = await upload({ "backup-key": key });
    const restored = restoreResponseSchema.parse(await answer.json());
    assert.deepEqual([restored.adapters, restored.rows > 3], [0, true]);
    const me = () =>
      fetch(url + SERVER_PATHS.currentDevice, { headers: { authorization: `Bearer ${token}` } })
        .then(async (response) => (await response.body?.cancel(), response.status), () => 0);
    while (await me() !== 200);
    assert.match(await refusalOf(await upload({ "backup-key": key })), /^409 conflict: Somebody owns/);
    const left = await Array.fromAsync(Deno.readDir(join(dir, "server")), ({ name }) => name);
    assert.deepEqual(left.filter((name) => name.startsWith("restore-")), []);
  });
});

Deno.test("from another machine, and on a network, the setup code is needed to restore", async () => {
  const setupCode = setupCodeOf(TEST_SECRET);
  for (
    const [host, address, code, expected] of [
      ["127.0.0.1", "192.0.2.7", null, "403 setup_code_required"],
      ["0.0.0.0", "127.0.0.1", null, "403 setup_code_required"],
      ["0.0.0.0", "192.0.2.7", "ABCDE-FGHJK", "403 setup_code_required"],
      ["0.0.0.0", "192.0.2.7", setupCode.toLowerCase(), "409 conflict"],
      ["127.0.0.1", "127.0.0.1", null, "409 conflict"],
    ] as const
  ) {
    await using server = await startServerApp({ host });
    const response = await server.send(SERVER_PATHS.restore, {
      method: "POST",
      headers: { "x-test-address": address, ...(code === null ? {} : { "setup-code": code }) },
      body: "no backup",
    });
    const refusal = await refusalOf(response);
    assert.ok(refusal.startsWith(expected), `${host} ${address} ${code}: ${refusal}`);
  }
});
