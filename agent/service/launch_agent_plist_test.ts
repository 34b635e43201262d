// Tests of the service's files: their exact text, and that others read in them what is meant.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { parseXmlPlist } from "../../tests/support/mac/xml_plist.ts";
import type { ServiceSpec } from "../../lib/service/launchd_plist.ts";
import { launchAgentPlist } from "./launch_agent_plist.ts";
import { permissionHolder, programFacts, serviceProgram } from "./service_program.ts";
import { systemdUnit } from "../../lib/service/systemd_unit.ts";

const SPEC: ServiceSpec = {
  program: ["/Applications/Conversation Assistant.app/Contents/MacOS/agent", "run"],
  environment: {
    AGENT_SERVER_URL: "http://127.0.0.1:3100",
    AGENT_DATA_DIR: "/Users/me/Library/Application Support/Conversation Assistant",
  },
  logPath: "/Users/me/Library/Application Support/Conversation Assistant/logs/agent.log",
};

const PLIST = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>app.conversation-assistant.agent</string>
  <key>ProgramArguments</key>
  <array>
    <string>/Applications/Conversation Assistant.app/Contents/MacOS/agent</string>
    <string>run</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>AGENT_SERVER_URL</key>
    <string>http://127.0.0.1:3100</string>
    <key>AGENT_DATA_DIR</key>
    <string>/Users/me/Library/Application Support/Conversation Assistant</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>ThrottleInterval</key>
  <integer>30</integer>
  <key>ExitTimeOut</key>
  <integer>20</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>LimitLoadToSessionType</key>
  <string>Aqua</string>
  <key>StandardOutPath</key>
  <string>/Users/me/Library/Application Support/Conversation Assistant/logs/agent.log</string>
  <key>StandardErrorPath</key>
  <string>/Users/me/Library/Application Support/Conversation Assistant/logs/agent.log</string>
</dict>
</plist>
`;

const UNIT = `[Unit]
Description=Agent of Conversation Assistant

[Service]
ExecStart="/opt/a b/100%% \\"sure\\"/$$HOME" "run"
Environment="AGENT_DATA_DIR=/home/me/$x 50%%"
Restart=always
RestartSec=30

[Install]
WantedBy=default.target
`;

Deno.test("the LaunchAgent is written exactly so", () => {
  assert.equal(launchAgentPlist(SPEC), PLIST);
});

Deno.test("whatever stands in a path or a setting, a reader of XML gets it back", () => {
  const words = fc.string({
    unit: fc.constantFrom("a", "&", "<", ">", '"', "'", "]]>", "&amp;", "é", "👍"),
    minLength: 1,
  });
  fc.assert(fc.property(words, words, words, (program, url, logPath) => {
    const parsed = parseXmlPlist(
      launchAgentPlist({ program: [program, url], environment: { URL: url }, logPath }),
    );
    assert.ok(typeof parsed === "object" && !Array.isArray(parsed));
    assert.deepEqual(parsed.ProgramArguments, [program, url]);
    assert.deepEqual(parsed.EnvironmentVariables, { URL: url });
    assert.deepEqual([parsed.StandardOutPath, parsed.StandardErrorPath], [logPath, logPath]);
    assert.deepEqual([parsed.RunAtLoad, parsed.KeepAlive, parsed.ThrottleInterval], [true, true, 30]);
  }));
});

Deno.test("the systemd unit quotes what systemd would take for its own", () => {
  const program = [`/opt/a b/100% "sure"/$HOME`, "run"] as const;
  assert.equal(
    systemdUnit({ program, environment: { AGENT_DATA_DIR: "/home/me/$x 50%" } }, {
      description: "Agent of Conversation Assistant",
    }),
    UNIT,
  );
});

Deno.test("a compiled agent is its own program, the app has one beside it, and a checkout is run by its task", () => {
  const facts = { isStandalone: true, isDesktop: false, execPath: "/usr/local/bin/agent" };
  assert.deepEqual(serviceProgram(facts), ["/usr/local/bin/agent", "run"]);
  const execPath = "/Applications/Conversation Assistant.app/Contents/MacOS/Conversation Assistant";
  assert.deepEqual(serviceProgram({ isStandalone: true, isDesktop: true, execPath }), [
    "/Applications/Conversation Assistant.app/Contents/MacOS/agent",
    "run",
  ]);
  const [deno, ...rest] = serviceProgram({ isStandalone: false, isDesktop: false, execPath: "/opt/deno" });
  assert.equal(deno, "/opt/deno");
  const words = rest.filter((word) => !word.endsWith("deno.json"));
  assert.deepEqual(words, ["task", "--quiet", "--config", "agent", "run"]);
  assert.ok(rest[3]?.startsWith("/") && Deno.statSync(rest[3]).isFile);
});

Deno.test("an agent that is called through Homebrew's link is the one in the app; Deno keeps its link", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "link-" }));
  const [app, link] = [join(dir, "Assistant.app", "Contents", "MacOS"), join(dir, "conversation-agent")];
  await Deno.mkdir(app, { recursive: true });
  await Deno.writeTextFile(join(app, "agent"), "");
  await Deno.symlink(join(app, "agent"), link);
  const programOf = (isStandalone: boolean) =>
    serviceProgram(programFacts({ isStandalone, execPath: link }))[0];
  assert.equal(programOf(true), join(app, "agent"));
  assert.equal(permissionHolder([programOf(true)]), join(dir, "Assistant.app"));
  assert.equal(programOf(false), link);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a permission is given to the app that the program lies in, or to the program itself", () => {
  const app = "/Applications/Conversation Assistant.app";
  assert.equal(permissionHolder([`${app}/Contents/MacOS/agent`, "run"]), app);
  assert.equal(permissionHolder(["/opt/deno/bin/deno", "task"]), "/opt/deno/bin/deno");
  assert.equal(permissionHolder(["/Users/me/my.app/deno", "task"]), "/Users/me/my.app/deno");
});
