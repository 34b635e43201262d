/** Tests of the agent's settings: defaults of each system, paths made absolute, faults in sentences. */
import assert from "node:assert/strict";
import { ConfigError } from "../lib/config.ts";
import { agentConfigFrom, SETTINGS } from "./config.ts";

Deno.test("on a Mac the defaults are the places where Messages and Contacts keep their databases", () => {
  assert.deepEqual(agentConfigFrom({ HOME: "/Users/sam" }, "darwin"), {
    serverUrl: null,
    dataDir: "/Users/sam/Library/Application Support/Conversation Assistant",
    chatDb: "/Users/sam/Library/Messages/chat.db",
    addressBook: "/Users/sam/Library/Application Support/AddressBook",
  });
});

Deno.test("on Linux the data folder follows the XDG state folder, or lies in the home folder", () => {
  const dataDirOf = (env: Record<string, string>) => agentConfigFrom(env, "linux").dataDir;
  assert.equal(dataDirOf({ HOME: "/home/sam" }), "/home/sam/.local/state/conversation-assistant");
  assert.equal(
    dataDirOf({ HOME: "/home/sam", XDG_STATE_HOME: "/state" }),
    "/state/conversation-assistant",
  );
  assert.equal(dataDirOf({ HOME: "/home/sam", AGENT_DATA_DIR: "~/agent" }), "/home/sam/agent");
});

Deno.test("the country of numbers without a country code may be chosen", () => {
  assert.equal(agentConfigFrom({ HOME: "/home/sam", AGENT_REGION: "de" }, "linux").region, "DE");
  assert.throws(
    () => agentConfigFrom({ HOME: "/home/sam", AGENT_REGION: "Germany" }, "linux"),
    /AGENT_REGION must be/,
  );
});

Deno.test("relative paths count from the working directory", () => {
  const config = agentConfigFrom({ HOME: "/home/sam", AGENT_CHAT_DB: "copies/chat.db" }, "linux");
  assert.equal(config.chatDb, `${Deno.cwd()}/copies/chat.db`);
});

Deno.test("an invalid server address and a missing home folder are each reported in one sentence", () => {
  const faultsOf = (env: Record<string, string>): string[] => {
    try {
      agentConfigFrom(env, "linux");
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
    return [];
  };
  assert.deepEqual(faultsOf({ HOME: "/home/sam", AGENT_SERVER_URL: "mac.local:3100" }), [
    'AGENT_SERVER_URL must be a URL that begins with http:// or https://: got "mac.local:3100"',
  ]);
  assert.match(faultsOf({}).join(), /^HOME must be set/);
});

Deno.test("a home folder is not needed when every path is given", () => {
  const env = { AGENT_DATA_DIR: "/a", AGENT_CHAT_DB: "/b", AGENT_ADDRESS_BOOK: "/c" };
  const { dataDir, chatDb, addressBook } = agentConfigFrom(env, "linux");
  assert.deepEqual({ dataDir, chatDb, addressBook }, { dataDir: "/a", chatDb: "/b", addressBook: "/c" });
});

Deno.test("every setting has a description and a default that can be written down", () => {
  for (const row of Object.values(SETTINGS)) {
    assert.ok(row.description.length > 0, row.env);
    assert.ok(row.fallback !== null || "fallbackText" in row, row.env);
  }
});
