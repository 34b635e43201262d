// Tests of the panel: what others write stays text, only who has the key is answered, and what is done is passed on.
import assert from "node:assert/strict";
import fc from "fast-check";
import { STATE_INPUTS, suggestionWith, WELL } from "../../tests/support/menubar_inputs.ts";
import { panelHtml } from "./panel_page.ts";
import { type CardRequest, panelHandler, panelPath } from "./panel_server.ts";
import { menubarView, type PanelView } from "./view_model.ts";

const KEY = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0";
const ORIGIN = "http://127.0.0.1:4000";

function panelWith(words: { to?: string; message?: string; text?: string } = {}): PanelView {
  return menubarView({ ...WELL, suggestions: [suggestionWith(words)] }).panel;
}

/** A handler, and the requests that it passed on. */
function served(panel: PanelView = panelWith()) {
  const acted: CardRequest[] = [];
  const handler = panelHandler({
    key: KEY,
    panel: () => panel,
    act: (request) => Promise.resolve(void acted.push(request)),
  });
  const get = (path: string) => handler(new Request(ORIGIN + path));
  const post = (fields: Record<string, string>) =>
    handler(new Request(`${ORIGIN}/act`, { method: "POST", body: new URLSearchParams(fields) }));
  return { acted, get, post };
}

Deno.test("no word of a message becomes markup, wherever it stands", () => {
  const tags = panelHtml(panelWith(), KEY).replace(/[^<>]/g, "");
  const word = fc.constantFrom("<", ">", '"', "'", "&", "</textarea>", "<script>", "\n", "&lt;", "a");
  const words = fc.array(word, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(fc.property(words, words, words, (to, message, text) => {
    const html = panelHtml(panelWith({ to, message, text }), KEY);
    assert.equal(html.replace(/[^<>]/g, ""), tags);
  }));
});

Deno.test("the draft stands in the card as it is, a first line break included", () => {
  assert.match(
    panelHtml(panelWith({ text: "\nYes & no" }), KEY),
    /<textarea[^>]*>\n\nYes &amp; no<\/textarea>/,
  );
});

Deno.test("a panel without cards and findings says so, and a finding shows how to mend it and where", () => {
  assert.match(panelHtml(menubarView(WELL).panel, KEY), /Nothing waits for you\./);
  const pane = { place: "System Settings > Privacy & Security", url: "x-apple.systempreferences:" };
  const finding = {
    id: "full_disk_access",
    status: "failure",
    message: "It may not be read",
    remedy: { text: "allow it", pane },
  } as const;
  const html = panelHtml(menubarView({ ...STATE_INPUTS.permission_missing, findings: [finding] }).panel, KEY);
  assert.match(
    html,
    /It may not be read\.<br><small>To mend it, allow it\.<\/small><br><small>System Settings &gt; /,
  );
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
  for (const path of ["/panel", "/panel?key=", `/panel?key=${KEY}x`, "/act", "/other"]) {
    const refused = await get(path);
    assert.deepEqual([refused.status, await refused.text()], [404, ""], path);
  }
});

Deno.test("what is done with a card is passed on with the words as they stand, and leads back to the panel", async () => {
  const { acted, post } = served();
  const response = await post({ key: KEY, action: "send", response: "r", text: " Yes,\r\nat seven \r\n" });
  assert.deepEqual([response.status, response.headers.get("location")], [303, panelPath(KEY)]);
  assert.deepEqual(acted, [{ action: "send", responseId: "r", text: "Yes,\nat seven" }]);
});

Deno.test("a form without the key, with another action, or without end is passed on to nobody", async () => {
  const { acted, post } = served();
  const form = { key: KEY, action: "send", response: "r", text: "Yes" };
  assert.equal((await post({ ...form, key: "guess" })).status, 404);
  assert.equal((await post({ ...form, action: "transfer" })).status, 400);
  assert.equal((await post({ key: KEY, action: "send" })).status, 400);
  assert.equal((await post({ ...form, text: "x".repeat(300_000) })).status, 400);
  assert.deepEqual(acted, []);
});
