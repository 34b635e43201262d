/** What the menubar shows: one state, its words, the menu and the panel, computed from what is known of the agent. */
import type { Finding } from "../doctor/finding.ts";
import { type MenuAction, menuActions, remedyActions } from "./menubar_actions.ts";
import type { MenubarInput } from "./menubar_input.ts";
import { headlineOf, type MenubarState, menubarStateOf, type Tone, TONES } from "./menubar_state.ts";
import { type SuggestionCard, suggestionCards } from "./suggestion_card.ts";

/** The part of `Deno.MenuItem` that this menu uses; an item without an id cannot be clicked. */
export type MenuItem = { item: { label: string; id?: MenuAction["id"]; enabled: boolean } } | "separator";

export interface PanelView {
  readonly tone: Tone;
  readonly headline: string;
  readonly detail: string | null;
  /** What to know and do in this state; null when nothing is to be done. */
  readonly advice: string | null;
  /** The code of a pairing that waits for approval. */
  readonly code: string | null;
  /** The server's address, where it can be changed. */
  readonly address: string | null;
  /** What the state asks for. */
  readonly remedies: readonly MenuAction[];
  readonly notice: string | null;
  readonly cards: readonly SuggestionCard[];
  readonly findings: readonly Finding[];
  /** What can always be done. */
  readonly actions: readonly MenuAction[];
  /** True while something is under way, after which the panel will differ. */
  readonly isBusy: boolean;
}

export interface MenubarView {
  readonly state: MenubarState;
  readonly tooltip: string;
  readonly menu: readonly MenuItem[];
  readonly panel: PanelView;
}

/** A notice is about what the person just did; later it would be about nothing. */
const NOTICE_MS = 60_000;

const ADVICE: Partial<Record<MenubarState, string>> = {
  permission_missing:
    "Messages can be read only with Full Disk Access. Switch it on for Conversation Assistant, " +
    "then start the agent again.",
  offline: "Nothing is lost: what you write and get meanwhile is sent when the server is back.",
  stopped: "New messages are sent and answered only while the agent runs.",
};

function detailOf({ agent, pairingCode, nowMs }: MenubarInput, state: MenubarState): string | null {
  if (state === "not_paired" && pairingCode !== null) {
    return `Approve the code ${pairingCode} on a linked device or on the server`;
  }
  if (state === "fault") return agent?.lastError?.message ?? "The agent's log says what";
  const lastSyncAt = agent?.lastSyncAt ?? null;
  return lastSyncAt === null ? null : `Last synced ${agoText(nowMs - Date.parse(lastSyncAt))}`;
}

function text(label: string): MenuItem {
  return { item: { label, enabled: false } };
}

function item({ id, label }: MenuAction): MenuItem {
  return { item: { label, id, enabled: true } };
}

function showItem({ suggestions, unsent }: MenubarInput): MenuItem[] {
  const count = suggestions.length + unsent.length;
  if (count === 0) return [];
  return [
    item({ id: "show_suggestions", label: `Show ${count} ${count === 1 ? "Suggestion" : "Suggestions"}` }),
  ];
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
    ...remedyActions(input, state).map(item),
    ...showItem(input),
    ...menuActions(input).map(item),
    "separator",
    item({ id: "quit", label: "Quit" }),
  ];
}

function adviceOf({ agent }: MenubarInput, state: MenubarState): string | null {
  if (state !== "fault") return ADVICE[state] ?? null;
  const fix = agent?.lastError?.fix ?? null;
  return fix === null ? null : `${fix}.`;
}

function noticeOf({ notice, nowMs }: MenubarInput): string | null {
  return notice === null || nowMs - notice.atMs > NOTICE_MS ? null : notice.text;
}

function panelOf(input: MenubarInput, { state, headline, detail }: {
  state: MenubarState;
  headline: string;
  detail: string | null;
}): PanelView {
  const isPairing = state === "not_paired";
  return {
    tone: TONES[state],
    headline,
    detail: isPairing ? null : detail,
    advice: adviceOf(input, state),
    code: isPairing ? input.pairingCode : null,
    address: isPairing && input.pairingCode === null ? input.serverUrl : null,
    remedies: remedyActions(input, state),
    notice: noticeOf(input),
    cards: suggestionCards(input),
    findings: (input.findings ?? []).filter(({ status }) => status !== "ok"),
    actions: [...menuActions(input), { id: "quit", label: "Quit" }],
    isBusy: input.busy !== null,
  };
}

/** Makes the view. */
export function menubarView(input: MenubarInput): MenubarView {
  const state = menubarStateOf(input);
  const words = { state, headline: headlineOf(state, input), detail: detailOf(input, state) };
  return {
    state,
    tooltip: `Conversation Assistant: ${words.headline}`,
    menu: menuOf(input, words),
    panel: panelOf(input, words),
  };
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `just now`, `3 minutes ago`, `2 hours ago`, `5 days ago`. */
export function agoText(spanMs: number): string {
  const [unitMs, unit] = spanMs < HOUR_MS
    ? [MINUTE_MS, "minute"]
    : spanMs < DAY_MS
    ? [HOUR_MS, "hour"]
    : [DAY_MS, "day"];
  const count = Math.floor(spanMs / unitMs);
  if (count < 1) return "just now";
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}
