/** Tests that each line of the README that is to be typed is run by a test, or has a border that is known. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ADA, SuggestingMac } from "../tests/support/mac/suggesting_mac.ts";
import { PROJECT_ROOT } from "./service_process.ts";

/** The lines of the README's block for the Mac, which are run here as they stand, but for the server's address. */
const RUN_HERE = [
  "export AGENT_SERVER_URL=http://your-server:3100",
  "./assistant agent pair",
  "./assistant agent sync --once",
  "./assistant agent suggest",
];

/** Lines that other tests run. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  "npx -y deno@2.9.6 task test": "tools/run_tests_test.ts",
  "deno task start": "tools/start_test.ts",
  "packaging/docker/make_env.sh": "tools/deployment_test.ts",
};

/** Lines that need what build machines lack, or too much of their time, and what it is: docs/release.md has the borders. */
const BORDERS: Readonly<Record<string, string>> = {
  "npx -y deno@2.9.6 task demo": "minutes, and a model from the network",
  "./assistant agent service install": "launchd",
  "docker compose up": "Docker",
  "brew tap OWNER/conversation-assistant": "Homebrew",
  "brew install conversation-server conversation-ml": "Homebrew",
  "brew install --cask conversation-assistant": "Homebrew",
  "brew services start conversation-ml": "Homebrew",
  "brew services start conversation-server": "Homebrew",
  "conversation-agent pair": "Homebrew",
  "conversation-agent service install": "Homebrew",
};

/** Lines of the README's shell blocks, without what is said about them. */
async function readmeLines(): Promise<string[]> {
  const text = await Deno.readTextFile(join(PROJECT_ROOT, "README.md"));
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? "");
  return blocks.flatMap((block) => block.trim().split("\n")).map((line) => line.replace(/\s+#.*$/, ""));
}

Deno.test("each line that the README gives to type is run by a test or has a known border", async () => {
  const known = [...RUN_HERE, ...Object.keys(RUN_ELSEWHERE), ...Object.keys(BORDERS)];
  assert.deepEqual((await readmeLines()).toSorted(), known.toSorted());
  for (const path of Object.values(RUN_ELSEWHERE)) await Deno.stat(join(PROJECT_ROOT, path));
});

Deno.test("the README's block for the Mac does what it says", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  const lines = (await readmeLines()).filter((line) => RUN_HERE.includes(line));
  const script = lines.join("\n").replace("http://your-server:3100", mac.served.url);
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-e", "-c", script],
    cwd: PROJECT_ROOT,
    env: {
      AGENT_DATA_DIR: join(mac.dir, "data"),
      AGENT_CHAT_DB: join(mac.dir, "chat.db"),
      AGENT_ADDRESS_BOOK: join(mac.dir, "AddressBook"),
    },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text + new TextDecoder().decode(stderr));
  assert.match(text, /^Paired with /m);
  assert.match(text, /^Messages: 1 new/m);
  assert.match(text, /^Draft {6}Reply number 1 /m);
});
