/** Generates the parts of docs/agent.md that show what the doctor and the menubar say, from the program itself. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { menubarView } from "../agent/menubar/view_model.ts";
import type { Finding } from "../agent/doctor/finding.ts";
import {
  DENIED,
  doctorBoundByFileModes,
  documented,
  FAULTS,
  healthyMac,
} from "../tests/support/mac/doctor_faults.ts";
import { type PageGenerators, withGenerated } from "./generated_parts.ts";
import { menuLines, STATE_INPUTS, stateRow, WATCHING } from "../tests/support/mac/menubar_inputs.ts";

export const AGENT_PAGE = join(fileURLToPath(new URL("..", import.meta.url)), "docs/agent.md");

/** The faults of each section of the page, by their names in `FAULTS` and `DENIED`, in the order in which they are shown. */
const FAULT_SECTIONS: Readonly<Record<string, readonly string[]>> = {
  "Messages": [
    "a chat.db that may not be opened",
    "a missing chat.db",
    "a chat.db that is cut short",
    "a chat.db of another program",
    "a chat.db without messages",
  ],
  "Contacts": ["an address book that may not be listed", "no address book"],
  "Server and pairing": [
    "a server that is down",
    "a web server that is not ours",
    "a server that fails",
    "a token that was revoked",
    "no pairing",
    "a pairing without its token",
  ],
  "Clock and disk": [
    "a clock that is behind",
    "a clock that is far ahead",
    "a full disk",
    "a disk that is filling up",
    "a data folder that may not be written",
  ],
  "The running agent, sending and the service": [
    "a running agent that may not read what the terminal may",
    "a running agent that hit an error",
    "Automation denied",
    "Messages not running",
    "Messages that does not answer",
    "no service",
    "a service switched off",
    "a service that is not loaded",
    "a service that keeps ending",
    "a service with other settings",
  ],
};

function codeBlock(lines: readonly string[]): string {
  return ["```", ...lines, "```", ""].join("\n");
}

async function healthyLines(): Promise<string[]> {
  const { home, mac } = await healthyMac();
  await using _home = home;
  await using _mac = mac;
  await mac.agentRuns(WATCHING);
  const { findings } = await mac.doctor();
  return [...findings.map((finding) => documented(finding, home)), "", "No problems found."];
}

/** Makes a fault for real, and shows what the doctor finds. */
async function faultLines(name: string): Promise<string[]> {
  const { home, mac } = await healthyMac();
  await using _home = home;
  await using _mac = mac;
  let findings: Finding[];
  const denied = DENIED[name];
  if (denied === undefined) {
    await FAULTS[name]?.make(home, mac);
    findings = (await mac.doctor()).findings.filter(({ status }) => status !== "ok");
  } else {
    const path = denied.path(home);
    await Deno.chmod(path, denied.mode ?? 0);
    findings = await doctorBoundByFileModes(home).finally(() => Deno.chmod(path, 0o755));
    findings = findings.filter(({ status }) => status === "failure");
  }
  return findings.map((finding) => documented(finding, home));
}

async function faultSections(): Promise<string> {
  const sections: string[] = [];
  for (const [title, names] of Object.entries(FAULT_SECTIONS)) {
    const blocks = await Promise.all(names.map(async (name) => codeBlock(await faultLines(name))));
    sections.push(`### ${title}\n`, ...blocks);
  }
  return sections.join("\n");
}

function stateTable(): string {
  const rows = Object.values(STATE_INPUTS).map((input) => stateRow(menubarView(input)));
  const head = ["| state | second line | offers besides what every menu has |", "| --- | --- | --- |"];
  return [...head, ...rows, ""].join("\n");
}

/** Generated parts of the page by the name in their marks. */
const PARTS: PageGenerators = {
  "menu": () => codeBlock(menuLines(menubarView(STATE_INPUTS.suggestion_waiting))),
  "menubar states": stateTable,
  "a doctor that finds nothing": async () => codeBlock(await healthyLines()),
  "what the doctor finds": faultSections,
};

/** The page with each generated part replaced by what the program says today; not formatted. */
export function agentPage(page: string): Promise<string> {
  return withGenerated(page, PARTS);
}
