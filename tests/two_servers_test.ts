/** Tests several servers on one database, as processes: drafts of one that is killed, tokens, and devices shut out. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema, responseRecordSchema } from "../contract/responses.ts";
import { RemoteError } from "../lib/http/client.ts";
import { anything, killWhileDrafting, sendMessage, startTwoServers } from "./support/server/two_servers.ts";

/** `deno run -A bench/server/two_servers_bench.ts` runs 200 drafts and three kills. */
const CI_SIZE = { drafts: 40, kills: 3 };

Deno.test("two servers on one database are one to their devices, and a killed one loses no draft", async (t) => {
  await using servers = await startTwoServers();
  const { atFirst, atSecond, deviceId, database: { database: { sql } } } = servers;

  let draftedAtSecond = "";
  await t.step("a device paired at one works at the other", async () => {
    const schema = responseRecordSchema;
    const messageId = await sendMessage(atFirst);
    const body = { messageId };
    const drafted = await atSecond.request("POST", SERVER_PATHS.generateResponse, {
      body,
      schema: generatedResponseSchema,
    });
    draftedAtSecond = drafted.responseId;
    const path = pathOf(SERVER_PATHS.response, { id: draftedAtSecond });
    assert.equal((await atFirst.request("GET", path, { schema })).status, "completed");
  });

  await t.step(
    `of ${CI_SIZE.drafts} drafts queued at a server that is killed thrice each ends exactly once`,
    async () => {
      const outcome = await killWhileDrafting(servers, CI_SIZE);
      assert.deepEqual(outcome.statuses, { completed: CI_SIZE.drafts + 1 });
      assert.equal(outcome.endedTwice, 0);
    },
  );

  await t.step(
    "a server that starts fails the draft of a dead server, and leaves that of a live one alone",
    async () => {
      const insertBeside = async (responseId: string) => {
        const [row] = await sql<{ id: string }>`
        insert into responses (id, account_id, conversation_id, message_id, device_id, status, prompt, server_id)
        select gen_random_uuid(), account_id, conversation_id, message_id, device_id, 'generating', prompt, server_id
        from responses where id = ${responseId} returning id`;
        return row?.id ?? "";
      };
      const [queuedAtKilled] = await sql<{ id: string }>`select id from jobs limit 1`;
      const ofDead = await insertBeside(queuedAtKilled?.id ?? "");
      const ofLive = await insertBeside(draftedAtSecond);
      servers.first.server.kill();
      await servers.first.restartServer();
      const statusOf = async (id: string) => {
        const path = pathOf(SERVER_PATHS.response, { id });
        return (await atSecond.request("GET", path, { schema: responseRecordSchema })).status;
      };
      assert.deepEqual([await statusOf(ofDead), await statusOf(ofLive)], ["failed", "generating"]);
    },
  );

  await t.step("a device that one shuts out is out at the other", async () => {
    const path = pathOf(SERVER_PATHS.deactivateDevice, { id: deviceId });
    await atFirst.request("POST", path, { schema: anything });
    const refused = atSecond.request("GET", SERVER_PATHS.currentDevice, { schema: anything });
    await assert.rejects(
      refused,
      (error) => error instanceof RemoteError && error.body.code === "device_deactivated",
    );
  });
});
