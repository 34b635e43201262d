/** Tests that nothing is lost and nothing doubled while agent, server and network die again and again. */
import { writeLine } from "../lib/log.ts";
import { faultRun, faultRunLines } from "./support/faults/fault_run.ts";

/** A tenth of the full run, which the task `faults` makes. */
const KILLS = 25;
const DEEDS = 10_000;
const UPHEAVALS = 10;

Deno.test(`agent, server and network killed ${KILLS} times each during ${DEEDS} changes: the server ends as Messages`, async () => {
  const report = await faultRun({ kills: KILLS, deeds: DEEDS, upheavals: UPHEAVALS });
  for (const line of faultRunLines(report)) writeLine(line);
});
