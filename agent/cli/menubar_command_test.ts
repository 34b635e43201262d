// Tests of `agent menubar`: it opens the app that macOS knows by its identifier.
import assert from "node:assert/strict";
import { messageOf } from "../../lib/errors.ts";
import { AgentHome } from "../../tests/support/mac/agent_home.ts";
import { RecordedCommands } from "../../tests/support/mac/recorded_commands.ts";
import { parseXmlPlist } from "../../tests/support/mac/xml_plist.ts";
import { APP_IDENTIFIER, menubarCommand } from "./service_command.ts";

Deno.test("the app is opened by its bundle identifier, and one that is not installed is reported", async () => {
  await using home = await AgentHome.create();
  let code = 0;
  const commands = new RecordedCommands(() => code);
  const machine = { ...home.services().machine, os: "darwin" };
  assert.equal(await menubarCommand({ machine, commands }), 0);
  assert.deepEqual(commands.lines, [`/usr/bin/open -b ${APP_IDENTIFIER}`]);
  const info = parseXmlPlist(
    await Deno.readTextFile(new URL("../../packaging/macos/info_additions.plist", import.meta.url)),
  );
  assert.ok(typeof info === "object" && !Array.isArray(info));
  assert.equal(info.CFBundleIdentifier, APP_IDENTIFIER);
  code = 1;
  await assert.rejects(
    menubarCommand({ machine, commands }),
    (error) => /^macOS knows no such app\. Install /.test(messageOf(error)),
  );
});

Deno.test("elsewhere there is no menubar, and the command line says so", async () => {
  await using home = await AgentHome.create();
  const run = await home.run("menubar");
  assert.deepEqual([run.code, run.stderr], [1, "The menubar exists only on macOS. Use `agent status`.\n"]);
});
