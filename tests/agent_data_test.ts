/** Tests that today's agent goes on from the data folder that an older one left: nothing lost, nothing sent twice. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { requirePairing } from "../agent/pairing/pairing.ts";
import { readRunningAgent } from "../agent/run/agent_state.ts";
import { AgentStore } from "../agent/state/agent_store.ts";
import { loadPolicies, savePolicy } from "../agent/suggest/conversation_policies.ts";
import { sendReply } from "../agent/suggest/send/send_reply.ts";
import { lastShown } from "../agent/suggest/shown_suggestions.ts";
import { syncCommand } from "../agent/cli/sync_command.ts";
import type { SyncContactsRequest, SyncMessagesRequest } from "../contract/sync.ts";
import { UserError } from "../lib/errors.ts";
import type { AgentHome } from "./support/mac/agent_home.ts";
import { fakeOsascript, osascriptCalls } from "./support/mac/fake_osascript.ts";
import { oldAgentHome } from "./support/mac/old_agent_home.ts";
import { sendDependencies } from "./support/mac/send_reply_process.ts";

/** A minute after the folder was left: every row that was watched then still is. */
const A_MINUTE_LATER_MS = Date.parse("2026-11-28T19:18:57Z");
const HOUR_MS = 60 * 60 * 1_000;
/** The parts of an old cursor that are compared. */
interface OldCursor {
  syncTarget: string;
  changes: {
    // deno-lint-ignore style/language -- stored by earlier versions
    stamps: { recent: Record<string, number>; older: Record<string, string>; lastOlderRowId: number };
    watched: Record<string, { state: string; untilMs: number | null }>;
    // deno-lint-ignore style/language -- stored by earlier versions
    putAway: number[];
    deletedId: number;
  };
}

/** The old cursor as it would be, had rows of its first block changed since. */
async function otherBlockDigest(home: AgentHome): Promise<string> {
  const cursor = await home.dataFile("cursor.json") ?? assert.fail();
  return cursor.replace(/"older":\{"1":"[0-9a-f]{15}"/, `"older":{"1":"${"0".repeat(15)}"`);
}

const ROW_NOT_SENT_YET = "Not sent yet";
/** Messages could not deliver it, which the older agent did not report: sent again, once, because it says more now. */
const FAILED_REPLY = { rowId: "6020", text: "Reply number 3" };
/** One card with two addresses: each says now that its person has the other one, too. */
const GRACE = ["+15550100002", "grace@example.com"];
const NEW_TO_THE_SERVER = { texts: [ROW_NOT_SENT_YET, FAILED_REPLY.text], contacts: GRACE, others: [] };
const NOTHING = { texts: [], contacts: [], others: [] };

interface Sent {
  texts: unknown[];
  /** Their addresses. */
  contacts: unknown[];
  /** All other requests that change the server. */
  others: unknown[];
}

/** Syncs at a time; returns what was sent. */
async function sync(home: AgentHome, nowMs: number): Promise<Sent> {
  const before = home.server.syncRequests.length;
  assert.equal(await syncCommand({ once: true }, { ...home.services(), now: () => nowMs }), 0);
  const requests = home.server.syncRequests.slice(before);
  const batches = requests.filter(({ path }) => path === "/api/sync/messages");
  const cards = requests.filter(({ path }) => path === "/api/sync/contacts");
  const contacts = cards.flatMap(({ body }) => (body as SyncContactsRequest).contacts ?? []);
  return {
    texts: batches.flatMap(({ body }) => (body as SyncMessagesRequest).messages.map(({ text }) => text)),
    contacts: contacts.map(({ phoneNumber, email }) => phoneNumber ?? email),
    others: requests.filter((request) => !batches.includes(request) && !cards.includes(request)),
  };
}

async function fileOf(home: AgentHome, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await home.dataFile(name) ?? assert.fail(`${name} is gone`));
}

/** Copies the newest row under a new guid, as a message that has just come. */
function receive(home: AgentHome, text: string): void {
  using db = new DatabaseSync(home.chatDb);
  db.exec(`
    CREATE TEMP TABLE copy AS SELECT * FROM message ORDER BY ROWID DESC LIMIT 1;
    UPDATE copy SET ROWID = ROWID + 1, guid = 'NEW', attributedBody = NULL, text = '${text}';
    INSERT INTO message SELECT * FROM copy;
    INSERT INTO chat_message_join (chat_id, message_id, message_date)
      SELECT chat_id, message_id + 1, message_date FROM chat_message_join ORDER BY message_id DESC LIMIT 1;
  `);
}

