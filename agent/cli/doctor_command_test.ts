// Tests of `agent doctor`: each fault, made for real, is found and is the only one; docs/agent.md is generated from them.
import assert from "node:assert/strict";
import { capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { DENIED, doctorBoundByFileModes, FAULTS, healthyMac } from "../../tests/support/mac/doctor_faults.ts";
import { WATCHING } from "../../tests/support/mac/menubar_inputs.ts";
import { doctorCommand, doctorLines } from "./doctor_command.ts";

Deno.test("on a Mac where all is well every check says so, and the exit code is 0", async () => {
  const { home, mac } = await healthyMac();
  await using _home = home;
  await using _mac = mac;
  await mac.agentRuns(WATCHING);
  const { code, findings } = await mac.doctor();
  assert.deepEqual(findings.filter(({ status }) => status !== "ok"), []);
  assert.equal(code, 0);
  const ids = ["full_disk_access", "messages_database", "address_book", "server", "pairing", "clock", "disk"];
  assert.deepEqual(findings.map(({ id }) => id), [...ids, "agent", "automation", "service"]);
  assert.equal(doctorLines(findings).at(-1), "No problems found.");
});

for (const [name, { make, id, status, also = {} }] of Object.entries(FAULTS)) {
  Deno.test(`${name} is found, and is the only fault`, async () => {
    const { home, mac } = await healthyMac();
    await using _home = home;
    await using _mac = mac;
    await make(home, mac);
    const { code, findings } = await mac.doctor();
    const faults = findings.filter((finding) => finding.status !== "ok");
    assert.deepEqual(Object.fromEntries(faults.map((found) => [found.id, found.status])), {
      [id]: status,
      ...also,
    });
    assert.equal(code, status === "failure" ? 1 : 0);
    for (const found of faults) {
      assert.ok(found.remedy);
    }
  });
}

for (const [name, { path, id, mode = 0 }] of Object.entries(DENIED)) {
  Deno.test(`${name} is found, and is the only failure`, async () => {
    const { home } = await healthyMac();
    await using _home = home;
    await Deno.chmod(path(home), mode);
    const findings = await doctorBoundByFileModes(home).finally(() => Deno.chmod(path(home), 0o755));
    const [failure, ...others] = findings.filter(({ status }) => status === "failure");
    assert.deepEqual([failure?.id, others], [id, []]);
    assert.ok(failure);
    assert.ok(id === "disk" || failure.remedy?.pane?.url.endsWith("?Privacy_AllFiles"));
  });
}

Deno.test("a long line breaks between words and continues under its own column", () => {
  const words = "word ".repeat(40).trim();
  const lines = doctorLines([
    {
      id: "disk",
      status: "warning",
      message: words,
      remedy: { text: `Free it: ${"x".repeat(120)}`, pane: null },
    },
  ]);
  assert.ok(lines.slice(0, 3).every((line) => line.length <= 100));
  assert.ok(lines.slice(1, 5).every((line) => line.startsWith(" ".repeat(28))));
  assert.equal(lines.slice(0, 3).map((line) => line.slice(28)).join(" "), `${words}.`);
});

Deno.test("a check that fails itself is reported as a finding, and the others still run", async () => {
  const { home, mac } = await healthyMac();
  await using _home = home;
  const output = capturedOutput();
  const services = {
    ...mac.services(output),
    readAddressBook: () => assert.fail("a fault with words in it"),
  };
  assert.equal(await doctorCommand({}, services), 1);
  const shown = output.lines.join("\n");
  assert.match(shown, /^failure {2}Address book +This could not be checked \(AssertionError\)\.$/m);
  assert.match(shown, /^ok {7}Server /m);
  assert.match(shown, /\n1 failure, 0 warnings\.$/);
  assert.ok(!shown.includes("a fault with words in it"));
});

Deno.test("the command line runs the doctor, and on Linux it leaves out what only a Mac has", async () => {
  const { home } = await healthyMac();
  await using _home = home;
  const run = await home.run("doctor");
  assert.equal(run.code, 0, run.stdout);
  assert.doesNotMatch(run.stdout, /Automation|Service/);
  await home.server.stop();
  assert.equal((await home.run("doctor")).code, 1);
});
