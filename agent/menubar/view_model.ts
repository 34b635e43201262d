/** Owns what the menubar shows: one state, its words, the menu, and the panel, from what is known of the agent. Pure. */
import type { Finding } from "../doctor/finding.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import { agoText } from "./ago_text.ts";
import type { MenubarInput } from "./menubar_input.ts";
import { headlineOf, type MenubarState, menubarStateOf } from "./menubar_state.ts";

/** What a click asks for. */
export const MENUBAR_ACTIONS = [
  "show_suggestions",
  "pair",
  "open_full_disk_access",
  "start",
  "pause",
  "resume",
  "open_dashboard",
  "doctor",
  "quit",
] as const;
export type MenubarAction = typeof MENUBAR_ACTIONS[number];

/** The part of `Deno.MenuItem` that this menu uses; an item without an id cannot be clicked. */
export type MenuItem = { item: { label: string; id?: MenubarAction; enabled: boolean } } | "separator";

/** A suggestion as a card of the panel. Its texts are other people's words: data, never markup. */
export interface SuggestionCard {
  readonly responseId: string;
  readonly conversationId: string;
  readonly messageGuid: string;
  readonly to: string;
  readonly message: string;
  readonly draft: string;
  /** `75 %`; null when it is not known. */
  readonly confidence: string | null;
}

export interface PanelView {
  readonly headline: string;
  readonly detail: string | null;
  readonly notice: string | null;
  readonly cards: readonly SuggestionCard[];
  readonly findings: readonly Finding[];
}

export interface MenubarView {
  readonly state: MenubarState;
  readonly tooltip: string;
  readonly menu: readonly MenuItem[];
  readonly panel: PanelView;
}

/** More would not fit; the newest are the ones that matter. */
const MAX_CARDS = 5;

function detailOf({ agent, pairingCode, nowMs }: MenubarInput, state: MenubarState): string | null {
  if (state === "not_paired" && pairingCode !== null) {
    return `Approve the code ${pairingCode} on a linked device or on the server`;
  }
  if (state === "fault") return whatHappened(agent?.lastError?.message ?? "The agent's log says what");
  const lastSyncAt = agent?.lastSyncAt ?? null;
  return lastSyncAt === null ? null : `Last synced ${agoText(nowMs - Date.parse(lastSyncAt))}`;
}

/** The agent's sentences say what happened and, after a colon, what to do, for which a menu is too narrow. */
function whatHappened(sentence: string): string {
  return sentence.split(": ")[0] ?? "";
}

function text(label: string): MenuItem {
  return { item: { label, enabled: false } };
}

function action(id: MenubarAction, label: string): MenuItem {
  return { item: { label, id, enabled: true } };
}

/** What the state itself asks for. */
function remedyItems(state: MenubarState): MenuItem[] {
  switch (state) {
    case "not_paired":
      return [action("pair", "Pair this Mac…")];
    case "permission_missing":
      return [action("open_full_disk_access", "Open Full Disk Access…")];
    case "stopped":
      return [action("start", "Start at each login")];
    default:
      return [];
  }
}

function pauseItems({ service }: MenubarInput): MenuItem[] {
  if (service === "loaded") return [action("pause", "Pause")];
  return service === "paused" ? [action("resume", "Resume")] : [];
}

function suggestionItems({ suggestions }: MenubarInput): MenuItem[] {
  const count = suggestions.length;
  if (count === 0) return [];
  return [action("show_suggestions", count === 1 ? "Show 1 suggestion" : `Show ${count} suggestions`)];
}

function menuOf(input: MenubarInput, { state, headline, detail }: {
  state: MenubarState;
  headline: string;
  detail: string | null;
}): MenuItem[] {
  return [
    text(headline),
    ...(detail === null ? [] : [text(detail)]),
    "separator",
    ...remedyItems(state),
    ...suggestionItems(input),
    ...pauseItems(input),
    action("open_dashboard", "Open Dashboard"),
    action("doctor", "Run Doctor"),
    "separator",
    action("quit", "Quit"),
  ];
}

function cardOf({ conversation, message, responseId, text, confidence }: Suggestion): SuggestionCard {
  return {
    responseId,
    conversationId: conversation.id,
    messageGuid: message.imessageGuid,
    to: conversation.displayName ?? conversation.participantIds.join(", "),
    message: message.text ?? "",
    draft: text,
    confidence: confidence === null ? null : `${Math.round(confidence * 100)} %`,
  };
}

/** Makes the view. */
export function menubarView(input: MenubarInput): MenubarView {
  const state = menubarStateOf(input);
  const headline = headlineOf(state, input);
  const detail = detailOf(input, state);
  return {
    state,
    tooltip: `Conversation Assistant: ${headline}`,
    menu: menuOf(input, { state, headline, detail }),
    panel: {
      headline,
      detail: input.isRunning ? input.agent?.lastError?.message ?? detail : detail,
      notice: input.notice,
      cards: input.suggestions.slice(0, MAX_CARDS).map(cardOf),
      findings: (input.findings ?? []).filter(({ status }) => status !== "ok"),
    },
  };
}