for (
  const [when, nowMs] of [
    ["while its rows are still watched", A_MINUTE_LATER_MS],
    ["long after", A_MINUTE_LATER_MS + 48 * HOUR_MS],
  ] as const
) {
  Deno.test(`the folder of an older agent is opened ${when}: what waited is sent once, and nothing that was sent`, async () => {
    await using home = await oldAgentHome();
    const { markRowId } = (await fileOf(home, "cursor.json")).database as { markRowId: number };
    assert.deepEqual(await sync(home, nowMs), NEW_TO_THE_SERVER);
    assert.deepEqual(await sync(home, nowMs), NOTHING);
    receive(home, "And one more");
    assert.deepEqual(await sync(home, nowMs), { ...NOTHING, texts: ["And one more"] });
    assert.equal(home.cursor?.database.markRowId, markRowId + 2);
  });
}

Deno.test("what an older agent knew of rows, refusals and contacts is still known after a sync", async () => {
  await using home = await oldAgentHome();
  const [record, contacts] = [await fileOf(home, "sync.json"), await fileOf(home, "contacts.json")];
  const { syncTarget, changes } = await fileOf(home, "cursor.json") as unknown as OldCursor;
  await sync(home, A_MINUTE_LATER_MS);
  assert.equal(home.cursor?.syncTarget, syncTarget);
  assert.equal(home.cursor?.deletedId, changes.deletedId);
  const rows = home.stateRows("SELECT row_id, checksum, state, watch_until FROM seen_rows");
  const row = new Map(rows.map(([rowId, ...rest]) => [String(rowId), rest]));
  // deno-lint-ignore style/language -- stored by earlier versions
  const { stamps: { recent, older, lastOlderRowId }, putAway: reported } = changes;
  for (const [rowId, checksum] of Object.entries(recent)) assert.equal(row.get(rowId)?.[0], checksum);
  for (const [rowId, { state, untilMs }] of Object.entries(changes.watched)) {
    if (rowId !== FAILED_REPLY.rowId) assert.deepEqual(row.get(rowId)?.slice(1), [state, untilMs], rowId);
  }
  for (const rowId of reported) assert.equal(row.get(String(rowId))?.[1], "reported_deleted");
  // Rows that were known by the digest of their block are known one by one.
  assert.ok(Object.keys(older).length > 0);
  const timestamped = rows.filter(([rowId, checksum]) => Number(rowId) <= lastOlderRowId && checksum !== 0);
  assert.ok(timestamped.length > 0);
  assert.deepEqual(home.stateRows("SELECT * FROM old_blocks"), []);
  const refused = home.stateRows("SELECT value FROM refused_items ORDER BY place");
  assert.deepEqual(refused.map(([value]) => JSON.parse(String(value))), record.refused);
  const hashes = home.stateRows("SELECT id, value FROM contact_hashes");
  const known = Object.fromEntries(hashes.map(([id, value]) => [id, JSON.parse(String(value))]));
  const sent = contacts.sent as Record<string, unknown>;
  assert.deepEqual(Object.keys(known).sort(), Object.keys(sent).sort());
  assert.equal(Object.keys(sent).filter((id) => known[id] !== sent[id]).length, GRACE.length);
});

Deno.test("the files of an older agent are gone once they are taken over, and a look at them leaves them alone", async () => {
  await using home = await oldAgentHome();
  const files = async () =>
    (await Array.fromAsync(Deno.readDir(home.dataDir))).map(({ name }) => name).sort();
  const before = await files();
  assert.equal((await home.run("status")).code, 0);
  assert.equal((await home.run("sync --once --dry-run")).code, 0);
  assert.deepEqual(await files(), before);
  await sync(home, A_MINUTE_LATER_MS);
  const suggestions = ["sent_replies.json", "shown_suggestions.json", "suggestions.json"];
  const left = ["agent.db", "pairing.json", ...suggestions, "state.json", "sync.lock", "token"];
  assert.deepEqual(await files(), left.sort());
  savePolicy(home.services().suggestions, { conversationId: "one", mode: "off" });
  assert.deepEqual(await files(), left.filter((name) => !suggestions.includes(name)));
  assert.equal(home.stateRows("SELECT * FROM sent_replies").length, 5);
});

