// Tests of the policies: the default, what is stored, and that whatever cannot be understood means off.
import assert from "node:assert/strict";
import { join } from "node:path";
import { AgentStore } from "../state/agent_store.ts";
import { loadPolicies, savePolicy } from "./conversation_policies.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

const [FIRST, SECOND] = [crypto.randomUUID(), crypto.randomUUID()];

Deno.test("a conversation is drafted for on demand until the person says otherwise, each on its own", async () => {
  await inTempDir(async (dir) => {
    const store = new AgentStore(dir, "suggestions");
    assert.equal(loadPolicies(store).modeOf(FIRST), "on_demand");
    savePolicy(store, { conversationId: FIRST, mode: "automatic" });
    savePolicy(store, { conversationId: SECOND, mode: "off" });
    savePolicy(store, { conversationId: SECOND, mode: "on_demand" });
    const policies = loadPolicies(new AgentStore(dir, "suggestions"));
    assert.deepEqual([FIRST, SECOND, "toString"].map(policies.modeOf), [
      "automatic",
      "on_demand",
      "on_demand",
    ]);
    const { mode } = await Deno.stat(store.path);
    assert.equal((mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("a mode that this version does not know is off", async () => {
  await inTempDir(async (dir) => {
    const modes = { [FIRST]: "autosend", [SECOND]: 1, third: null };
    await Deno.writeTextFile(join(dir, "suggestions.json"), JSON.stringify({ version: 1, modes }));
    const policies = loadPolicies(new AgentStore(dir, "suggestions"));
    assert.deepEqual([FIRST, SECOND, "third"].map(policies.modeOf), ["off", "off", "off"]);
    assert.equal(policies.modeOf("other"), "on_demand");
  });
});

Deno.test("a file that cannot be read means off for every conversation, until the person sets a policy again", async () => {
  const contents = ["", "{", `{"version":2,"modes":{}}`, `{"version":1,"modes":[]}`];
  const files = [
    { name: "agent.db", content: "{ half" },
    ...contents.map((content) => ({ name: "suggestions.json", content })),
  ];
  for (const { name, content } of files) {
    await inTempDir(async (dir) => {
      const store = new AgentStore(dir, "suggestions");
      const path = join(dir, name);
      await Deno.writeTextFile(path, content);
      assert.equal(loadPolicies(store).modeOf(FIRST), "off", content);
      savePolicy(store, { conversationId: FIRST, mode: "on_demand" });
      const policies = loadPolicies(store);
      assert.deepEqual([policies.modeOf(FIRST), policies.isBroken], ["on_demand", false]);
      assert.equal(await Deno.readTextFile(`${path}.broken`), content);
    });
  }
});
