/** The panel as a page: HTML without scripts, in which every text is escaped, and its style. */
import { createHash } from "node:crypto";
import { type Finding, SETTINGS_PANES, type SettingsPane } from "../doctor/finding.ts";
import type { MenuAction } from "./menubar_actions.ts";
import type { SaidText, SuggestionCard } from "./suggestion_card.ts";
import type { PanelView } from "./view_model.ts";

/** What the buttons of a card ask for. */
export const CARD_ACTIONS = ["send", "insert", "copy", "dismiss"] as const;
export type CardAction = typeof CARD_ACTIONS[number];

export const PANEL_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f5f5f7; --card: #fff; --text: #1d1d1f; --quiet: #65656a; --line: #0000001f; --key: #fff;
  --accent: #0066d6; --good: #248a3d; --attention: #c93400; --idle: #8e8e93; --notice: #e6f0fd;
  font: 13px/1.4 -apple-system, system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #1e1e20; --card: #2c2c2e; --text: #f5f5f7; --quiet: #a5a5ab; --line: #ffffff26; --key: #48484a;
    --accent: #0a6fdc; --good: #32d74b; --attention: #ff9f0a; --idle: #98989d; --notice: #17345a;
  }
}
* { box-sizing: border-box }
html, body { height: 100% }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere; cursor: default }
body, #panel { display: flex; flex-direction: column }
#panel { flex: 1; min-height: 0; margin: 0 }
header { padding: 14px 16px 10px; border-bottom: 1px solid var(--line) }
main { flex: 1; overflow-y: auto; padding: 12px; display: flex; flex-direction: column; gap: 12px }
footer { padding: 8px 12px; border-top: 1px solid var(--line); display: flex; gap: 6px }
footer button:last-child { margin-inline-start: auto }
h1 { font-size: 15px; margin: 0; display: flex; align-items: center; gap: 8px }
h1::before { content: ""; flex: none; width: 9px; height: 9px; border-radius: 50%; background: var(--tone) }
.good { --tone: var(--good) } .passing { --tone: var(--accent) }
.idle { --tone: var(--idle) } .attention { --tone: var(--attention) }
h2 { font-size: 13px; margin: 0; display: flex; gap: 8px; align-items: baseline }
h2 bdi { flex: 1; text-align: left; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
p { margin: 0 }
header p { margin: 2px 0 0 17px }
.quiet, h2 small { color: var(--quiet); font-weight: normal; font-size: 12px }
.notice { background: var(--notice); border-radius: 8px; padding: 8px 10px }
.box { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 12px;
  display: flex; flex-direction: column; gap: 8px }
.code { font: 600 26px/1.2 ui-monospace, monospace; letter-spacing: 4px; user-select: all; cursor: text }
blockquote { margin: 0; padding: 6px 10px; border-radius: 12px; background: var(--page); white-space: pre-wrap;
  max-height: 8.6em; overflow-y: auto; user-select: text; cursor: text }
blockquote b { display: block; font-size: 12px; color: var(--quiet); font-weight: 600 }
textarea, input { width: 100%; font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 7px; padding: 6px 8px }
textarea { resize: vertical; min-height: 3.6em; max-height: 14em; field-sizing: content }
[readonly] { background: var(--page) }
.buttons { display: flex; flex-wrap: wrap; gap: 6px; align-items: center }
button { font: inherit; color: var(--text); background: var(--key); border: 1px solid var(--line);
  border-radius: 6px; padding: 3px 11px; min-height: 26px }
button:hover { filter: brightness(.96) } button:active { filter: brightness(.88) }
button.primary { background: var(--accent); border-color: transparent; color: #fff }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px }
.empty { margin: auto; color: var(--quiet) }
`;

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
