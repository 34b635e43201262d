// Tests of the panel in a real browser: what a person sees, reads and does, and what a message cannot do to it.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTests, type TestBrowser } from "../../tests/support/process/browser.ts";
import { STATE_INPUTS, suggestionWith, WELL } from "../../tests/support/mac/menubar_inputs.ts";
import { SETTINGS_PANES } from "../doctor/finding.ts";
import type { MenubarInput } from "./menubar_input.ts";
import { panelHandler, panelPath, type PanelRequest } from "./panel_server.ts";
import { PANEL_SIZE } from "./tray.ts";
import { menubarView } from "./view_model.ts";

const KEY = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0";
const LONG = "These are many words, and there are more of them. ".repeat(40);
const HOSTILE =
  `</textarea></section><script>document.title = "owned"</script>"'><img src=x onerror=alert(1)>&lt;b&gt;`;
const FINDING = {
  id: "disk",
  status: "failure",
  message: "Only 150 MiB are free",
  remedy: { text: "Free some space on that disk", pane: SETTINGS_PANES.storage },
} as const;

/** The panel of an input, served, and shown in a page. */
class ShownPanel implements AsyncDisposable {
  readonly asked: PanelRequest[] = [];
  /** What the page should never do: dialogs, errors, and requests to elsewhere. */
  readonly faults: string[] = [];
  /** Called with each request that a button makes. */
  onAsked: (request: PanelRequest) => void = () => {};

  private constructor(readonly page: Page, readonly server: Deno.HttpServer<Deno.NetAddr>) {}

  static async open(
    browser: TestBrowser,
    input: () => MenubarInput,
    options: { isDark?: boolean } = {},
  ): Promise<ShownPanel> {
    const handler = panelHandler({
      key: KEY,
      panel: () => menubarView(input()).panel,
      perform: (request) => Promise.resolve(shown.#note(request)),
      patience: () => new Promise(() => {}),
    });
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
    const page = await browser.page({ ...PANEL_SIZE, ...options });
    const shown = new ShownPanel(page, server);
    const origin = `http://127.0.0.1:${server.addr.port}`;
    page.on("dialog", (dialog) => void shown.faults.push(dialog.message()));
    page.on("pageerror", (error) => void shown.faults.push(String(error)));
    page.on("console", (message) => void shown.faults.push(message.text()));
    page.on("request", (request) => {
      if (!request.url().startsWith(origin)) shown.faults.push(request.url());
    });
    await page.goto(origin + panelPath(KEY));
    return shown;
  }

  #note(request: PanelRequest): void {
    this.asked.push(request);
    this.onAsked(request);
  }

  /** Chooses a button by its words, in the card of a person or anywhere. */
  async press(name: string, card?: string): Promise<void> {
    const scope = card === undefined ? this.page : this.page.getByRole("region", { name: card });
    await scope.getByRole("button", { name, exact: true }).click();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
    await this.server.shutdown();
  }
}

const MANY: MenubarInput = {
  ...WELL,
  suggestions: [
    suggestionWith(),
    suggestionWith({ to: "Featherstonehaugh".repeat(12), message: LONG, text: LONG }),
    suggestionWith({ to: "יעל", message: "נפגשים הערב?", text: "כן, נתראה שם 🙂" }),
    suggestionWith({ to: "👩‍👧 Ana", message: "🎉".repeat(200), text: "x".repeat(2_000) }),
    suggestionWith({ to: HOSTILE, message: HOSTILE, text: HOSTILE }),
  ],
};

/** What a person would see wrong: something beside the window, or words without enough contrast (WCAG 2.1, 4.5:1). */
const LAYOUT_FAULTS = `(() => {
  const faults = [];
  const main = document.querySelector("main");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the window");
  if (main.scrollWidth > main.clientWidth) faults.push("the content is wider than the window");
  if (document.documentElement.scrollHeight > innerHeight) faults.push("the page is taller than the window");
  const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const backgroundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  for (const element of document.querySelectorAll("h1, h2 bdi, small, p, blockquote, textarea, button, label, b, input")) {
    if (element.type === "hidden" || element.textContent.trim() === "" && !("value" in element)) continue;
    const [one, two] = [luminance(channels(getComputedStyle(element).color)), luminance(backgroundOf(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < 4.5) faults.push(element.tagName + " " + element.className + " has a contrast of " + contrast.toFixed(2));
    const { left, right } = element.getBoundingClientRect();
    if (left < 0 || right > innerWidth) faults.push(element.tagName + " lies outside");
  }
  return faults;
})()`;

