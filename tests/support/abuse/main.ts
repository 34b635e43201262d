/**
 * Abuses running services from outside and prints what they did: the task `abuse`.
 *
 * `deno run -A tests/support/abuse/main.ts [part …]`: the named parts, or all. The exit status is 1 when a service ended,
 * lost something or answered what it should not.
 */
import { UserError } from "../../../lib/errors.ts";
import { runMain } from "../../../lib/lifecycle.ts";
import { writeLine } from "../../../lib/log.ts";
import type { AbuseReport } from "./abuse_report.ts";
import { startAbusedMl, startAbusedServer } from "./abused_service.ts";
import { adaptersPart } from "./adapters.ts";
import { batchesPart } from "./batches.ts";
import { abuseWithBodies, abuseWithSockets } from "./connections.ts";
import { databasePart } from "./database.ts";
import { abuseWithForeignPages } from "./foreign_pages.ts";

const PARTS: Readonly<Record<string, () => Promise<AbuseReport>>> = {
  database: databasePart,
  sockets: () => abuseWithSockets(startAbusedServer),
  bodies: () => abuseWithBodies(startAbusedServer),
  pages: () => abuseWithForeignPages(startAbusedServer),
  batches: batchesPart,
  "ml-sockets": () => abuseWithSockets(startAbusedMl),
  "ml-bodies": () => abuseWithBodies(startAbusedMl),
  "ml-pages": () => abuseWithForeignPages(startAbusedMl),
  "ml-adapters": adaptersPart,
};

async function main(): Promise<void> {
  const names = Deno.args.length > 0 ? Deno.args : Object.keys(PARTS);
  let faults = 0;
  for (const name of names) {
    const part = PARTS[name];
    if (part === undefined) {
      throw new UserError(`There is no part ${name}`, {
        fix: `Name one of ${Object.keys(PARTS).join(", ")}`,
      });
    }
    const report = await part();
    writeLine(name);
    for (const [figure, value] of Object.entries(report.figures)) writeLine(`  ${figure}: ${value}`);
    for (const fault of report.faults) writeLine(`  FAULT: ${fault}`);
    faults += report.faults.length;
  }
  if (faults > 0) throw new UserError(`${faults} faults were found`);
}

if (import.meta.main) await runMain(main);
