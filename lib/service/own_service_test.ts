/** Tests of services of server and ml, on folders of their own, with the system's commands recorded. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { setting, text } from "../config.ts";
import { systemdEnvironment } from "./systemd_unit.ts";
import { installOwnService, type OwnService, ownServiceStatus, uninstallOwnService } from "./own_service.ts";

const SETTINGS = {
  token: setting({ env: "ML_TOKEN", parse: text, fallback: "", description: "", secret: true }),
};

async function withService(
  os: "linux" | "darwin",
  use: (service: OwnService, commands: string[], dir: string) => Promise<void>,
): Promise<void> {
  await inTempDir(async (dir) => {
    const commands: string[] = [];
    const run = (program: string, args: string[]) => {
      commands.push([program, ...args].join(" "));
      return Promise.resolve({ success: true, output: "" });
    };
    const service: OwnService = {
      part: "ml",
      settings: SETTINGS,
      environment: { ML_TOKEN: "s3cret", PATH: "/bin" },
      dataDir: join(dir, "data"),
      checkout: { config: "/checkout/deno.json" },
      machine: { os, userId: 501, home: dir },
      run,
    };
    await use(service, commands, dir);
  });
}

Deno.test("a user's systemd gets a unit with the settings of this start, readable for its owner alone", async () => {
  await withService("linux", async (service, commands, dir) => {
    assert.equal(await ownServiceStatus(service), "not installed");
    await installOwnService(service);
    const path = join(dir, ".config/systemd/user/conversation-ml.service");
    const unit = await Deno.readTextFile(path);
    const environmentFile = join(dir, "data/conversation-ml.env");
    assert.match(unit, new RegExp(`^EnvironmentFile=${environmentFile}$`, "m"));
    assert.doesNotMatch(unit, /s3cret|^Environment=/m, "everybody may read what the unit itself says");
    assert.equal(
      await Deno.readTextFile(environmentFile),
      `ML_TOKEN="s3cret"\nDATA_DIR="${join(dir, "data")}"\n`,
    );
    assert.match(unit, /^ExecStart=.*"\/checkout\/deno\.json" "ml"$/m);
    for (const file of [path, environmentFile]) {
      assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600, file);
    }
    assert.deepEqual(commands, [
      "systemctl --user daemon-reload",
      "systemctl --user enable conversation-ml",
      "systemctl --user restart conversation-ml",
    ]);
    assert.equal(await ownServiceStatus(service), `${path}: runs`);
    const changed = { ...service, environment: {} };
    assert.equal(await ownServiceStatus(changed), `${path}: runs, with other settings than these`);
    await uninstallOwnService(service);
    assert.deepEqual(commands.slice(-2), [
      "systemctl --user disable --now conversation-ml",
      "systemctl --user daemon-reload",
    ]);
    assert.equal(await ownServiceStatus(service), "not installed");
    await assert.rejects(Deno.stat(environmentFile), Deno.errors.NotFound, "no secret is left behind");
  });
});

Deno.test("settings reach a service of systemd as they are, whatever they hold", async () => {
  const value = 'a "b" $HOME `c` \\ 50% #1';
  const text = systemdEnvironment({ DATABASE_URL: value });
  // POSIX shells read such a file as systemd does (systemd.exec(5)).
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `${text}printf %s "$DATABASE_URL"`] })
    .output();
  assert.equal(new TextDecoder().decode(stdout), value);
});

Deno.test("launchd loads a job in place of the one that is there", async () => {
  await withService("darwin", async (service, commands, dir) => {
    await installOwnService(service);
    await installOwnService(service);
    const path = join(dir, "Library/LaunchAgents/app.conversation-assistant.ml.plist");
    const load = `launchctl bootstrap gui/501 ${path}`;
    assert.deepEqual(commands, [load, "launchctl bootout gui/501/app.conversation-assistant.ml", load]);
    assert.doesNotMatch(await Deno.readTextFile(path), /LimitLoadToSessionType/);
  });
});

Deno.test("a command of the system that fails is shown with what it said", async () => {
  await withService("linux", async (service) => {
    const run = () => Promise.resolve({ success: false, output: "no bus" });
    await assert.rejects(
      installOwnService({ ...service, run }),
      /`systemctl --user daemon-reload` failed: no bus/,
    );
  });
});
