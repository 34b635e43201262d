// Tests of talking to launchd, against one that drains, fails and recovers as macOS's does.
import assert from "node:assert/strict";
import { messageOf, UserError } from "../../lib/errors.ts";
import { FakeLaunchctl } from "../../tests/support/mac/fake_launchctl.ts";
import { RecordedCommands } from "../../tests/support/mac/recorded_commands.ts";
import { createLaunchd } from "./launchd.ts";

const LABEL = "app.conversation-assistant.agent";
const JOB = { label: LABEL, plistPath: `/Users/me/Library/LaunchAgents/${LABEL}.plist` };

/** A launchd, what it was asked, and how long its caller has waited. */
function launchdUnderTest() {
  const launchctl = new FakeLaunchctl();
  const waits: number[] = [];
  const wait = (durationMs: number) => {
    waits.push(durationMs);
    return Promise.resolve();
  };
  const verbs = () => launchctl.recorded.map(({ command }) => command[1]);
  return { launchctl, waits, verbs, launchd: createLaunchd({ commands: launchctl, userId: 501, wait }) };
}

Deno.test("a first load switches the job on and bootstraps it in the session of the user", async () => {
  const { launchctl, launchd, waits } = launchdUnderTest();
  launchctl.disabled = true;
  await launchd.load(JOB);
  assert.deepEqual(launchctl.lines, [
    `/bin/launchctl print gui/501/${LABEL}`,
    `/bin/launchctl enable gui/501/${LABEL}`,
    `/bin/launchctl bootstrap gui/501 ${JOB.plistPath}`,
  ]);
  assert.deepEqual(waits, []);
  assert.deepEqual(await launchd.job(LABEL), { state: "running", pid: 4321, lastExitCode: null });
});

Deno.test("a load in place of a running job waits until the old one is gone, not only until it no longer runs", async () => {
  const { launchctl, launchd, verbs } = launchdUnderTest();
  launchctl.loaded = true;
  launchctl.drainLooks = 3;
  await launchd.load(JOB);
  assert.deepEqual(verbs(), ["print", "bootout", "print", "print", "print", "print", "enable", "bootstrap"]);
});

Deno.test("a bootstrap that fails temporarily is retried, and one that keeps failing is reported", async () => {
  const passing = launchdUnderTest();
  passing.launchctl.transientFailures = 3;
  await passing.launchd.load(JOB);
  assert.equal(passing.waits.length, 3);

  const lasting = launchdUnderTest();
  lasting.launchctl.transientFailures = Infinity;
  await assert.rejects(
    lasting.launchd.load(JOB),
    (error: unknown) =>
      error instanceof UserError && /status 5 .*\. Log in at the Mac's own screen/.test(messageOf(error)),
  );
  assert.equal(lasting.verbs().filter((verb) => verb === "bootstrap").length, 6);

  const remote = launchdUnderTest();
  remote.launchctl.bootstrapCode = 125;
  await assert.rejects(
    remote.launchd.load(JOB),
    (error) => /status 125 .*\. Log in at the Mac's own screen/.test(messageOf(error)),
  );
  assert.deepEqual(remote.waits, [], "a session over SSH does not become one at the screen by waiting");

  const refused = launchdUnderTest();
  refused.launchctl.bootstrapCode = 78;
  await assert.rejects(refused.launchd.load(JOB), /gave status 78 when asked to start the service/);
  assert.equal(
    refused.verbs().filter((verb) => verb === "bootstrap").length,
    1,
    "what cannot pass is not repeated",
  );
});

Deno.test("a job that something else has loaded meanwhile is unloaded before the next try", async () => {
  const { launchctl, launchd, verbs } = launchdUnderTest();
  launchctl.isLoadedMeanwhile = true;
  await launchd.load(JOB);
  assert.deepEqual(verbs(), ["print", "enable", "bootstrap", "print", "bootout", "print", "bootstrap"]);
  assert.equal((await launchd.job(LABEL))?.state, "running");
});

Deno.test("an unload waits for the end, is content with a job that is not there, and tells of one that stays", async () => {
  const { launchctl, launchd, verbs } = launchdUnderTest();
  await launchd.unload(LABEL);
  assert.deepEqual(verbs(), ["print"]);
  launchctl.loaded = true;
  await launchd.unload(LABEL);
  assert.equal(await launchd.job(LABEL), null);

  const staying = launchdUnderTest();
  staying.launchctl.loaded = true;
  staying.launchctl.drainLooks = Infinity;
  await assert.rejects(staying.launchd.unload(LABEL), /when asked to stop the service/);
  assert.ok(
    staying.waits.reduce((sum, waitMs) => sum + waitMs, 0) > 20_000,
    "longer than launchd's own patience",
  );
});

Deno.test("a job's end and its switch are read, and a nested field is not taken for the job's", async () => {
  const { launchctl, launchd } = launchdUnderTest();
  Object.assign(launchctl, { loaded: true, pid: null, lastExitCode: 1 });
  assert.deepEqual(await launchd.job(LABEL), { state: "spawn scheduled", pid: null, lastExitCode: 1 });
  assert.equal(await launchd.isDisabled(LABEL), false);
  launchctl.disabled = true;
  assert.equal(await launchd.isDisabled(LABEL), true);
  assert.equal(await launchd.isDisabled("app.conversation-assistant"), false);
});

Deno.test("a launchctl that does not answer is reported as not answering", async () => {
  const commands = new RecordedCommands(() => null);
  const launchd = createLaunchd({ commands, userId: 501, wait: () => Promise.resolve() });
  await assert.rejects(launchd.load(JOB), /launchd did not answer/);
});
