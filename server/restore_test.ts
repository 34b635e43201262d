/** Tests restoring through the API of a server that nobody owns, in its own process. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { errorBodySchema } from "../contract/errors.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { restoreResponseSchema } from "../contract/restore.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { makeBackup, untilTaken } from "../tests/support/server/backup.ts";
import { startServer } from "../tests/support/server/running_services.ts";
import { startServerApp, TEST_SECRET } from "../tests/support/server/server_app.ts";
import { setupCodeOf } from "./services/devices/pairing.ts";

/** Nothing answers there. */
const ML_AWAY = "http://127.0.0.1:9";

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
    await untilTaken(token, url + SERVER_PATHS.currentDevice);
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
