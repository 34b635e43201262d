/** Owns the panel as a page: one form without a script, with every word of other people escaped. */
import { createHash } from "node:crypto";
import type { Finding } from "../doctor/finding.ts";
import { SETTINGS_PANES, type SettingsPane } from "../doctor/finding.ts";
import type { MenuAction } from "./menubar_actions.ts";
import { PANEL_STYLE } from "./panel_style.ts";
import type { SaidText, SuggestionCard } from "./suggestion_card.ts";
import type { PanelView } from "./view_model.ts";

/** What the buttons of a card ask for. */
export const CARD_ACTIONS = ["send", "insert", "copy", "dismiss"] as const;
export type CardAction = typeof CARD_ACTIONS[number];

const STYLE_HASH = createHash("sha256").update(PANEL_STYLE).digest("base64");

/** The page loads nothing and runs nothing; its forms go to the program that served it. */
export const PANEL_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

/** Seconds until a page on which something is under way looks again. */
const REFRESH_S = 1;

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

function button(value: string, { label, isPrimary = false }: { label: string; isPrimary?: boolean }): string {
  const style = isPrimary ? ` class="primary"` : "";
  return `<button name="do" value="${escapeHtml(value)}"${style}>${escapeHtml(label)}</button>`;
}

function menuButtons(actions: readonly MenuAction[], options: { isPrimary?: boolean } = {}): string {
  const isPrimary = options.isPrimary ?? false;
  return actions.map(({ id, label, short = label }, index) =>
    button(`menu:${id}`, { label: short, isPrimary: isPrimary && index === 0 })
  )
    .join("\n");
}

function cardButtons({ responseId, state }: SuggestionCard): string {
  if (state === "working") return `<p class="quiet" role="status">One moment…</p>`;
  const labels: [CardAction, string][] = state === "unsent"
    ? [["send", "Try Again"], ["copy", "Copy"], ["dismiss", "Remove"]]
    : [["send", "Send"], ["insert", "Insert"], ["copy", "Copy"], ["dismiss", "Dismiss"]];
  const buttons = labels.map(([action, label], index) =>
    button(`${action}:${responseId}`, { label, isPrimary: index === 0 })
  );
  return `<div class="buttons">${buttons.join("\n")}</div>`;
}

function saidHtml({ from, text }: SaidText): string {
  const sender = from === null ? "" : `<b dir="auto">${escapeHtml(from)}</b>`;
  return `<blockquote dir="auto" tabindex="0" aria-label="Message">${sender}${escapeHtml(text)}</blockquote>`;
}

function cardHtml(card: SuggestionCard, { text, isFixed }: { text: string; isFixed: boolean }): string {
  const { responseId, to, said, state, confidence } = card;
  const [id, name] = [escapeHtml(responseId), escapeHtml(to)];
  const mark = state === "unsent" ? "Not sent" : confidence === null ? "" : `Confidence ${confidence}`;
  // A line break right after <textarea> belongs to the tag, so one is written for it.
  return `<section class="box" aria-labelledby="to:${id}">
<h2><bdi id="to:${id}" title="${name}">${name}</bdi><small>${escapeHtml(mark)}</small></h2>
${said.map(saidHtml).join("\n")}
<textarea name="text:${id}" dir="auto" rows="2" aria-label="Reply to ${name}"${isFixed ? " readonly" : ""}>
${escapeHtml(text)}</textarea>
${cardButtons(card)}
</section>`;
}

function paneName(pane: SettingsPane): string {
  return Object.entries(SETTINGS_PANES).find(([, known]) => known.url === pane.url)?.[0] ?? "";
}

function findingHtml({ message, status, remedy }: Finding): string {
  const advice = remedy === null ? "" : `<p class="quiet">${escapeHtml(remedy.text)}.</p>`;
  const pane = remedy?.pane ?? null;
  const place = pane === null ? "" : `<p class="quiet">${escapeHtml(pane.place)}</p>
<div class="buttons">${button(`settings:${paneName(pane)}`, { label: "Open Settings…" })}</div>`;
  const tone = status === "failure" ? "Failure" : "Warning";
  return `<section class="box"><h2>${tone}</h2><p>${escapeHtml(message)}.</p>${advice}${place}</section>`;
}

function adviceHtml({ advice, code, address, remedies }: PanelView): string {
  if (advice === null && remedies.length === 0) return "";
  const lines = [
    advice === null ? "" : `<p>${escapeHtml(advice)}</p>`,
    code === null ? "" : `<p>Approve this code on a device that is paired already, or on the server:</p>
<p class="code">${escapeHtml(code)}</p>`,
    address === null ? "" : `<label>Address or link of your server
<input name="address" value="${
      escapeHtml(address)
    }" inputmode="url" autocapitalize="off" spellcheck="false"></label>`,
    remedies.length === 0 ? "" : `<div class="buttons">${menuButtons(remedies, { isPrimary: true })}</div>`,
  ];
  return `<section class="box">${lines.filter((line) => line !== "").join("\n")}</section>`;
}

function mainHtml(view: PanelView, edits: ReadonlyMap<string, string>): string {
  const { cards, findings, isBusy, notice } = view;
  const advice = adviceHtml(view);
  const texts = cards.map((card) => ({
    text: card.state === "waits" ? edits.get(card.responseId) ?? card.text : card.text,
    isFixed: isBusy || card.state !== "waits",
  }));
  const isEmpty = cards.length + findings.length === 0 && advice === "";
  return [
    notice === null ? "" : `<p class="notice" role="status">${escapeHtml(notice)}</p>`,
    advice,
    ...findings.map(findingHtml),
    ...cards.map((card, index) => cardHtml(card, texts[index] ?? { text: card.text, isFixed: true })),
    isEmpty ? `<p class="empty">Nothing waits for you.</p>` : "",
  ].filter((part) => part !== "").join("\n");
}

export interface PanelPageOptions {
  /** What the form must bring back. */
  key: string;
  /** What the person has made of the drafts, by the draft's id. */
  edits?: ReadonlyMap<string, string>;
}

/** The page. */
export function panelHtml(view: PanelView, { key, edits = new Map() }: PanelPageOptions): string {
  const { tone, headline, detail, actions, isBusy } = view;
  const refresh = isBusy ? `<meta http-equiv="refresh" content="${REFRESH_S}">` : "";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Conversation Assistant</title>${refresh}
<style>${PANEL_STYLE}</style></head>
<body><form id="panel" method="post" action="/do" autocomplete="off">
<input type="hidden" name="key" value="${escapeHtml(key)}">
<header class="${tone}"><h1>${escapeHtml(headline)}</h1>
${detail === null ? "" : `<p class="quiet">${escapeHtml(detail)}</p>`}</header>
<main>
${mainHtml(view, edits)}
</main>
<footer>${menuButtons(actions)}</footer>
</form></body></html>`;
}
