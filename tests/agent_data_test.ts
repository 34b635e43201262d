/** Tests that today's agent goes on from the data folder that an older one left: nothing lost, nothing sent twice. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { requirePairing } from "../agent/pairing/pairing.ts";
import { readRunningAgent } from "../agent/run/agent_state.ts";
import { loadPolicies } from "../agent/suggest/conversation_policies.ts";
import { sendReply } from "../agent/suggest/send/send_reply.ts";
import { lastShown } from "../agent/suggest/shown_suggestions.ts";
import { syncCommand } from "../agent/cli/sync_command.ts";
import type { SyncMessagesRequest } from "../contract/sync.ts";
import { UserError } from "../lib/errors.ts";
import type { AgentHome } from "./support/mac/agent_home.ts";
import { fakeOsascript, osascriptCalls } from "./support/mac/fake_osascript.ts";
import { oldAgentHome } from "./support/mac/old_agent_home.ts";
import { sendDependencies } from "./support/mac/send_reply_process.ts";

/** A minute after the folder was left: every row that was watched then still is. */
const A_MINUTE_LATER_MS = Date.parse("2026-11-28T19:18:57Z");
const HOUR_MS = 60 * 60 * 1_000;
const ROW_NOT_SENT_YET = "Not sent yet";

/** Syncs at a time; returns the texts that were sent, and all other requests that change the server. */
async function sync(home: AgentHome, nowMs: number): Promise<{ texts: unknown[]; others: unknown[] }> {
  const before = home.server.syncRequests.length;
  assert.equal(await syncCommand({ once: true }, { ...home.services(), now: () => nowMs }), 0);
  const requests = home.server.syncRequests.slice(before);
  const batches = requests.filter(({ path }) => path === "/api/sync/messages");
  return {
    texts: batches.flatMap(({ body }) => (body as SyncMessagesRequest).messages.map(({ text }) => text)),
    others: requests.filter((request) => !batches.includes(request)),
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
    assert.deepEqual(await sync(home, nowMs), { texts: [ROW_NOT_SENT_YET], others: [] });
    assert.deepEqual(await sync(home, nowMs), { texts: [], others: [] });
    receive(home, "And one more");
    assert.deepEqual(await sync(home, nowMs), { texts: ["And one more"], others: [] });
    const { database } = await fileOf(home, "cursor.json") as { database: { markRowId: number } };
    assert.equal(database.markRowId, markRowId + 2);
  });
}

Deno.test("what an older agent knew of rows, refusals and contacts is still known after a sync", async () => {
  await using home = await oldAgentHome();
  const [record, contacts] = [await fileOf(home, "sync.json"), await fileOf(home, "contacts.json")];
  const before = (await fileOf(home, "cursor.json")).changes as Record<string, unknown>;
  await sync(home, A_MINUTE_LATER_MS);
  const after = (await fileOf(home, "cursor.json")).changes as Record<string, unknown>;
  assert.deepEqual({ ...after, watched: null }, { ...before, watched: null });
  const [was, is] = [before.watched, after.watched] as Record<string, unknown>[];
  assert.deepEqual({ ...is, ...was }, is);
  assert.deepEqual((await fileOf(home, "sync.json")).refused, record.refused);
  assert.deepEqual(await fileOf(home, "contacts.json"), contacts);
});

Deno.test("a pairing, policies and shown drafts of an older agent still hold", async () => {
  await using home = await oldAgentHome();
  const { pairing, suggestions } = home.services();
  const { token } = await requirePairing(pairing);
  assert.equal((await pairing.server(token).currentDevice()).status, "active");
  const stored = await fileOf(home, "suggestions.json") as { modes: Record<string, string> };
  const policies = await loadPolicies(suggestions.policies);
  assert.deepEqual([policies.modes, policies.isBroken], [stored.modes, false]);
  assert.deepEqual(Object.values(policies.modes).sort(), ["automatic", "off", "on_demand"]);
  const { shown } = await fileOf(home, "shown_suggestions.json") as { shown: { conversationId: string }[] };
  for (const entry of shown) {
    assert.deepEqual(await lastShown(suggestions.shown, entry.conversationId), entry);
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
