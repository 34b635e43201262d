// Tests of `agent service`: what it prints, on a Mac whose launchd is played, and on a system that has none.
import assert from "node:assert/strict";
import { join } from "node:path";
import { AgentHome, capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { FakeLaunchctl } from "../../tests/support/mac/fake_launchctl.ts";
import { parseXmlPlist } from "../../tests/support/mac/xml_plist.ts";
import { serviceCommand, type ServiceOptions } from "./service_command.ts";

/** Runs the command as on a Mac whose home is that of the test. */
async function onMac(home: AgentHome, launchctl: FakeLaunchctl, options: ServiceOptions): Promise<string> {
  const output = capturedOutput();
  const machine = {
    os: "darwin",
    homeDir: () => home.dir,
    userId: () => 501,
    freeBytes: () => Promise.resolve(0),
  };
  const code = await serviceCommand(options, { ...home.services({ output }), commands: launchctl, machine });
  assert.equal(code, 0);
  return output.lines.join("\n");
}

Deno.test("the service is installed, shown and taken away, each with a few plain lines", async () => {
  await using home = await AgentHome.create();
  const launchctl = new FakeLaunchctl();
  const plist = join(home.dir, "Library/LaunchAgents/app.conversation-assistant.agent.plist");
  const before = await onMac(home, launchctl, { action: "status" });
  assert.match(before, /^Service {4}not installed: run `agent service install`\nProcess {4}not loaded\n/);

  const installed = await onMac(home, launchctl, { action: "install" });
  assert.match(installed, /^The service is installed and starts with each login\./);
  const shown = await onMac(home, launchctl, { action: "status" });
  assert.equal(
    shown,
    [
      "Service    installed",
      "Process    runs as process 4321",
      `Program    ${Deno.execPath()}`,
      `File       ${plist}`,
      `Log        ${home.dataDir}/logs/agent.log`,
    ].join("\n"),
  );
  assert.ok(installed.endsWith(shown));
  const json = JSON.parse(await onMac(home, launchctl, { action: "status", json: true }));
  assert.deepEqual([json.installation, json.job.pid], ["current", 4321]);

  Object.assign(launchctl, { pid: null, lastExitCode: 1 });
  const waiting = await onMac(home, launchctl, { action: "status" });
  assert.match(waiting, /^Process {4}does not run \(spawn scheduled, last exit code 1\)$/m);
  launchctl.disabled = true;
  assert.match(
    await onMac(home, launchctl, { action: "status" }),
    /^Process {4}switched off in Login Items$/m,
  );

  const gone = await onMac(home, launchctl, { action: "uninstall" });
  assert.equal(gone, `The service is gone. The agent's own files stay in ${home.dataDir}.`);
  assert.match(await onMac(home, launchctl, { action: "status" }), /not installed/);
});

Deno.test("--print shows the file and installs nothing", async () => {
  await using home = await AgentHome.create();
  const launchctl = new FakeLaunchctl();
  const printed = parseXmlPlist(`${await onMac(home, launchctl, { action: "install", print: true })}\n`);
  assert.ok(typeof printed === "object" && !Array.isArray(printed));
  assert.equal(printed.Label, "app.conversation-assistant.agent");
  assert.deepEqual(launchctl.lines, []);
  assert.deepEqual([...Deno.readDirSync(home.dir)], []);
});

Deno.test("on Linux the service is systemd's: its unit is printed, and installing it is left to systemctl", async () => {
  await using home = await AgentHome.create();
  const printed = await home.run("service install --print");
  assert.equal(printed.code, 0);
  assert.match(printed.stdout, /^\[Unit\]\nDescription=Agent of Conversation Assistant\n/);
  assert.match(
    printed.stdout,
    /^ExecStart="[^"]*deno" "task" "--quiet" "--config" "[^"]*deno\.json" "agent" "run"$/m,
  );
  for (const action of ["install", "uninstall", "status"]) {
    const run = await home.run(`service ${action}`);
    assert.deepEqual([run.code, run.stdout], [1, ""]);
    assert.match(run.stderr, /^The service exists only on macOS\. Write `agent service install --print`/);
  }
});

Deno.test("an unknown service command prints the usage", async () => {
  await using home = await AgentHome.create();
  for (const line of ["service", "service start", "service install now"]) {
    const run = await home.run(line);
    assert.equal(run.code, 2, line);
    assert.match(run.stderr, /^Usage: agent service |^`agent help` shows every command\.$/m);
  }
});
