// Tests of the service on a home of its own, with launchd played by commands that are recorded.
import assert from "node:assert/strict";
import { join } from "node:path";
import { messageOf, UserError } from "../../lib/errors.ts";
import { FakeLaunchctl } from "../../tests/support/mac/fake_launchctl.ts";
import { createLaunchd } from "../platform/launchd.ts";
import {
  installService,
  type ServiceDependencies,
  serviceStatus,
  uninstallService,
} from "./agent_service.ts";
import { launchAgentPlist } from "./launch_agent_plist.ts";

interface Home extends AsyncDisposable {
  dir: string;
  plistPath: string;
  launchctl: FakeLaunchctl;
  dependencies: ServiceDependencies;
}

async function makeHome(): Promise<Home> {
  const dir = await Deno.makeTempDir({ prefix: "service-" });
  const launchctl = new FakeLaunchctl();
  const dependencies: ServiceDependencies = {
    config: {
      serverUrl: "http://127.0.0.1:3100",
      dataDir: join(dir, "data"),
      chatDb: join(dir, "chat.db"),
      addressBook: join(dir, "AddressBook"),
      region: "DE",
    },
    homeDir: dir,
    program: ["/opt/agent", "run"],
    launchd: createLaunchd({ commands: launchctl, userId: 501, wait: () => Promise.resolve() }),
  };
  return {
    dir,
    plistPath: join(dir, "Library/LaunchAgents/app.conversation-assistant.agent.plist"),
    launchctl,
    dependencies,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

Deno.test("an installation writes the file for launchd to read, makes the log's folder, and starts the job", async () => {
  await using home = await makeHome();
  const status = await installService(home.dependencies);
  assert.deepEqual(status, {
    plistPath: home.plistPath,
    logPath: join(home.dir, "data/logs/agent.log"),
    installation: "current",
    isDisabled: false,
    job: { state: "running", pid: 4321, lastExitCode: null },
  });
  const { mode } = await Deno.stat(home.plistPath);
  assert.equal((mode ?? 0) & 0o777, 0o644);
  assert.ok((await Deno.stat(join(home.dir, "data/logs"))).isDirectory);
  const environment = {
    AGENT_SERVER_URL: "http://127.0.0.1:3100",
    AGENT_DATA_DIR: join(home.dir, "data"),
    AGENT_CHAT_DB: join(home.dir, "chat.db"),
    AGENT_ADDRESS_BOOK: join(home.dir, "AddressBook"),
    AGENT_REGION: "DE",
  };
  const expected = launchAgentPlist({ program: ["/opt/agent", "run"], environment, logPath: status.logPath });
  assert.equal(await Deno.readTextFile(home.plistPath), expected);
});

Deno.test("a service installed with other settings shows as outdated until it is installed again", async () => {
  await using home = await makeHome();
  await installService(home.dependencies);
  const config = { ...home.dependencies.config, serverUrl: "http://mac.local:3100" };
  const moved = { ...home.dependencies, config };
  assert.equal((await serviceStatus(moved)).installation, "outdated");
  assert.equal((await installService(moved)).installation, "current");
  assert.match(await Deno.readTextFile(home.plistPath), /http:\/\/mac\.local:3100/);
  assert.deepEqual([...Deno.readDirSync(join(home.plistPath, ".."))].length, 1, "no draft is left behind");
});

Deno.test("an uninstallation stops the job and takes the file away, also twice; the data stays", async () => {
  await using home = await makeHome();
  await installService(home.dependencies);
  await uninstallService(home.dependencies);
  await uninstallService(home.dependencies);
  const { installation, job } = await serviceStatus(home.dependencies);
  assert.deepEqual([installation, job], ["none", null]);
  assert.ok((await Deno.stat(home.dependencies.config.dataDir)).isDirectory);
});

Deno.test("a service that the person switched off shows as such, and installing switches it on", async () => {
  await using home = await makeHome();
  await installService(home.dependencies);
  home.launchctl.disabled = true;
  assert.equal((await serviceStatus(home.dependencies)).isDisabled, true);
  assert.equal((await installService(home.dependencies)).isDisabled, false);
});

Deno.test("a folder that cannot be written is a sentence, and launchd is not asked", async () => {
  await using home = await makeHome();
  await Deno.writeTextFile(join(home.dir, "Library"), "a file in the way");
  await assert.rejects(
    installService(home.dependencies),
    (error: unknown) =>
      error instanceof UserError &&
      /^Cannot write .*\. Check that the folder is yours\.$/.test(messageOf(error)),
  );
  assert.deepEqual(home.launchctl.lines, []);
});
