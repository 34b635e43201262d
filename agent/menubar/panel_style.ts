/** Owns how the panel looks: a small Mac window, light and dark, in the system's own letters. */

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
