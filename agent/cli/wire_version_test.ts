/** Tests of an agent and a real server that do not speak the same version of the wire. */
import assert from "node:assert/strict";
import { WIRE_VERSION, WIRE_VERSION_HEADER } from "../../contract/wire.ts";
import { ADA, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { WATCHING, WELL } from "../../tests/support/mac/menubar_inputs.ts";
import { menubarView } from "../menubar/view_model.ts";
import { syncFailureOf } from "../run/sync_failure.ts";

/** An agent whose requests reach its server as those of one that speaks `spoken.version`. */
async function macThatSpeaks(spoken: { version: number }): Promise<SuggestingMac> {
  const rewrite = (request: Request) => {
    // The doctor reads the server's clock from `/health`, which refuses nobody.
    if (!new URL(request.url).pathname.startsWith("/api/")) return request;
    assert.equal(request.headers.get(WIRE_VERSION_HEADER), String(WIRE_VERSION), request.url);
    const headers = new Headers(request.headers);
    headers.set(WIRE_VERSION_HEADER, String(spoken.version));
    return new Request(request, { headers });
  };
  return await SuggestingMac.create({ rewrite });
}

for (
  const [version, old, other] of [[WIRE_VERSION + 1, "server", "agent"], [0, "agent", "server"]] as const
) {
  Deno.test(`an agent of version ${version} says that the ${old} is too old, and sends all once that is updated`, async () => {
    const spoken = { version: WIRE_VERSION };
    await using mac = await macThatSpeaks(spoken);
    for (const text of ["are you there", "hello?", "call me"]) mac.receive(ADA, text);
    spoken.version = version;
    const sentence =
      `The ${old} is too old for this ${other} (the agent speaks version ${WIRE_VERSION} of the wire)`;
    const sync = await mac.run("sync", "--once");
    assert.equal(sync.code, 1);
    assert.ok(sync.stderr.includes(`${sentence}. Update the ${old}; nothing is lost`), sync.stderr);
    const status = JSON.parse((await mac.run("status", "--json")).stdout);
    assert.deepEqual([status.server.problem, status.pairing.state], [sentence, "paired"]);
    assert.deepEqual([status.messages.syncedRowId, status.messages.waitingRows, status.refused], [0, 3, []]);
    const { findings } = JSON.parse((await mac.run("doctor", "--json")).stdout);
    const found = findings.find(({ id }: { id: string }) => id === "server");
    assert.deepEqual([found.status, found.message], ["failure", sentence]);

    const thrown = await mac.client().then((client) => client.conversations({ pageSize: 1 })).catch((error) =>
      error
    );
    const { phase, code, message, fix } = syncFailureOf(thrown, mac.served.url);
    assert.deepEqual([phase, code], ["failed", `${old === "agent" ? "client" : "server"}_outdated`]);
    const agent = { ...WATCHING, phase, lastError: { code, message, fix, at: WATCHING.since } };
    const { panel } = menubarView({ ...WELL, agent });
    assert.equal(panel.detail, sentence);

    spoken.version = WIRE_VERSION;
    await mac.sync();
    const after = JSON.parse((await mac.run("status", "--json")).stdout);
    assert.deepEqual([after.server.problem, after.messages.waitingRows, after.lastSync.inserted], [
      null,
      0,
      3,
    ]);
  });
}
