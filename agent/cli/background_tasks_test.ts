// Tests of what runs beside the agent that stays, with a real server and real files, on a clock that a test turns.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { ADA, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { serviceLogPath } from "../service/log_rotation.ts";
import { startBackgroundTasks } from "./background_tasks.ts";

/** Services whose log a test can wait for. */
function watched(mac: SuggestingMac) {
  const lines: string[] = [];
  let written = Promise.withResolvers<string>();
  const output = capturedOutput();
  const line = (text: string) => {
    lines.push(text);
    written.resolve(text);
    written = Promise.withResolvers();
  };
  return { services: { ...mac.services(), output: { ...output, line } }, lines, next: () => written.promise };
}

Deno.test("the agent that stays drafts for an automatic conversation after a sync, and tells only how many", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  await mac.run("suggest", "policy", "automatic", "--conversation", ADA);
  const clock = new FakeClock();
  const { services, lines, next } = watched(mac);
  using backgroundTasks = startBackgroundTasks(services, clock);
  const nextLine = next();
  backgroundTasks.onState({ phase: "watching", lastSyncAt: "2026-01-01T10:00:00.000Z" });
  clock.advance(8_000);
  assert.match(await nextLine, /"message":"Drafted","count":1/);
  assert.ok(!lines.join("\n").includes("Dinner"));
  assert.equal(mac.served.app.ml.generated.length, 1);
});

Deno.test("a draft that fails is logged by its kind, and created later", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  await mac.run("suggest", "policy", "automatic", "--conversation", ADA);
  mac.served.app.ml.behaviour = { kind: "fail", code: "model_not_loaded" };
  const clock = new FakeClock();
  const { services, next } = watched(mac);
  using backgroundTasks = startBackgroundTasks(services, clock);
  const failed = next();
  backgroundTasks.onState({ phase: "watching", lastSyncAt: "2026-01-01T10:00:00.000Z" });
  clock.advance(8_000);
  assert.match(await failed, /"message":"Nothing could be drafted".*"errorName":"RemoteError"/);
  mac.served.app.ml.behaviour = { kind: "answer" };
  const drafted = next();
  clock.advance(10_000);
  assert.match(await drafted, /"message":"Drafted","count":1/);
});

Deno.test("a log that has grown too large is put aside when the agent starts", async () => {
  await using mac = await SuggestingMac.create();
  const { services } = watched(mac);
  const path = serviceLogPath(services.config.dataDir);
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, "line\n".repeat(2 * 1024 * 1024));
  const changes = Deno.watchFs(dirname(path));
  using _companions = startBackgroundTasks(services, new FakeClock());
  for await (const _ of changes) if ((await Deno.stat(path)).size === 0) break;
  assert.equal((await Deno.stat(`${path}.1`)).size, 10 * 1024 * 1024);
});
