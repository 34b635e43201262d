/** Tests the server as a process: how it ends, what it prints when it cannot start, and its commands. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { registerDeviceResponseSchema, verifyDeviceResponseSchema } from "../contract/devices.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { trainingJobResponseSchema } from "../contract/training.ts";
import { z } from "../deps.ts";
import { generatedResponseSchema } from "../contract/responses.ts";
import { type Client, createClient, RemoteError } from "../lib/http/client.ts";
import { VERSION } from "../lib/version.ts";
import { choosePort, PROJECT_ROOT, ServiceProcess, taskArguments } from "../tools/service_process.ts";
import { MlServer } from "../tests/support/ml/ml_server.ts";
import { createTestDatabase, urlOf } from "../tests/support/postgres/postgres.ts";
import { REGISTRATION } from "../tests/support/server/server_app.ts";
import { completedStatus } from "../tests/support/server/trainee.ts";
import { syncBatch, syncMessage } from "../tests/support/server/sync_batches.ts";
import { syncMessagesResponseSchema } from "../contract/sync.ts";
import { messageListSchema } from "../contract/conversations.ts";
import { pathOf } from "../contract/paths.ts";

/** When a reply follows the message of {@linkcode syncMessage}. */
const AFTER = "2024-01-01T12:01:00Z";

async function tempDir(): Promise<{ dir: string } & AsyncDisposable> {
  const dir = await Deno.makeTempDir({ prefix: "server-main-" });
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Runs the server's task to its end. */
async function run(
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...taskArguments("server"), ...args],
    cwd: PROJECT_ROOT,
    env: { DATABASE_URL: "", SERVER_HOST: "", PAIRING: "", JWT_SECRET: "", ...env },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: decode(stdout), err: decode(stderr) };
}

function start(env: Record<string, string>, logFile: string): Promise<ServiceProcess> {
  const port = String(choosePort());
  return ServiceProcess.start({
    name: "server",
    url: `http://127.0.0.1:${port}`,
    env: {
      DATABASE_URL: "",
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: port,
      PAIRING: "",
      JWT_SECRET: "",
      ...env,
    },
    output: { file: logFile },
  });
}

async function register(client: Client) {
  return await client.request("POST", SERVER_PATHS.registerDevice, {
    body: REGISTRATION,
    schema: registerDeviceResponseSchema,
  });
}

async function verify(
  client: Client,
  { deviceId, code }: { deviceId: string; code: string },
): Promise<string> {
  const schema = verifyDeviceResponseSchema;
  return (await client.request("POST", SERVER_PATHS.verifyDevice, { body: { deviceId, code }, schema }))
    .token;
}

async function findMessage(client: Client): Promise<string> {
  const { conversationId } = await client.request("POST", SERVER_PATHS.syncMessages, {
    body: syncBatch([syncMessage()]),
    schema: syncMessagesResponseSchema,
  });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
  const { messages } = await client.request("GET", path, { schema: messageListSchema });
  return messages[0]?.id ?? "";
}

Deno.test("at SIGTERM the server finishes what is in flight, then ends with 0", async () => {
  await using temp = await tempDir();
  await using home = await createTestDatabase("embedded", { migrated: false });
  await using ml = await MlServer.start();
  const env = { DATABASE_URL: urlOf(home.address), DATA_DIR: temp.dir, ML_URL: ml.url };
  await using server = await start(env, join(temp.dir, "log"));
  const anonymous = createClient({ baseUrl: server.url });
  const token = await verify(anonymous, await register(anonymous));
  const client = createClient({ baseUrl: server.url, token: () => token });
  const messageId = await findMessage(client);
  ml.behaviour = { kind: "hang" };
  const draft = client.request("POST", SERVER_PATHS.generateResponse, {
    body: { messageId },
    schema: generatedResponseSchema,
  });
  await ml.hanging;
  Deno.kill(server.pid, "SIGTERM");
  ml.release();
  assert.equal((await draft).status, "completed");
  assert.equal((await server.ended).code, 0);
});

Deno.test("an adapter is there once when ml finished while the server was killed, however often that happens", async () => {
  await using temp = await tempDir();
  await using home = await createTestDatabase("embedded", { migrated: false });
  await using ml = await MlServer.start();
  const env = { DATABASE_URL: urlOf(home.address), DATA_DIR: temp.dir, ML_URL: ml.url };
  const log = join(temp.dir, "log");
  const { trainingJobs, adapters } = home.stores;
  let jobId: string;
  {
    await using server = await start(env, log);
    const anonymous = createClient({ baseUrl: server.url });
    const token = await verify(anonymous, await register(anonymous));
    const client = createClient({ baseUrl: server.url, token: () => token });
    await client.request("POST", SERVER_PATHS.syncMessages, {
      body: syncBatch([syncMessage(), syncMessage({ direction: "outgoing", text: "hi", sentAt: AFTER })]),
      schema: z.unknown(),
    });
    await client.request("POST", SERVER_PATHS.importTrainingSamples, { body: {}, schema: z.unknown() });
    const body = { baseModel: "test-model" };
    const schema = trainingJobResponseSchema;
    jobId = (await client.request("POST", SERVER_PATHS.startTraining, { body, schema })).job.id;
    server.kill();
    await server.ended;
  }
  const [live] = await trainingJobs.listLive();
  assert.equal(live?.status, "queued");
  ml.reportTraining(completedStatus(jobId));
  for (const _ of ["first start", "second start"]) {
    await using server = await start(env, log);
    // Nobody asks the server for anything: it finds out by itself.
    while ((await adapters.list(live.accountId)).length === 0);
    const found = await adapters.list(live.accountId);
    assert.deepEqual(found.map(({ id, state }) => [id, state]), [[`adapter-${jobId}`, "staged"]]);
    assert.equal((await trainingJobs.find(live.accountId, jobId))?.status, "completed");
    server.kill();
    await server.ended;
  }
});

