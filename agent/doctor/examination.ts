/** Owns the doctor's whole examination: every check once, side by side, none of them able to stop another. */
import { UserError } from "../../lib/errors.ts";
import type { AgentConfig } from "../config.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { Machine } from "../platform/machine.ts";
import type { MessagesApp } from "../platform/messages_app.ts";
import type { ServiceStatus } from "../service/agent_service.ts";
import type { AgentStatus } from "../run/agent_status.ts";
import type { RunningAgent } from "../run/running_agent.ts";
import { checkAddressBook } from "./address_book_check.ts";
import { checkAgent } from "./agent_check.ts";
import { checkAutomation } from "./automation_check.ts";
import { checkClock, measureClockSkewMs } from "./clock_check.ts";
import { checkDisk } from "./disk_check.ts";
import { fault, faultOfSentence, type Finding, type FindingId } from "./finding.ts";
import { checkMessagesDatabase } from "./messages_database_check.ts";
import { checkPairing, checkServer } from "./server_check.ts";
import { checkService } from "./service_check.ts";

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

/** A check that fails itself is a finding as well: the others are still worth knowing. */
async function made([id, run]: Check): Promise<Finding[]> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof UserError) {
      return [faultOfSentence(id, { status: "failure", sentence: error.message })];
    }
    const name = error instanceof Error ? error.name : typeof error;
    return [fault(id, {
      status: "failure",
      message: `This could not be checked (${name})`,
      remedy: "run the doctor again; if it stays so, report it with this line",
    })];
  }
}

async function checkServerSide({ config, status, now }: ExaminationDependencies): Promise<Finding[]> {
  const look = await status();
  const findings = [checkServer(look), checkPairing(look, now())];
  if (!look.server.reachable) return findings;
  const skewMs = await measureClockSkewMs(config.serverUrl, now);
  return skewMs === null ? findings : [...findings, checkClock(skewMs)];
}

/** Checks that only a Mac has something to say to. */
function macChecks({ messages, serviceStatus }: ExaminationDependencies): Check[] {
  return [
    ["automation", async () => [await checkAutomation(messages)]],
    ["service", async () => [checkService(await serviceStatus())]],
  ];
}

/** Makes every check that this system has, in the order in which faults are worth mending. */
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
  return (await Promise.all(checks.map(made))).flat();
}