Deno.test("a row that changed since an older agent has seen its block is sent, with no more than its block", async () => {
  await using home = await oldAgentHome();
  await Deno.writeTextFile(`${home.dataDir}/cursor.json`, await otherBlockDigest(home));
  const { texts } = await sync(home, A_MINUTE_LATER_MS + 48 * HOUR_MS);
  assert.ok(texts.includes(ROW_NOT_SENT_YET));
  assert.ok(texts.length > 1 && texts.length <= 1 + 12, `${texts.length}`);
  assert.deepEqual(await sync(home, A_MINUTE_LATER_MS + 48 * HOUR_MS), NOTHING);
});

Deno.test("a takeover that is killed before it removes the files is made again, and nothing is sent again", async () => {
  await using home = await oldAgentHome();
  const cursor = await home.dataFile("cursor.json") ?? assert.fail();
  new AgentStore(home.dataDir, "sync").open()[Symbol.dispose]();
  assert.equal(await home.dataFile("cursor.json"), null);
  await Deno.writeTextFile(`${home.dataDir}/cursor.json`, cursor);
  assert.deepEqual(await sync(home, A_MINUTE_LATER_MS), NEW_TO_THE_SERVER);
  assert.deepEqual(await sync(home, A_MINUTE_LATER_MS), NOTHING);
});

Deno.test("a cursor of an older agent that cannot be read is kept aside, and each message stays there once", async () => {
  await using home = await oldAgentHome();
  await Deno.writeTextFile(`${home.dataDir}/cursor.json`, '{"version":4,"syncTar');
  const before = await home.run("status");
  assert.match(before.stdout, /kept aside under a name that ends in \.broken: the next sync sends all/);
  const { stdout } = await home.run("sync --once");
  assert.match(stdout, /kept aside under a name that ends in \.broken, so all messages were sent again/);
  assert.equal(await home.dataFile("cursor.json.broken"), '{"version":4,"syncTar');
  assert.doesNotMatch((await home.run("sync --once")).stdout, /\.broken/);
});

Deno.test("a pairing, policies and shown drafts of an older agent still hold", async () => {
  await using home = await oldAgentHome();
  const { pairing, suggestions } = home.services();
  const { token } = await requirePairing(pairing);
  assert.equal((await pairing.server(token).currentDevice()).status, "active");
  const stored = await fileOf(home, "suggestions.json") as { modes: Record<string, string> };
  const policies = loadPolicies(suggestions);
  assert.deepEqual([policies.modes, policies.isBroken], [stored.modes, false]);
  assert.deepEqual(Object.values(policies.modes).sort(), ["automatic", "off", "on_demand"]);
  const { shown } = await fileOf(home, "shown_suggestions.json") as { shown: { conversationId: string }[] };
  for (const entry of shown) {
    assert.deepEqual(lastShown(suggestions, entry.conversationId), entry);
  }
});

Deno.test("the state that an older agent published is understood", async () => {
  await using home = await oldAgentHome();
  const { state } = await readRunningAgent(home.dataDir);
  assert.deepEqual([state?.phase, state?.lagRows], ["server_unreachable", 1]);
  assert.equal((await home.run("status")).code, 0);
});

Deno.test("no draft that an older agent has sent, or may have sent, is sent again", async () => {
  await using home = await oldAgentHome();
  const { entries } = await fileOf(home, "sent_replies.json") as {
    entries: { responseId: string; outcome: string | null }[];
  };
  const { shown } = await fileOf(home, "shown_suggestions.json") as {
    shown: { responseId: string; messageGuid: string }[];
  };
  const osascript = await fakeOsascript({ dir: home.dir, chatDb: home.chatDb, sending: "deliver" });
  const dependencies = sendDependencies({ chatDb: home.chatDb, dataDir: home.dataDir, osascript });
  assert.deepEqual(entries.map(({ outcome }) => outcome), ["delivered", "sent", "failed", "unknown", null]);
  for (const { responseId, outcome } of entries) {
    const messageGuid = shown.find((entry) => entry.responseId === responseId)?.messageGuid ?? assert.fail();
    const sending = sendReply(dependencies, { responseId, messageGuid, text: "Again" });
    if (outcome !== "failed") await assert.rejects(sending, UserError);
    else await sending.catch((error) => assert.ok(error instanceof UserError));
  }
  assert.ok(await osascriptCalls(osascript) <= 1);
});