Deno.test("a server that cannot start says why in one sentence and ends with 1", async (t) => {
  await using temp = await tempDir();
  const DATA_DIR = join(temp.dir, "data");
  await t.step("settings that cannot be used", async () => {
    const { code, err } = await run([], { SERVER_PORT: "x", PAIRING: "maybe" });
    assert.equal(code, 1);
    assert.deepEqual(err.split("\n").map((line) => line.split(" ")[0]), ["SERVER_PORT", "PAIRING"]);
  });
  await t.step("a database that does not answer, its password kept out", async () => {
    const { code, err } = await run([], { DATA_DIR, DATABASE_URL: "postgres://me:hunter2@127.0.0.1:1/x" });
    assert.equal(code, 1);
    assert.match(err, /^The database of DATABASE_URL cannot be reached[^\n]*$/);
    assert.equal(err.includes("hunter2"), false);
  });
  await t.step("a data folder that another server uses, whatever its database", async () => {
    await using home = await createTestDatabase();
    await using ml = await MlServer.start();
    const env = { DATA_DIR, DATABASE_URL: urlOf(home.address), ML_URL: ml.url };
    await using _first = await start(env, join(temp.dir, "log"));
    for (const DATABASE_URL of [env.DATABASE_URL, ""]) {
      const { code, err } = await run([], { ...env, DATABASE_URL, SERVER_PORT: String(choosePort()) });
      assert.equal(code, 1);
      const path = join(DATA_DIR, "server.kv");
      assert.equal(
        err,
        `Another process is using ${path}. Stop it first, or give this one a DATA_DIR of its own.`,
      );
    }
  });
  await t.step("a port that is taken", async () => {
    await using home = await createTestDatabase();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const SERVER_PORT = String(listener.addr.port);
    const { code, err } = await run([], { DATA_DIR, DATABASE_URL: urlOf(home.address), SERVER_PORT });
    assert.equal(code, 1);
    assert.equal(
      err,
      `Port ${SERVER_PORT} on 127.0.0.1 is in use. Stop what listens there, or set another port.`,
    );
  });
});

Deno.test("a command line that cannot be understood ends with 2, the usage and a suggestion", async () => {
  await using temp = await tempDir();
  const DATA_DIR = join(temp.dir, "data");
  const malformed = await run(["devices", "approve", "12345"], { DATA_DIR });
  assert.equal(malformed.code, 2);
  assert.match(malformed.err, /devices approve CODE/);
  assert.match(malformed.err, /six digits/);
  const mistyped = await run(["devices", "lsit"], { DATA_DIR });
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.err, /Did you mean list\?/);
});

Deno.test("help and the version need no valid settings", async () => {
  const env = { SERVER_PORT: "x" };
  const help = await run(["--help"], env);
  assert.equal(help.code, 0);
  assert.match(help.out, /devices/);
  assert.deepEqual(await run(["--version"], env), { code: 0, out: VERSION, err: "" });
});

Deno.test("the commands work beside a running server, and a server whose PostgreSQL is killed ends with 1", async () => {
  await using temp = await tempDir();
  const DATA_DIR = join(temp.dir, "data");
  // The unprivileged user of the embedded PostgreSQL must be able to enter.
  await Deno.chmod(temp.dir, 0o755);
  await using server = await start({ DATA_DIR, PAIRING: "approve" }, join(temp.dir, "log"));
  const client = createClient({ baseUrl: server.url });
  await verify(client, await register(client));
  const guest = await register(client);
  await assert.rejects(
    verify(client, guest),
    (error) => error instanceof RemoteError && error.body.code === "pairing_required",
  );
  const approved = await run(["devices", "approve", guest.code], { DATA_DIR });
  assert.equal(approved.code, 0, approved.err);
  assert.ok(await verify(client, guest));
  const listed = await run(["devices", "list"], { DATA_DIR });
  assert.equal(listed.out.split("\n").filter((line) => / active .* MacBook Pro$/.test(line)).length, 2);
  assert.equal(listed.out.includes(guest.code), false);
  const backup = join(temp.dir, "backup.age");
  const BACKUP_RECIPIENT = "age1ms7v0u5s6fz4aafeqxtjc0nsda72kxlhrlrtpgl76s2wgqzyccjshm45e4";
  const backedUp = await run(["backup", backup], { DATA_DIR, BACKUP_RECIPIENT });
  assert.equal(backedUp.code, 0, backedUp.err);
  assert.match(await Deno.readTextFile(backup), /^age-encryption\.org\/v1\n-> X25519 /);
  const again = await run(["restore", backup, "--key", backup], { DATA_DIR });
  assert.equal(again.code, 1);
  assert.match(again.err, /This key does not open the backup/);

  const pidFile = await findFile(join(DATA_DIR, "postgres"), "postmaster.pid");
  const [pid] = (await Deno.readTextFile(pidFile)).split("\n");
  Deno.kill(Number(pid), "SIGKILL");
  assert.equal((await server.ended).code, 1);
  const lines = (await Deno.readTextFile(join(temp.dir, "log"))).trim().split("\n");
  assert.match(lines.at(-1) ?? "", /PostgreSQL/);
});

async function findFile(folder: string, name: string): Promise<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.name === name) return path;
    if (entry.isDirectory && entry.name !== "base") {
      const found = await findFile(path, name).catch(() => "");
      if (found !== "") return found;
    }
  }
  throw new Error(`There is no ${name} in ${folder}`);
}
