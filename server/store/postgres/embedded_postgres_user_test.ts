/** Tests that the embedded PostgreSQL runs for root and for an ordinary user, and who owns its files. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { ordinaryUser } from "../../../tests/support/process/ordinary_user.ts";
import { type ProcessUser, startPostgresProcess } from "../../../tests/support/postgres/postgres_process.ts";
import { openDatabase } from "../database.ts";
import { startEmbeddedPostgres } from "./embedded_postgres.ts";
import { openPathTo } from "./owner.ts";

const NOBODY = { uid: 65_534, gid: 65_534 };
const isRoot = Deno.uid() === 0;

/** Starts on a new folder, asks PostgreSQL something, and returns who its files belong to. */
async function runAs(user: ProcessUser, dataDir: string): Promise<number | null> {
  await using server = await startPostgresProcess(dataDir, user);
  await using database = openDatabase({ ...server.address, max: 1 });
  const [row] = await database.sql`select 1 as one`;
  assert.deepEqual({ ...row }, { one: 1 });
  return (await Deno.stat(join(dataDir, "postgres", "data-18"))).uid;
}

Deno.test("it runs for the user of the tests, under root as an unprivileged one", async () => {
  const home = await Deno.makeTempDir();
  const owner = await runAs({}, join(home, "data"));
  assert.equal(owner, isRoot ? NOBODY.uid : Deno.uid());
  await Deno.remove(home, { recursive: true });
});

if (isRoot) {
  Deno.test("it runs for an ordinary user, and root then runs it on that user's folder as that user", async () => {
    const home = await Deno.makeTempDir();
    const dataDir = join(home, "data");
    const user = await ordinaryUser(home);
    assert.equal(await runAs(user, dataDir), NOBODY.uid);
    assert.equal(await runAs({}, dataDir), NOBODY.uid);
    assert.equal(await runAs(user, dataDir), NOBODY.uid);
    await Deno.remove(home, { recursive: true });
  });

  Deno.test("it does not touch another user's cluster", async () => {
    const home = await Deno.makeTempDir();
    const dataDir = join(home, "data");
    await (await startEmbeddedPostgres(dataDir))[Symbol.asyncDispose]();
    const folder = join(dataDir, "postgres");
    await Deno.chown(folder, 1, 1);
    const user = await ordinaryUser(home);
    await assert.rejects(
      startPostgresProcess(dataDir, user),
      /Permission denied.*: make room and check who owns/,
    );
    await Deno.remove(home, { recursive: true });
  });
}

Deno.test("private temporary folders above a data folder are opened for passage only", async () => {
  const temporary = await Deno.makeTempDir({ dir: "/tmp" });
  const folder = join(temporary, "data");
  await Deno.mkdir(folder, { mode: 0o700 });
  await openPathTo(folder, { owner: { uid: 1, gid: 1 } });
  assert.equal((await Deno.stat(temporary)).mode, 0o40701);
  assert.equal((await Deno.stat(folder)).mode, 0o40701);
  await Deno.remove(temporary, { recursive: true });
});

Deno.test("other private folders above a data folder are named in a sentence and left closed", async () => {
  const closed = await Deno.makeTempDir();
  const folder = join(closed, "data");
  await Deno.mkdir(folder);
  await assert.rejects(openPathTo(folder, { owner: { uid: 1, gid: 1 }, temporaryFolders: [] }), (error) => {
    assert(error instanceof UserError);
    assert.match(
      error.message,
      /refuses to run as root, cannot reach .* because .* is closed to other users: set DATA_DIR/,
    );
    return true;
  });
  assert.equal((await Deno.stat(closed)).mode, 0o40700);
  await Deno.remove(closed, { recursive: true });
});
