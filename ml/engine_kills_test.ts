/** Tests the service while the model's process is killed under load; the task `faults:engine` does it 50 times. */
import assert from "node:assert/strict";
import { runEngineKills } from "../tests/support/ml/engine_kills.ts";

Deno.test("however often the model's process is killed, each job ends once and health says what is so", async () => {
  const { completedJobs, healthWhileAway, answered } = await runEngineKills(3);
  assert.equal(completedJobs, 6);
  assert.ok(healthWhileAway > 0 && answered > 0);
});
