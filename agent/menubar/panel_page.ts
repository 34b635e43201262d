/** Owns the panel as a page: forms without a script, with every word of other people escaped. */
import type { Finding } from "../doctor/finding.ts";
import type { PanelView, SuggestionCard } from "./view_model.ts";

/** What the buttons of a card ask for. */
export const CARD_ACTIONS = ["send", "copy", "dismiss"] as const;
export type CardAction = typeof CARD_ACTIONS[number];

/** The page loads nothing and runs nothing; its forms go to the program that served it. */
export const PANEL_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

const STYLE = `:root { color-scheme: light dark; font: 13px -apple-system, system-ui, sans-serif }
body { margin: 14px } h1 { font-size: 15px; margin: 0 0 4px } p { margin: 0 0 10px }
article { border-top: 1px solid #8884; padding: 10px 0 } h2 { font-size: 13px; margin: 0 0 4px }
blockquote { margin: 0 0 8px; padding-left: 8px; border-left: 3px solid #8886; white-space: pre-wrap }
textarea { width: 100%; box-sizing: border-box; font: inherit; min-height: 4.5em }
small, .quiet { opacity: .7 } button { font: inherit; margin: 6px 6px 0 0 }`;

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

function cardHtml(card: SuggestionCard, key: string): string {
  const confidence = card.confidence === null
    ? ""
    : ` <small>confidence ${escapeHtml(card.confidence)}</small>`;
  // A line break right after <textarea> belongs to the tag, so one is written for it.
  return `<article><h2>${escapeHtml(card.to)}</h2>
<blockquote>${escapeHtml(card.message)}</blockquote>
<form method="post" action="/act">
<input type="hidden" name="key" value="${escapeHtml(key)}">
<input type="hidden" name="response" value="${escapeHtml(card.responseId)}">
<textarea name="text" aria-label="Reply">
${escapeHtml(card.draft)}</textarea>
<button name="action" value="send">Send</button>
<button name="action" value="copy">Copy</button>
<button name="action" value="dismiss">Dismiss</button>${confidence}
</form></article>`;
}

function findingHtml({ message, remedy }: Finding): string {
  const advice = remedy === null ? "" : `<br><small>To mend it, ${escapeHtml(remedy.text)}.</small>`;
  const place = remedy?.pane === null || remedy === null
    ? ""
    : `<br><small>${escapeHtml(remedy.pane.place)}</small>`;
  return `<article>${escapeHtml(message)}.${advice}${place}</article>`;
}

/** The page. `key` is what the forms must bring back. */
export function panelHtml({ headline, detail, notice, cards, findings }: PanelView, key: string): string {
  const lines = [
    detail === null ? "" : `<p class="quiet">${escapeHtml(detail)}</p>`,
    notice === null ? "" : `<p role="status">${escapeHtml(notice)}</p>`,
    ...cards.map((card) => cardHtml(card, key)),
    ...findings.map(findingHtml),
    cards.length + findings.length === 0 ? `<p class="quiet">Nothing waits for you.</p>` : "",
  ];
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Conversation Assistant</title>
<style>${STYLE}</style></head><body><h1>${escapeHtml(headline)}</h1>
${lines.filter((line) => line !== "").join("\n")}
</body></html>`;
}
