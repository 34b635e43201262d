/** `agent status`: the agent's state in a few lines, or as JSON for programs; `agent healthcheck`: as an exit code. */
import { type AgentStatus, agentStatus, type PairingState, type Problem } from "../run/agent_status.ts";
import { type AgentPhase, readRunningAgent, type RunningAgent } from "../run/agent_state.ts";
import type { AgentContext } from "./agent_context.ts";
import { localTimeText } from "../../lib/clock.ts";
import { countText, durationText } from "../../lib/progress.ts";
import { RESTART_SENTENCES } from "./sync_command.ts";

const PAIRING_SENTENCES: Record<PairingState, string> = {
  none: "not paired: run `agent pair`",
  pending: "is waiting for its code to be approved: then run `agent pair --continue`",
  paired: "paired",
  expired: "has expired, as this device was away too long: run `agent pair` to pair again",
  ended: "has ended: run `agent pair` to pair again",
  other_server: "paired with another server: run `agent pair`, or set AGENT_SERVER_URL back",
  broken: "cannot be read: run `agent pair` to pair again",
};

const PHASE_WORDS: Record<AgentPhase, string> = {
  starting: "is starting",
  syncing: "is sending what waits",
  watching: "sends new messages as they come",
  server_unreachable: "waits for the server",
  pairing_ended: "waits to be paired again",
  database_unreadable: "waits until it can read Messages' database",
  failed: "tries again after a failure",
  stopped: "is stopping",
};

function agentText({ running, state }: RunningAgent): string {
  if (!running || state === null) return "not running: `agent run` sends new messages as they come";
  const { phase, nextTryAt } = state;
  return `running, ${PHASE_WORDS[phase]}` +
    (nextTryAt === null ? "" : ` (next try ${localTimeText(nextTryAt)})`);
}

function pairingText({ pairing: { state, deviceId, expiresAt } }: AgentStatus): string {
  const until = expiresAt === null ? "" : `, until ${localTimeText(expiresAt)}`;
  const which = deviceId === null ? "" : ` (device ${deviceId}${until})`;
  return PAIRING_SENTENCES[state] + which;
}

function problemText({ problem, fix }: Problem): string | null {
  return problem === null || fix === null ? problem : `${problem}. ${fix}.`;
}

function serverText({ server }: AgentStatus): string {
  return `${server.url}: ${problemText(server) ?? "reachable"}`;
}

function messagesText({ messages }: AgentStatus): string {
  if (messages === null) return "unknown, because the database cannot be read";
  const { syncedRowId, waitingRows, restart } = messages;
  if (restart !== null) return `${RESTART_SENTENCES[restart]}: the next sync sends all messages again`;
  const waiting = waitingRows === 0
    ? "nothing waits"
    : `${countText(waitingRows)} ${waitingRows === 1 ? "row waits" : "rows wait"}`;
  return `synced up to row ${syncedRowId}, ${waiting}`;
}

function lastSyncText({ lastSync }: AgentStatus): string {
  if (lastSync === null) return "never";
  const { endedAt, durationMs, inserted, updated, unchanged, deleted, contacts } = lastSync;
  return `${localTimeText(endedAt)}, in ${durationText(durationMs)}: ${countText(inserted)} new, ${
    countText(updated)
  } changed, ` +
    `${countText(unchanged)} known already, ${countText(deleted)} deleted; ${countText(contacts)} contacts`;
}

/** The status as lines for a person. */
export function statusLines(status: AgentStatus & { agent: RunningAgent }): string[] {
  const { chatDb, lastFailure, refused } = status;
  const rows: [string, string][] = [
    ["Server", serverText(status)],
    ["Pairing", pairingText(status)],
    ["Database", problemText(chatDb) ?? `${chatDb.path}: readable`],
    ["Messages", messagesText(status)],
    ["Agent", agentText(status.agent)],
    ["Last sync", lastSyncText(status)],
  ];
  if (lastFailure !== null) rows.push(["Failed", `${localTimeText(lastFailure.at)}: ${lastFailure.message}`]);
  if (refused.length > 0) {
    rows.push(["Refused", `${countText(refused.length)} by the server; \`agent status --json\` lists them`]);
  }
  return rows.map(([name, text]) => `${name.padEnd(10)} ${text}`);
}

/** Runs the command. Whatever it has to tell, telling it is a success. */
export async function statusCommand(options: { json?: boolean }, services: AgentContext): Promise<number> {
  const { store, config, output } = services;
  const pairing = { ...services.pairing, server: services.probe };
  const looked = await agentStatus({ pairing, store, chatDb: config.chatDb });
  const status = { ...looked, agent: await readRunningAgent(config.dataDir) };
  const lines = options.json ? [JSON.stringify(status)] : statusLines(status);
  for (const line of lines) output.line(line);
  return 0;
}

/** Phases in which the agent sends what there is to send. */
const GOOD_PHASES: readonly AgentPhase[] = ["starting", "syncing", "watching"];

/** Runs `healthcheck`: one line, and 0 if an agent runs on this data folder and nothing is wrong, else 1. */
export async function healthcheckCommand({ config, output }: AgentContext): Promise<number> {
  const agent = await readRunningAgent(config.dataDir);
  const { running, state } = agent;
  const isWell = running && state !== null && GOOD_PHASES.includes(state.phase);
  output.line(isWell ? "healthy" : agentText(agent));
  return isWell ? 0 : 1;
}
