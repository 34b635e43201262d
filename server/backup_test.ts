/** Tests the commands `backup` and `restore`: how the key is made and asked for, and where the secret goes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createTestDatabase, type TestDatabase, urlOf } from "../tests/support/postgres/postgres.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { isUserError } from "../tests/support/process/user_error.ts";
import { paired } from "../tests/support/server/store_rows.ts";
import { loadSecret } from "./auth/secret.ts";
import { type Ask, backUp, restoreBackup } from "./backup.ts";
import { serverConfigFrom } from "./config.ts";

const KEY = /AGE-SECRET-KEY-1[0-9A-Z]+/;

function configOf({ address }: TestDatabase, dataDir: string) {
  return serverConfigFrom({ DATABASE_URL: urlOf(address), DATA_DIR: dataDir });
}

const nobody: Ask = () => null;

Deno.test("the first backup shows a key and asks it back, later ones need none, and the key opens them all", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase("embedded", { migrated: false });
  await inTempDir(async (dir) => {
    const { accountId } = await paired(source.stores);
    const config = configOf(source, dir);
    const files = ["first", "second"].map((name) => join(dir, name));
    let key = "";
    await assert.rejects(
      backUp(files[0] ?? "", {}, { config, ask: nobody }),
      isUserError(/no key has been set up/),
    );
    await assert.rejects(
      backUp(files[0] ?? "", {}, { config, ask: () => "another" }),
      isUserError(/not the key/),
    );
    const ask: Ask = (question) => key = KEY.exec(question)?.[0] ?? "";
    await backUp(files[0] ?? "", {}, { config, ask });
    await backUp(files[1] ?? "", {}, { config, ask: nobody });
    const keyFile = join(dir, "key.txt");
    await Deno.writeTextFile(keyFile, `# created: today\n# public key: age1…\n${key}\n`);
    const context = { config: configOf(target, join(dir, "other")), ask: nobody };
    await assert.rejects(restoreBackup(files[0] ?? "", {}, context), isUserError(/key does not open/));
    for (const file of files) await restoreBackup(file, { key: keyFile, replace: true }, context);
    const rows = await target.database.sql<{ id: string }>`select id from accounts`;
    assert.deepEqual(rows.map(({ id }) => id), [accountId]);
  });
});

Deno.test("devices stay paired: the secret of a database comes with it, and into the folder of an embedded one", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase("embedded", { migrated: false });
  await inTempDir(async (dir) => {
    await paired(source.stores);
    const secret = "7".repeat(64);
    await source.stores.sharedSecret(secret);
    let key = "";
    const file = join(dir, "backup");
    await backUp(file, {}, { config: configOf(source, dir), ask: (text) => key = KEY.exec(text)?.[0] ?? "" });
    await restoreBackup(file, {}, { config: configOf(target, join(dir, "b")), ask: () => key });
    assert.equal(await target.stores.sharedSecret("0".repeat(64)), secret);
    const embedded = serverConfigFrom({ DATA_DIR: join(dir, "embedded") });
    await Deno.chmod(dir, 0o755);
    await restoreBackup(file, {}, { config: embedded, ask: () => key });
    const { dataDir } = embedded;
    assert.equal((await loadSecret({ configured: null, dataDir })).toHex(), secret);
  });
});

Deno.test("a database that no server has used yet is not backed up", async () => {
  await using empty = await createTestDatabase("embedded", { migrated: false });
  await inTempDir(async (dir) => {
    const backedUp = backUp(join(dir, "backup"), {}, { config: configOf(empty, dir), ask: nobody });
    await assert.rejects(backedUp, isUserError(/nothing to back up/));
  });
});
