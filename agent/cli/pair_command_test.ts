/** Tests of `agent pair` against a server that speaks the contract. */
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { agentConfigFrom } from "../config.ts";
import { createAgentContext } from "../context.ts";
import { AgentHome, capturedOutput } from "../../tests/support/mac/agent_home.ts";
import type { Misbehaviour } from "../../tests/support/server/contract_server.ts";

Deno.test("on an open server one command pairs the device, under the machine's name", async () => {
  await using home = await AgentHome.create();
  const run = await home.run("pair");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /^Paired with http:\/\/127\.0\.0\.1:\d+ until \d{4}-\d\d-\d\d \d\d:\d\d\.$/m);
  const [device] = home.server.devices;
  assert.equal(device?.status, "active");
  assert.equal(device?.name, hostname());
  assert.equal(device?.platform, "linux");
  assert.match(device?.hardwareId ?? "", /^[0-9a-f-]{36}$/);
});

Deno.test("the device takes the name it is given, and a name the contract refuses is a usage fault", async () => {
  await using home = await AgentHome.create();
  assert.equal((await home.run("pair --name Kitchen")).code, 0);
  assert.equal(home.server.devices[0]?.name, "Kitchen");
  const run = await home.run(`pair --name ${"x".repeat(201)}`);
  assert.equal(run.code, 2);
  assert.match(run.stderr, /--name must be 1 to 200 characters/);
});

Deno.test("the token is in a file for the owner alone, and in no other file and no output", async () => {
  await using home = await AgentHome.create();
  const run = await home.run("pair");
  const token = await home.dataFile("token");
  assert.match(token ?? "", /^token-/);
  assert.equal(((await Deno.stat(`${home.dataDir}/token`)).mode ?? 0) & 0o777, 0o600);
  assert.ok(!(run.stdout + run.stderr + await home.dataFile("pairing.json")).includes(token ?? ""));
});

Deno.test("where approval is needed the code is shown once, kept, and the pairing continued after", async () => {
  await using home = await AgentHome.create();
  home.server.pairing = "approve";
  const asked = await home.run("pair");
  assert.equal(asked.code, 1);
  const code = /Code: (\d{6}) \(valid until \d{4}-\d\d-\d\d \d\d:\d\d\)$/m.exec(asked.stdout)?.[1] ?? "";
  assert.match(asked.stdout, /agent pair --continue/);
  assert.equal((await home.run("sync --once")).stderr.match(/not paired/)?.length, 1);

  const early = await home.run("pair --continue");
  assert.equal(early.code, 1);
  assert.ok(early.stdout.includes(code));

  home.server.approve(code);
  const paired = await home.run("pair --continue");
  assert.equal(paired.code, 0, paired.stderr);
  assert.equal(home.server.devices.length, 1);
  assert.ok(!(await home.dataFile("pairing.json"))?.includes(code));
});

Deno.test("an expired code is reported as expired, and only a new pairing helps", async () => {
  await using home = await AgentHome.create();
  home.server.pairing = "approve";
  await home.run("pair");
  home.server.interfere = ({ path }) => path.endsWith("/verify") ? { status: "code_invalid" } : null;
  const late = await home.run("pair --continue");
  assert.equal(late.code, 1);
  assert.match(late.stderr, /^The code has expired or was used\. Run `agent pair`/);
  assert.match((await home.run("pair --continue")).stderr, /^No pairing with .* is in progress/);
});

Deno.test("continuing without a pairing in progress, or with a name, is refused", async () => {
  await using home = await AgentHome.create();
  const run = await home.run("pair --continue");
  assert.equal(run.code, 1);
  assert.match(run.stderr, /No pairing .* is in progress\. Run `agent pair`/);
  assert.equal((await home.run("pair --continue --name a")).code, 2);
});

Deno.test("a device that pairs again while it is paired stays in its account, and its old pairing is shut", async () => {
  await using home = await AgentHome.paired();
  home.server.pairing = "approve";
  const again = await home.run("pair");
  assert.equal(again.code, 0, again.stderr);
  assert.equal(home.server.accounts.size, 1);
  assert.deepEqual(home.server.devices.map(({ status }) => status), ["deactivated", "active"]);
  const [first, second] = home.server.devices;
  assert.equal(first?.hardwareId, second?.hardwareId);
});

Deno.test("a device whose pairing has ended can pair again without its old token, once its owner approves it", async () => {
  await using home = await AgentHome.paired();
  home.server.expireTokens();
  await home.pairApproved();
  assert.equal(home.server.accounts.size, 1);
});

Deno.test("an answer that is lost on the way leaves nothing that blocks the next try", async () => {
  await using home = await AgentHome.create();
  home.server.interfere = ({ path }) => path.endsWith("/verify") ? "hang_up_after_storing" : null;
  const lost = await home.run("pair");
  assert.equal(lost.code, 1);
  assert.equal(lost.stderr.trim().split("\n").length, 1);
  home.server.interfere = () => null;
  assert.match((await home.run("pair --continue")).stderr, /Run `agent pair`/);
  await home.pairApproved();
});

Deno.test("each way a server can refuse a pairing is one sentence", async () => {
  await using home = await AgentHome.create();
  const stderrOf = async (misbehaviour: Misbehaviour) => {
    home.server.interfere = () => misbehaviour;
    const run = await home.run("pair");
    assert.equal(run.code, 1);
    assert.equal(run.stderr.trim().split("\n").length, 1);
    return run.stderr;
  };
  assert.match(
    await stderrOf({ status: "too_many_requests", retryAfterSeconds: 60 }),
    /Try again in 60 seconds/,
  );
  assert.match(await stderrOf({ status: "database_unavailable" }), /Try again later/);
  assert.match(
    await stderrOf({ status: "internal" }),
    /The server failed \(status 500, request [0-9a-f-]{36}\)/,
  );
  assert.match(
    await stderrOf({ status: "validation_failed", details: [{ path: "osVersion", message: "x" }] }),
    /refused the request \(status 400, validation_failed at osVersion\)/,
  );
  assert.match(await stderrOf("hang_up"), /^Cannot reach the server/);
  await home.server.stop();
  assert.match((await home.run("pair")).stderr, /Connection refused.*set AGENT_SERVER_URL\./);
});

Deno.test("an unreadable pairing record is moved aside, and pairing starts again", async () => {
  await using home = await AgentHome.paired();
  await Deno.writeTextFile(`${home.dataDir}/pairing.json`, "{ half");
  assert.match((await home.run("sync --once")).stderr, /cannot be read\. Run `agent pair`/);
  await home.pairApproved();
  assert.equal(await home.dataFile("pairing.json.broken"), "{ half");
});

Deno.test("once paired, the server need not be named again; a named one counts", async () => {
  await using home = await AgentHome.paired();
  const serverUrlWith = (change: Record<string, string>) => {
    const { AGENT_SERVER_URL: _, ...env } = home.env;
    const settings = agentConfigFrom({ ...env, ...change });
    return createAgentContext(settings, { output: capturedOutput(), os: "linux" }).config.serverUrl;
  };
  assert.equal(serverUrlWith({}), home.server.url);
  assert.equal(serverUrlWith({ AGENT_SERVER_URL: "http://mac.local:3100" }), "http://mac.local:3100");
  assert.equal(serverUrlWith({ AGENT_DATA_DIR: home.dir }), "http://127.0.0.1:3100");
  await Deno.writeTextFile(`${home.dataDir}/pairing.json`, "{");
  assert.equal(serverUrlWith({}), "http://127.0.0.1:3100");
});
