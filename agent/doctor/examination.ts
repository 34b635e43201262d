/** The doctor's examination: every check once, side by side, and none of them can stop another. */
import { UserError } from "../../lib/errors.ts";
import type { AgentConfig } from "../config.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { Machine } from "../platform/machine.ts";
import type { MessagesApp } from "../platform/messages_app.ts";
import type { ServiceStatus } from "../service/agent_service.ts";
import type { AgentStatus } from "../run/agent_status.ts";
import type { RunningAgent } from "../run/agent_state.ts";
import { fault, type Finding, type FindingId } from "./finding.ts";
import { checkAutomation, checkDisk } from "./mac_checks.ts";
import { checkAddressBook, checkMessagesDatabase } from "./messages_check.ts";
import { checkClock, checkPairing, checkServer, measureClockSkewMs } from "./server_check.ts";
import { checkAgent, checkService } from "./service_check.ts";

export interface ExaminationDependencies {
  config: AgentConfig;
  machine: Machine;
  messages: MessagesApp;
  /** Looks at the pairing and asks the server once. */
  status: () => Promise<AgentStatus>;
  readAddressBook: () => AddressBook;
  runningAgent: () => Promise<RunningAgent>;
  serviceStatus: () => Promise<ServiceStatus>;
  /** What a permission for the service is given to: an app, or a program. */
  permissionHolder: string;
  /** The present, in Unix time. */
  now: () => number;
}

type Check = readonly [id: FindingId, run: () => Promise<Finding[]>];

/** Turns a check that throws into a finding: the results of the others are still worth having. */
async function runCheck([id, run]: Check): Promise<Finding[]> {
  try {
    return await run();
  } catch (error) {
    const isKnown = error instanceof UserError;
    const name = error instanceof Error ? error.name : typeof error;
    const message = isKnown ? error.message : `This could not be checked (${name})`;
    const fix = isKnown ? error.fix : null;
    return [
      fault(id, {
        status: "failure",
        message,
        fix: fix ?? "Run the doctor again; if it fails again, report this line",
      }),
    ];
  }
}

async function checkServerSide({ config, status, now }: ExaminationDependencies): Promise<Finding[]> {
  const look = await status();
  const findings = [checkServer(look), checkPairing(look, now())];
  if (!look.server.reachable) return findings;
  const skewMs = await measureClockSkewMs(config.serverUrl, now);
  return skewMs === null ? findings : [...findings, checkClock(skewMs)];
}

/** Checks that exist only on a Mac. */
function macChecks({ messages, serviceStatus }: ExaminationDependencies): Check[] {
  return [
    ["automation", async () => [await checkAutomation(messages)]],
    ["service", async () => [checkService(await serviceStatus())]],
  ];
}

/** Runs every check that this system has, in the order in which faults are worth fixing. */
export async function examine(dependencies: ExaminationDependencies): Promise<Finding[]> {
  const { config, machine, readAddressBook, now, runningAgent, permissionHolder } = dependencies;
  const checks: Check[] = [
    ["full_disk_access", () => Promise.resolve(checkMessagesDatabase(config.chatDb, now()))],
    ["address_book", () => Promise.resolve([checkAddressBook(readAddressBook())])],
    ["server", () => checkServerSide(dependencies)],
    ["disk", async () => [await checkDisk(config.dataDir, machine)]],
    ["agent", async () => checkAgent(await runningAgent(), permissionHolder)],
    ...(machine.os === "darwin" ? macChecks(dependencies) : []),
  ];
  return (await Promise.all(checks.map(runCheck))).flat();
}
