/** Tests that a pairing is refreshed by itself, against a real server whose time the test moves. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import type { AgentContext } from "../cli/agent_context.ts";
import { pairedDrafts } from "../cli/background_tasks.ts";
import { createServerClient } from "../clients/server_client.ts";
import { checkPairing } from "../doctor/server_check.ts";
import { agentStatus } from "../run/agent_status.ts";
import { SyncSession } from "../run/sync_session.ts";
import { syncFailureOf } from "../run/sync_failure.ts";
import { pair, requirePairing } from "./pairing.ts";

const DAY_MS = 24 * 3_600_000;

/** A paired Mac and its server, whose days pass together. */
class DatedMac implements AsyncDisposable {
  #days = 0;
  constructor(readonly mac: SuggestingMac) {}

  static async create(): Promise<DatedMac> {
    return new DatedMac(await SuggestingMac.create());
  }

  pass(days: number): void {
    this.#days += days;
    const { clock } = this.mac.served.app;
    clock.now = new Date(clock.now.getTime() + days * DAY_MS);
  }

  now = (): number => Date.now() + this.#days * DAY_MS;

  services(): AgentContext {
    const services = this.mac.services();
    return { ...services, now: this.now, pairing: { ...services.pairing, now: this.now } };
  }

  status(): ReturnType<typeof agentStatus> {
    const { pairing, store, config } = this.services();
    return agentStatus({ pairing, store, chatDb: config.chatDb });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.mac[Symbol.asyncDispose]();
  }
}

function sessionOf({ pairing, liveServer, store, now, config, ...services }: AgentContext): SyncSession {
  return new SyncSession({
    pairing,
    server: liveServer,
    chatDb: config.chatDb,
    openChatDatabase: services.openChatDatabase,
    readAddressBook: services.readAddressBook,
    addressBookSignature: () => "",
    store,
    now,
  });
}

Deno.test("an agent that stays refreshes its tokens daily, and is no new pairing for that", async () => {
  await using dated = await DatedMac.create();
  using session = sessionOf(dated.services());
  assert.equal(await session.open(), true);
  const tokens = new Set<string | null>();
  for (let week = 0; week < 15; week++) {
    dated.pass(6);
    assert.equal(await session.open(), false);
    await session.sendHeartbeat();
    tokens.add(await Deno.readTextFile(join(dated.mac.dir, "data/refresh_token")));
  }
  assert.equal(tokens.size, 15);
});

Deno.test("within a day nothing is refreshed, and the tokens are read no second time", async () => {
  await using dated = await DatedMac.create();
  const services = dated.services();
  let asked = 0;
  const tokenStore: typeof services.pairing.tokenStore = (hardwareId) => {
    asked++;
    return services.pairing.tokenStore(hardwareId);
  };
  using session = sessionOf({ ...services, pairing: { ...services.pairing, tokenStore } });
  await session.open();
  dated.pass(0.9);
  await session.open();
  assert.equal(asked, 1);
});

Deno.test("drafts of a program that stays continue over the end of its first token", async () => {
  await using dated = await DatedMac.create();
  const client = pairedDrafts(dated.services());
  await (await client()).conversations({ pageSize: 1 });
  dated.pass(6);
  await (await client()).conversations({ pageSize: 1 });
  dated.pass(6);
  assert.equal((await (await client()).conversations({ pageSize: 1 })).total, 0);
});

Deno.test("an agent that was off for weeks is still paired, and says until when", async () => {
  await using dated = await DatedMac.create();
  dated.pass(60);
  const { pairing, server } = await dated.status();
  assert.deepEqual([pairing.state, server.problem], ["paired", null]);
  const daysLeft = (Date.parse(pairing.expiresAt ?? "") - dated.now()) / DAY_MS;
  assert.equal(Math.round(daysLeft), 30);
  await requirePairing(dated.services().pairing);
  assert.equal((await dated.status()).pairing.state, "paired");
});

Deno.test("after 90 days away the agent, its status and its doctor say that the pairing has expired", async () => {
  await using dated = await DatedMac.create();
  dated.pass(91);
  const { pairing } = dated.services();
  const error = await requirePairing(pairing).then(() => assert.fail("it was paired"), (thrown) => thrown);
  const failure = syncFailureOf(error, pairing.serverUrl);
  assert.deepEqual([failure.phase, failure.code, failure.message], [
    "pairing_ended",
    "token_expired",
    "The pairing has expired",
  ]);
  const status = await dated.status();
  assert.equal(status.pairing.state, "expired");
  const finding = checkPairing(status, dated.now());
  assert.match(
    finding.message,
    /^The pairing has expired, as this device was away from the server for too long/,
  );
});

Deno.test("a refresh that the server does not answer is no end of a token that is still valid", async () => {
  await using dated = await DatedMac.create();
  const services = dated.services();
  const before = await requirePairing(services.pairing);
  dated.pass(2);
  const nobody = createServerClient({ baseUrl: "http://127.0.0.1:1", token: null, retries: 0 });
  const server: typeof services.pairing.server = (token) => ({
    ...services.pairing.server(token),
    refresh: nobody.refresh,
  });
  const unanswered = { ...services.pairing, server };
  assert.equal((await requirePairing(unanswered)).token, before.token);
  dated.pass(6);
  await assert.rejects(requirePairing(unanswered));
  await requirePairing(services.pairing);
});

Deno.test("an agent that lost the answer of a refresh, and what it had stored of it, refreshes with the token before", async () => {
  await using dated = await DatedMac.create();
  const { pairing } = dated.services();
  const path = join(dated.mac.dir, "data/refresh_token");
  const before = await Deno.readTextFile(path);
  dated.pass(1);
  await pairing.server(null).refresh(before.trim());
  await requirePairing(pairing);
  assert.notEqual(await Deno.readTextFile(path), before);
  dated.pass(1);
  await requirePairing(pairing);
  assert.equal((await dated.status()).pairing.state, "paired");
});

Deno.test("a Mac that is paired again after weeks stays in its account, and its old pairing is shut", async () => {
  await using dated = await DatedMac.create();
  dated.pass(30);
  const { pairing, describeDevice } = dated.services();
  assert.equal((await pair(pairing, { device: await describeDevice() })).kind, "paired");
  const { rows } = await dated.mac.served.app.store.devices.listAll({ page: 1, pageSize: 10 });
  assert.deepEqual(rows.map(({ status }) => status), ["active", "deactivated"]);
  assert.equal(new Set(rows.map(({ accountId }) => accountId)).size, 1);
});
