// Tests of the panel: what others write stays text, only who has the key is answered, and what is done is passed on.
import assert from "node:assert/strict";
import fc from "fast-check";
import { STATE_INPUTS, suggestionWith, WELL } from "../../tests/support/mac/menubar_inputs.ts";
import { SETTINGS_PANES } from "../doctor/finding.ts";
import { panelHtml } from "./panel_page.ts";
import { panelHandler, panelPath, type PanelRequest } from "./panel_server.ts";
import { menubarView, type PanelView } from "./view_model.ts";

const KEY = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0";
const ORIGIN = "http://127.0.0.1:4000";

function panelWith(words: { to?: string; message?: string; text?: string } = {}): PanelView {
  return menubarView({ ...WELL, suggestions: [suggestionWith(words)] }).panel;
}

/** A handler, and the requests that it passed on. */
function served(panel: PanelView = panelWith()) {
  const asked: PanelRequest[] = [];
  const handler = panelHandler({
    key: KEY,
    panel: () => panel,
    perform: (request) => Promise.resolve(void asked.push(request)),
    patience: () => new Promise(() => {}),
  });
  const get = (path: string) => handler(new Request(ORIGIN + path));
  const post = (fields: Record<string, string>) =>
    handler(new Request(`${ORIGIN}/do`, { method: "POST", body: new URLSearchParams(fields) }));
  return { asked, handler, get, post };
}

Deno.test("no word of a message becomes markup, wherever it stands", () => {
  const tags = panelHtml(panelWith(), { key: KEY }).replace(/[^<>]/g, "");
  const word = fc.constantFrom("<", ">", '"', "'", "&", "</textarea>", "<script>", "\n", "&lt;", "a");
  const words = fc.array(word, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(fc.property(words, words, words, (to, message, text) => {
    const html = panelHtml(panelWith({ to, message, text }), { key: KEY });
    assert.equal(html.replace(/[^<>]/g, ""), tags);
  }));
});

Deno.test("the draft stands in the card as it is, a first line break included", () => {
  assert.match(
    panelHtml(panelWith({ text: "\nYes & no" }), { key: KEY }),
    /<textarea[^>]*>\n\nYes &amp; no<\/textarea>/,
  );
});

Deno.test("a panel without cards and findings says so, and a finding shows how and where to fix it", () => {
  assert.match(panelHtml(menubarView(WELL).panel, { key: KEY }), /Nothing waits for you\./);
  const pane = SETTINGS_PANES.fullDiskAccess;
  const finding = {
    id: "full_disk_access",
    status: "failure",
    message: "It may not be read",
    remedy: { text: "Allow it", pane },
  } as const;
  const { panel } = menubarView({ ...STATE_INPUTS.permission_missing, findings: [finding] });
  const html = panelHtml(panel, { key: KEY });
  for (
    const shown of [
      "It may not be read.",
      "Allow it.",
      "System Settings &gt; Privacy",
      'value="settings:fullDiskAccess"',
    ]
  ) assert.ok(html.includes(shown), shown);
});

Deno.test("the first page that the runtime loads is empty and needs no key", async () => {
  const response = await served().get("/");
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "<!doctype html><title>Conversation Assistant</title>");
});

Deno.test("the panel is shown to whoever has the key, and runs and loads nothing", async () => {
  const { get } = served();
  const response = await get(panelPath(KEY));
  assert.equal(response.status, 200);
  assert.match(await response.text(), /Dinner on Friday\?/);
  assert.match(
    response.headers.get("content-security-policy") ?? "",
    /^default-src 'none';.*frame-ancestors 'none'$/,
  );
  assert.equal(response.headers.get("cache-control"), "no-store");
  for (const path of ["/panel", "/panel?key=", `/panel?key=${KEY}x`, "/do", "/other"]) {
    const refused = await get(path);
    assert.deepEqual([refused.status, await refused.text()], [404, ""], path);
  }
});

