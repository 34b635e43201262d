/** Tests the embedded PostgreSQL with real processes, which are killed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { UserError } from "../../../lib/errors.ts";
import {
  isAlive,
  type PostgresProcess,
  processesNaming,
  startPostgresProcess,
  untilGone,
} from "../../../tests/support/postgres/postgres_process.ts";
import { openDatabase, type PostgresLogin } from "../database.ts";
import { findRunningPostgres, startEmbeddedPostgres } from "./embedded_postgres.ts";
import { readPostmaster } from "./cluster.ts";
import { ownerFor } from "./owner.ts";

// Most tests share this data folder and leave its PostgreSQL stopped: making a cluster takes longer than starting it.
const dataDir = await Deno.makeTempDir();
const postgresDir = join(dataDir, "postgres");
const clusterDir = join(postgresDir, "data-18");
Deno.test.afterAll(() => Deno.remove(dataDir, { recursive: true }));

async function query(address: PostgresLogin, statement: string): Promise<Record<string, unknown>[]> {
  await using database = openDatabase({ ...address, max: 1 });
  return await database.sql.script(statement);
}

async function postmasterPid(): Promise<number> {
  const postmaster = await readPostmaster(clusterDir);
  assert(postmaster);
  return postmaster.pid;
}

/** Commits a mark, so that a later start can look for it. */
async function commitMark({ address }: PostgresProcess): Promise<string> {
  const mark = crypto.randomUUID();
  await query(address, `create table if not exists marks (mark text); insert into marks values ('${mark}')`);
  return mark;
}

/** Starts on the shared folder, looks for a committed mark, and stops. */
async function startFinds(mark: string): Promise<void> {
  await using server = await startEmbeddedPostgres(dataDir);
  const rows = await query(server.address, `select mark from marks where mark = '${mark}'`);
  assert.deepEqual(rows.map((row) => row.mark), [mark]);
}

Deno.test("a first start makes a durable UTF-8 cluster, and stopping it leaves no process and no socket", async () => {
  let address: PostgresLogin;
  {
    await using server = await startEmbeddedPostgres(dataDir);
    address = server.address;
    const [settings] = await query(
      address,
      `select current_setting('fsync') as fsync, current_setting('server_encoding') as encoding,
        current_setting('listen_addresses') as listen, current_setting('data_checksums') as checksums,
        lower('ÄÖ') as lowered, 'Z' < 'a' as by_code_point`,
    );
    assert.deepEqual({ ...settings }, {
      fsync: "on",
      encoding: "UTF8",
      listen: "",
      checksums: "on",
      lowered: "äö",
      by_code_point: true,
    });
    assert.notDeepEqual(await processesNaming(clusterDir), []);
    assert.equal((await Deno.stat(address.host)).mode, 0o40700);
    assert.equal((await Deno.stat(clusterDir)).mode, 0o40700);
  }
  assert.deepEqual(await processesNaming(clusterDir), []);
  await assert.rejects(Deno.stat(address.host), Deno.errors.NotFound);
});

Deno.test("killing its process leaves no PostgreSQL behind, and what was committed is there at the next start", async () => {
  await using server = await startPostgresProcess(dataDir);
  const mark = await commitMark(server);
  const pid = await postmasterPid();
  await server.kill();
  await untilGone(pid);
  await startFinds(mark);
});

Deno.test("a start at the very moment its process was killed waits for PostgreSQL to end, and works", async () => {
  await using server = await startPostgresProcess(dataDir);
  const mark = await commitMark(server);
  const pid = await postmasterPid();
  await server.kill();
  await startFinds(mark);
  assert.equal(await isAlive(pid), false);
});

Deno.test("a second server on the same data folder stops with a sentence and does not disturb the first", async () => {
  await using server = await startPostgresProcess(dataDir);
  const isRefusal = (error: unknown) =>
    error instanceof UserError && /^Another server is using /.test(error.message);
  await assert.rejects(startEmbeddedPostgres(dataDir), isRefusal);
  await assert.rejects(startPostgresProcess(dataDir), /^Error: Another server is using .*: stop it first/);
  await startMarkRoundTrip(server);
});

async function startMarkRoundTrip(server: PostgresProcess): Promise<void> {
  const mark = await commitMark(server);
  const rows = await query(server.address, `select mark from marks where mark = '${mark}'`);
  assert.equal(rows.length, 1);
}