await browserTests({
  "words of a message stay words: they run nothing, load nothing, and stand where they were written": async (
    browser,
  ) => {
    await using shown = await ShownPanel.open(browser, () => MANY);
    const { page } = shown;
    const card = page.locator("section.box").nth(4);
    assert.equal(await card.locator("bdi").textContent(), HOSTILE);
    assert.equal(await card.locator("bdi").getAttribute("title"), HOSTILE);
    assert.equal(await card.locator("blockquote").textContent(), HOSTILE);
    assert.equal(await card.locator("textarea").inputValue(), HOSTILE);
    assert.equal(await page.title(), "Conversation Assistant");
    assert.equal(await page.locator("script, img, iframe, link, object, b b").count(), 0);
    await shown.press("Copy", HOSTILE);
    assert.equal(shown.asked.length, 1);
    assert.deepEqual(shown.asked[0]?.kind === "card" ? shown.asked[0].card.text : null, HOSTILE);
    assert.deepEqual(shown.faults, []);
  },

  "in every state, light and dark, all fits into the window and can be read": async (browser) => {
    const inputs: Record<string, MenubarInput> = {
      ...STATE_INPUTS,
      pairing: { ...STATE_INPUTS.not_paired, pairingCode: null },
      many: MANY,
      unsent: { ...WELL, unsent: [{ suggestion: suggestionWith(), text: LONG }] },
      doctor: { ...WELL, findings: [FINDING], notice: { text: LONG.slice(0, 200), atMs: WELL.nowMs } },
    };
    for (const [name, input] of Object.entries(inputs)) {
      for (const isDark of [false, true]) {
        await using shown = await ShownPanel.open(browser, () => input, { isDark });
        assert.deepEqual(await shown.page.evaluate(LAYOUT_FAULTS), [], `${name}, dark: ${isDark}`);
        assert.deepEqual(shown.faults, [], name);
      }
    }
  },

  "the test of the layout sees what does not fit and what cannot be read": async (browser) => {
    await using shown = await ShownPanel.open(browser, () => MANY);
    await shown.page.evaluate(
      `document.querySelector("h1").style.color = "#eee"; document.querySelector("textarea").style.width = "900px"`,
    );
    const faults = String(await shown.page.evaluate(LAYOUT_FAULTS));
    assert.match(faults, /H1 .*contrast/);
    assert.match(faults, /TEXTAREA lies outside/);
  },

  "a reply in Hebrew is written from right to left, beside one that is not": async (browser) => {
    await using shown = await ShownPanel.open(browser, () => MANY);
    const directions: string[] = await shown.page.evaluate(
      `[...document.querySelectorAll("textarea")].map((area) => getComputedStyle(area).direction)`,
    );
    assert.deepEqual(directions.slice(0, 3), ["ltr", "ltr", "rtl"]);
  },

  "with the keyboard alone one card is changed and another one sent, and the change stays": async (
    browser,
  ) => {
    const [one, two] = [suggestionWith({ to: "Ada" }), suggestionWith({ to: "Grace", text: "Tea?" })];
    let suggestions = [one, two];
    await using shown = await ShownPanel.open(browser, () => ({ ...WELL, suggestions }));
    shown.onAsked = () => suggestions = [one];
    const { page } = shown;
    const reached: string[] = [];
    const tab = async () => {
      await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate(`document.activeElement.ariaLabel ?? document.activeElement.textContent`),
      );
    };
    for (let count = 0; count < 8; count++) {
      await tab();
      if (reached.at(-1) === "Reply to Ada") await page.keyboard.type("At eight. ");
    }
    assert.deepEqual(reached, [
      ...["Message", "Reply to Ada", "Send", "Insert", "Copy", "Dismiss", "Message", "Reply to Grace"],
    ]);
    await tab();
    await Promise.all([page.waitForURL(/panel/), page.keyboard.press("Enter")]);
    await page.getByRole("region", { name: "Grace" }).waitFor({ state: "detached" });
    assert.deepEqual(shown.asked, [
      { kind: "card", card: { action: "send", responseId: two.responseId, text: "Tea?" } },
    ]);
    assert.match(await page.getByLabel("Reply to Ada").inputValue(), /At eight\./);
  },

  "the return key in the field of the server's address pairs, and sends nothing": async (browser) => {
    const input = { ...STATE_INPUTS.not_paired, pairingCode: null, suggestions: [suggestionWith()] };
    await using shown = await ShownPanel.open(browser, () => input);
    const field = shown.page.getByLabel("Address or link of your server");
    await field.fill("mac.local:3100");
    await Promise.all([shown.page.waitForNavigation(), field.press("Enter")]);
    assert.deepEqual(shown.asked, [{ kind: "menu", action: "pair", address: "mac.local:3100" }]);
  },

  "while a reply is being sent the page says so, lets nothing be written, and shows the outcome by itself":
    async (browser) => {
      const suggestion = suggestionWith();
      let input: MenubarInput = { ...WELL, suggestions: [suggestion], busy: suggestion.responseId };
      await using shown = await ShownPanel.open(browser, () => input);
      const { page } = shown;
      assert.equal(await page.getByRole("status").textContent(), "One moment…");
      assert.equal(await page.getByLabel("Reply to Ada").isEditable(), false);
      input = { ...WELL, notice: { text: "The reply was delivered.", atMs: WELL.nowMs } };
      await page.getByText("The reply was delivered.").waitFor();
      assert.deepEqual(shown.faults, []);
    },
});
