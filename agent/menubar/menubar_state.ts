/** The one state that the menubar is in, and its text. */
import type { MenubarInput } from "./menubar_input.ts";

/** `fault`: something else is wrong, which the agent's own sentence tells. `stopped`: nobody has started the agent. */
export type MenubarState =
  | "synced"
  | "suggestion_waiting"
  | "syncing"
  | "lagging"
  | "offline"
  | "permission_missing"
  | "not_paired"
  | "paused"
  | "stopped"
  | "fault";

/** How a state is felt: `good` and `passing` need nobody, `idle` is the person's own choice. */
export type Tone = "good" | "passing" | "idle" | "attention";

export const TONES: Readonly<Record<MenubarState, Tone>> = {
  synced: "good",
  suggestion_waiting: "good",
  syncing: "passing",
  lagging: "passing",
  offline: "attention",
  permission_missing: "attention",
  not_paired: "attention",
  paused: "idle",
  stopped: "idle",
  fault: "attention",
};

type Facts = Pick<
  MenubarInput,
  "agent" | "isRunning" | "service" | "isPaired" | "suggestions" | "unsent" | "nowMs"
>;

/** Rows that wait longer than this are a lag; before, the agent is simply at it. */
const LAG_MS = 60_000;

function isLagging({ agent, nowMs }: Facts): boolean {
  if (agent === null || agent.lastSyncAt === null || (agent.lagRows ?? 0) === 0) return false;
  return nowMs - Date.parse(agent.lastSyncAt) > LAG_MS;
}

function waitingCount({ suggestions, unsent }: Facts): number {
  return suggestions.length + unsent.length;
}

/** A state that needs the person outranks one that passes, and a suggestion shows only when all else is well. */
export function menubarStateOf(facts: Facts): MenubarState {
  const { agent, isRunning, service, isPaired } = facts;
  if (!isRunning) return service === "paused" ? "paused" : isPaired ? "stopped" : "not_paired";
  switch (agent?.phase ?? "starting") {
    case "pairing_ended":
      return "not_paired";
    case "database_unreadable":
      return agent?.lastError?.code === "permission_denied" ? "permission_missing" : "fault";
    case "failed":
      return "fault";
    case "server_unreachable":
      return "offline";
    case "starting":
    case "stopped":
      return "syncing";
    case "syncing":
      return isLagging(facts) ? "lagging" : "syncing";
    case "watching":
      if (isLagging(facts)) return "lagging";
      return waitingCount(facts) > 0 ? "suggestion_waiting" : "synced";
  }
}

function rowsText(count: number): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? "row" : "rows"}`;
}

/** The state in a few words. */
export function headlineOf(state: MenubarState, facts: Facts): string {
  const rows = facts.agent?.lagRows ?? 0;
  const waiting = waitingCount(facts);
  switch (state) {
    case "synced":
      return "Everything is synced";
    case "suggestion_waiting":
      return waiting === 1 ? "1 suggestion to review" : `${waiting} suggestions to review`;
    case "syncing":
      return rows === 0 ? "Syncing" : `Syncing, ${rowsText(rows)} to go`;
    case "lagging":
      return `Behind by ${rowsText(rows)}`;
    case "offline":
      return rows === 0
        ? "The server cannot be reached"
        : `The server cannot be reached; ${rowsText(rows)} wait`;
    case "permission_missing":
      return "Full Disk Access is missing";
    case "not_paired":
      return "Not paired with a server";
    case "paused":
      return "Paused until you resume or log in again";
    case "stopped":
      return "The agent is not running";
    case "fault":
      return "Something went wrong";
  }
}