Deno.test("of servers that start on a new folder at the same moment one makes it and the others are refused", async () => {
  const folder = await Deno.makeTempDir();
  const starts = await Promise.allSettled(Array.from({ length: 3 }, () => startEmbeddedPostgres(folder)));
  const started = starts.filter((start) => start.status === "fulfilled");
  assert.equal(started.length, 1);
  for (const { value } of started) await value[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a PostgreSQL that outlived its server is ended, and the new start has its data", async () => {
  await using server = await startPostgresProcess(dataDir);
  const mark = await commitMark(server);
  const orphan = await postmasterPid();
  // Its watchdog is killed before its server, so that nobody is left to end it.
  for (const pid of await processesNaming(clusterDir)) {
    if (pid !== orphan && (await parentOf(pid)) !== orphan) process.kill(pid, "SIGKILL");
  }
  await server.kill();
  assert.equal(await isAlive(orphan), true);
  await startFinds(mark);
  await assert.rejects(Deno.stat(server.address.host), Deno.errors.NotFound);
  assert.equal(await isAlive(orphan), false);
});

/** The fourth field of stat(5), counted behind the command's closing parenthesis. */
async function parentOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

Deno.test("a PostgreSQL that is killed is reported, and the next start recovers what was committed", async () => {
  let mark: string;
  {
    await using server = await startEmbeddedPostgres(dataDir);
    mark = crypto.randomUUID();
    await query(
      server.address,
      `create table if not exists marks (mark text); insert into marks values ('${mark}')`,
    );
    process.kill(await postmasterPid(), "SIGKILL");
    assert.match(
      await server.lost,
      /^PostgreSQL ended unexpectedly \(exit status 137\): see .*postgres\.log$/,
    );
  }
  await startFinds(mark);
});

Deno.test("stopping it is not reported as a loss", async () => {
  const server = await startEmbeddedPostgres(dataDir);
  await server[Symbol.asyncDispose]();
  const settled = Symbol("not lost");
  assert.equal(await Promise.race([server.lost, Promise.resolve(settled)]), settled);
});

Deno.test("a pid file that names another living process does not keep it from starting", async () => {
  await (await startEmbeddedPostgres(dataDir))[Symbol.asyncDispose]();
  const pidFile = join(clusterDir, "postmaster.pid");
  await Deno.writeTextFile(
    pidFile,
    `${Deno.pid}\n${clusterDir}\n1700000000\n5432\n/tmp\n\n  0  0\nready   \n`,
  );
  await using server = await startEmbeddedPostgres(dataDir);
  assert.deepEqual((await query(server.address, "select 1 as one"))[0], { one: 1 });
});

Deno.test("Ctrl-C in the terminal of its process does not reach it", async () => {
  await using server = await startPostgresProcess(dataDir);
  process.kill(-server.pid, "SIGINT");
  await startMarkRoundTrip(server);
});

Deno.test("what a crash left incomplete is removed", async () => {
  const owner = await ownerFor(postgresDir);
  const leftover = join(postgresDir, "partial-0");
  await Deno.mkdir(join(leftover, "bin"), { recursive: true });
  await Deno.writeTextFile(join(leftover, "bin", "postgres"), "half a program");
  await Deno.writeTextFile(`${leftover}.password`, "secret");
  await (await startEmbeddedPostgres(dataDir))[Symbol.asyncDispose]();
  const names = await Array.fromAsync(Deno.readDir(postgresDir), (entry) => entry.name);
  assert.deepEqual(names.filter((name) => name.startsWith("partial-")), []);
  assert.deepEqual(await ownerFor(postgresDir), owner);
});

Deno.test("a running one is found, and none where none runs", async () => {
  assert.equal(await findRunningPostgres(dataDir), undefined);
  assert.equal(await findRunningPostgres(join(dataDir, "nowhere")), undefined);
  await using server = await startPostgresProcess(dataDir);
  assert.deepEqual(await findRunningPostgres(dataDir), server.address);
});

Deno.test("a data folder with a path longer than a socket's may be works", async () => {
  const folder = await Deno.makeTempDir();
  const long = join(
    folder,
    "a data folder with a long name, with blanks and 'quotes'".padEnd(120, "."),
    "x".repeat(60),
  );
  {
    await using server = await startEmbeddedPostgres(long);
    assert.deepEqual((await query(server.address, "select 1 as one"))[0], { one: 1 });
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a data folder that cannot be used is named in a sentence", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(
    startEmbeddedPostgres(join(file, "data")),
    (error) =>
      error instanceof UserError && error.message.includes(file) && error.message.includes("DATABASE_URL"),
  );
  await Deno.remove(file);
});

Deno.test("the error has PostgreSQL's own reason when it does not start", async () => {
  await (await startEmbeddedPostgres(dataDir))[Symbol.asyncDispose]();
  const file = join(clusterDir, "PG_VERSION");
  const version = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, "9\n");
  await assert.rejects(startEmbeddedPostgres(dataDir), (error) => {
    assert(error instanceof UserError);
    assert.match(error.message, /did not start on .*: database files are incompatible with server/);
    return true;
  });
  await Deno.writeTextFile(file, version);
});