Deno.test("what is done with a card is passed on with the words as they stand, and leads back to the panel", async () => {
  const { asked, post } = served();
  const response = await post({ key: KEY, do: "send:r", "text:r": " Yes,\r\nat seven \r\n", "text:s": "No" });
  assert.deepEqual([response.status, response.headers.get("location")], [303, panelPath(KEY)]);
  assert.deepEqual(asked, [
    { kind: "card", card: { action: "send", responseId: "r", text: "Yes,\nat seven" } },
  ]);
});

Deno.test("what is chosen from the menu, a pane of the settings and the server's address are passed on", async () => {
  const { asked, post } = served();
  await post({ key: KEY, do: "menu:pair", address: " mac.local:3100 " });
  await post({ key: KEY, do: "menu:pause" });
  await post({ key: KEY, do: "settings:storage" });
  assert.deepEqual(asked, [
    { kind: "menu", action: "pair", address: "mac.local:3100" },
    { kind: "menu", action: "pause", address: null },
    { kind: "settings", pane: "storage" },
  ]);
});

Deno.test("words that were changed in one card stay while another is acted on, and are forgotten with their card", async () => {
  const [one, two] = [suggestionWith({ text: "One" }), suggestionWith({ text: "Two" })];
  let panel = menubarView({ ...WELL, suggestions: [one, two] }).panel;
  const handler = panelHandler({
    key: KEY,
    panel: () => panel,
    perform: () => Promise.resolve(),
    patience: () => Promise.resolve(),
  });
  const shown = async () => await (await handler(new Request(ORIGIN + panelPath(KEY)))).text();
  const fields = {
    key: KEY,
    do: `copy:${two.responseId}`,
    [`text:${one.responseId}`]: "One, changed",
    [`text:${two.responseId}`]: "Two",
  };
  await handler(new Request(`${ORIGIN}/do`, { method: "POST", body: new URLSearchParams(fields) }));
  panel = menubarView({ ...WELL, suggestions: [one] }).panel;
  assert.match(await shown(), />\nOne, changed<\/textarea>/);
  panel = menubarView(WELL).panel;
  await handler(new Request(`${ORIGIN}/do`, { method: "POST", body: new URLSearchParams(fields) }));
  panel = menubarView({ ...WELL, suggestions: [one] }).panel;
  assert.match(await shown(), />\nOne<\/textarea>/);
});

Deno.test("what takes its time is not waited for: the page says so, lets nothing be written, and looks again", async () => {
  const suggestion = suggestionWith();
  const busy = { ...WELL, suggestions: [suggestion, suggestionWith()], busy: suggestion.responseId };
  const handler = panelHandler({
    key: KEY,
    panel: () => menubarView(busy).panel,
    perform: () => new Promise(() => {}),
    patience: () => Promise.resolve(),
  });
  const body = new URLSearchParams({ key: KEY, do: `send:${suggestion.responseId}` });
  const response = await handler(new Request(`${ORIGIN}/do`, { method: "POST", body }));
  assert.equal(response.status, 303);
  const html = await (await handler(new Request(ORIGIN + panelPath(KEY)))).text();
  assert.match(html, /<meta http-equiv="refresh" content="1">/);
  assert.match(html, /One moment…/);
  assert.equal(html.match(/<textarea[^>]* readonly>/g)?.length, 2);
  assert.doesNotMatch(panelHtml(panelWith(), { key: KEY }), /refresh|readonly>/);
});

Deno.test("a form without the key, with a button that there is not, or without end is passed on to nobody", async () => {
  const { asked, post } = served();
  const form = { key: KEY, do: "send:r", "text:r": "Yes" };
  assert.equal((await post({ ...form, key: "guess" })).status, 404);
  for (const wrong of ["transfer:r", "send", "send:", "menu:format_disk", "settings:constructor", ""]) {
    assert.equal((await post({ ...form, do: wrong })).status, 400, wrong);
  }
  assert.equal((await post({ ...form, "text:r": "x".repeat(1_100_000) })).status, 400);
  const headers = { "content-length": "2000000" };
  const announced = new Request(`${ORIGIN}/do`, { method: "POST", headers, body: "key=x" });
  assert.equal((await served().handler(announced)).status, 413);
  assert.deepEqual(asked, []);
});
