/** `agent doctor`: what works, what does not, and how to fix it. */
import { examine } from "../doctor/examination.ts";
import type { Finding, FindingId, FindingStatus } from "../doctor/finding.ts";
import { agentStatus } from "../run/agent_status.ts";
import { serviceStatus } from "../service/agent_service.ts";
import { permissionHolder, programFacts, serviceProgram } from "../service/service_program.ts";
import { readRunningAgent } from "../run/agent_state.ts";
import type { AgentContext } from "./agent_context.ts";
import { serviceDependencies } from "./service_command.ts";

const TITLES: Record<FindingId, string> = {
  full_disk_access: "Full Disk Access",
  messages_database: "Messages database",
  address_book: "Address book",
  automation: "Automation",
  server: "Server",
  pairing: "Pairing",
  clock: "Clock",
  disk: "Disk",
  agent: "Running agent",
  service: "Service",
};

const TITLE_WIDTH = Math.max(...Object.values(TITLES).map((title) => title.length));
const STATUS_WIDTH = "failure".length;

/** Columns of a line, so that it breaks at words and under its own column, not where the terminal ends. */
const LINE_WIDTH = 100;

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}

function findingLines({ id, status, message, remedy }: Finding): string[] {
  const head = `${status.padEnd(STATUS_WIDTH)}  ${TITLES[id].padEnd(TITLE_WIDTH)}  `;
  const width = LINE_WIDTH - head.length;
  const text = [...wrapped(`${message}.`, width)];
  if (remedy !== null) text.push(...wrapped(`${remedy.text}.`, width));
  if (remedy?.pane) text.push(remedy.pane.place, `open "${remedy.pane.url}"`);
  return text.map((line, index) => (index === 0 ? head : " ".repeat(head.length)) + line);
}

function countOf(findings: readonly Finding[], status: FindingStatus): number {
  return findings.filter((finding) => finding.status === status).length;
}

function verdict(findings: readonly Finding[]): string {
  const [failures, warnings] = [countOf(findings, "failure"), countOf(findings, "warning")];
  if (failures + warnings === 0) return "No problems found.";
  const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${counted(failures, "failure")}, ${counted(warnings, "warning")}.`;
}

/** The findings as lines for a person. */
export function doctorLines(findings: readonly Finding[]): string[] {
  return [...findings.flatMap(findingLines), "", verdict(findings)];
}

/** Makes every check on this agent. */
export function examineAgent(services: AgentContext): Promise<Finding[]> {
  const { config, store, machine, messages, now, pairing, probe } = services;
  return examine({
    config,
    machine,
    messages,
    now,
    status: () => agentStatus({ pairing: { ...pairing, server: probe }, store, chatDb: config.chatDb }),
    readAddressBook: services.readAddressBook,
    runningAgent: () => readRunningAgent(config.dataDir),
    permissionHolder: permissionHolder(serviceProgram(programFacts())),
    serviceStatus: () => serviceStatus(serviceDependencies(services)),
  });
}

/** Runs the command; a failure among the findings is exit code 1. */
export async function doctorCommand(options: { json?: boolean }, services: AgentContext): Promise<number> {
  const findings = await examineAgent(services);
  const lines = options.json ? [JSON.stringify({ findings })] : doctorLines(findings);
  for (const line of lines) services.output.line(line);
  return countOf(findings, "failure") === 0 ? 0 : 1;
}
