/** One input for each state of the menubar, and the view that a person gets of it, for tests and the manual. */
import { ChatDatabaseError } from "../../../agent/chatdb/file/chat_database_error.ts";
import { UserError } from "../../../lib/errors.ts";
import type { Message } from "../../../contract/conversations.ts";
import type { MenubarInput } from "../../../agent/menubar/menubar_input.ts";
import type { MenubarState } from "../../../agent/menubar/menubar_state.ts";
import type { MenubarView } from "../../../agent/menubar/view_model.ts";
import type { Suggestion } from "../../../agent/suggest/suggestion.ts";
import type { AgentState } from "../../../agent/run/agent_state.ts";

export const NOW_MS = Date.UTC(2026, 5, 1, 12);
const AT = new Date(NOW_MS - 3 * 60_000).toISOString();

/** The state of an agent that has sent everything. */
export const WATCHING: AgentState = {
  phase: "watching",
  since: AT,
  startedAt: AT,
  lastSyncAt: AT,
  lagRows: 0,
  lastError: null,
  nextTryAt: null,
  counts: { inserted: 0, updated: 0, unchanged: 0, refused: 0, contacts: 0 },
};

/** An input in which all is well. */
export const WELL: MenubarInput = {
  agent: WATCHING,
  isRunning: true,
  service: "loaded",
  isPaired: true,
  serverUrl: "http://127.0.0.1:3100",
  pairingCode: null,
  suggestions: [],
  unsent: [],
  names: new Map(),
  findings: null,
  notice: null,
  busy: null,
  nowMs: NOW_MS,
};

function failed(phase: AgentState["phase"], code: string, error: UserError): MenubarInput {
  const { message, fix } = error;
  return { ...WELL, agent: { ...WATCHING, phase, lastError: { code, message, fix, at: AT } } };
}

/** A suggestion with these words. */
export function suggestionWith(words: { to?: string; message?: string; text?: string } = {}): Suggestion {
  const { to = "Ada", message: said = "Dinner on Friday?", text = "Yes, at seven!" } = words;
  const id = crypto.randomUUID();
  const message: Message = {
    id,
    conversationId: "c",
    imessageGuid: `guid-${id}`,
    senderId: "+15550100001",
    direction: "incoming",
    messageType: "text",
    text: said,
    sentAt: AT,
    editedAt: null,
    retractedAt: null,
    replyToGuid: null,
    reactions: [],
    attachments: [],
  };
  const conversation = { id: "c", displayName: to, isGroup: false, participantIds: ["+15550100001"] };
  return {
    conversation,
    message,
    earlier: [],
    failed: [],
    responseId: `response-${id}`,
    text,
    confidence: 0.75,
  };
}

/** One input for each state. */
export const STATE_INPUTS: Record<MenubarState, MenubarInput> = {
  synced: WELL,
  suggestion_waiting: { ...WELL, suggestions: [suggestionWith()] },
  syncing: { ...WELL, agent: { ...WATCHING, phase: "syncing", lastSyncAt: null, lagRows: 12_345 } },
  lagging: { ...WELL, agent: { ...WATCHING, lagRows: 3 } },
  offline: failed(
    "server_unreachable",
    "server_unreachable",
    new UserError("Cannot reach the server at http://127.0.0.1:3100 (Connection refused)", {
      fix: "Check that it runs there, or set AGENT_SERVER_URL",
    }),
  ),
  permission_missing: failed(
    "database_unreadable",
    "permission_denied",
    new ChatDatabaseError("permission_denied", "/Users/me/Library/Messages/chat.db"),
  ),
  not_paired: {
    ...failed("pairing_ended", "not_paired", new UserError("This device is not paired")),
    isPaired: false,
    pairingCode: "123456",
  },
  paused: { ...WELL, isRunning: false, service: "paused" },
  stopped: { ...WELL, agent: null, isRunning: false, service: "none" },
  fault: failed(
    "database_unreadable",
    "locked",
    new ChatDatabaseError("locked", "/Users/me/Library/Messages/chat.db"),
  ),
};

/** The menu as lines: what can be chosen in brackets, the rest as it is. */
export function menuLines({ menu }: MenubarView): string[] {
  return menu.map((entry) => {
    if (entry === "separator") return "─────";
    const { label, enabled } = entry.item;
    return enabled ? `[${label}]` : label;
  });
}

/** What every menu ends with. */
const COMMON_ITEMS = ["[Open Server Page]", "[Run Doctor]", "─────", "[Quit]"];

/** A state as a row of the manual's table: its lines, and what it offers besides what every menu has. */
export function stateRow(view: MenubarView): string {
  const lines = menuLines(view);
  const separatorAt = lines.indexOf("─────");
  const own = lines.slice(separatorAt + 1, -COMMON_ITEMS.length).map((label) => label.slice(1, -1));
  const [headline = "", detail = ""] = lines.slice(0, separatorAt);
  return `| ${[headline, detail, own.join(" · ")].join(" | ")} |`.replaceAll(/ +/g, " ");
}
