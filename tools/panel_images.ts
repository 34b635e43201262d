/** Writes pictures of the menubar's panel, as Chromium draws them: `deno run -A tools/panel_images.ts FOLDER`. */
import { join } from "node:path";
import { panelHtml } from "../agent/menubar/panel_page.ts";
import { menubarView } from "../agent/menubar/view_model.ts";
import type { MenubarInput } from "../agent/menubar/menubar_input.ts";
import { TestBrowser } from "../tests/support/process/browser.ts";
import { STATE_INPUTS, suggestionWith, WELL } from "../tests/support/mac/menubar_inputs.ts";
import { PANEL_SIZE } from "../agent/menubar/tray.ts";

const LONG = "This is a long message. ".repeat(40);
const many = [
  suggestionWith(),
  suggestionWith({
    to: "Bartholomew Featherstonehaugh-Cholmondeley of the Very Long Name Society",
    message: LONG,
    text: LONG,
  }),
  suggestionWith({ to: "יעל", message: "נפגשים הערב בשמונה?", text: "כן, נתראה שם 🙂" }),
  suggestionWith({ to: "👩‍👧 Ana", message: "🎉🎉🎉", text: "🥳" }),
  suggestionWith({
    to: "<b>Eve</b>",
    message: `<script>alert(1)</script> "><img src=x onerror=alert(1)>`,
    text: "</textarea><h1>x",
  }),
];
const finding = {
  id: "disk",
  status: "failure",
  message: "Only 150 MiB are free for /Users/me/Library/Application Support/Conversation Assistant",
  remedy: {
    text: "make room on that disk",
    pane: {
      place: "System Settings > General > Storage",
      url: "x-apple.systempreferences:com.apple.settings.Storage",
    },
  },
} as const;
const ada = suggestionWith({ message: "Or Saturday?", text: "Saturday is better. At seven?" });
const group = suggestionWith({
  to: "Trip to Lisbon",
  message: "Who books the flat?",
  text: "I can do it tonight.",
});

const INPUTS: Record<string, MenubarInput> = {
  ...STATE_INPUTS,
  pairing: { ...STATE_INPUTS.not_paired, pairingCode: null },
  two: {
    ...WELL,
    names: new Map([["+15550100001", "Grace"]]),
    suggestions: [
      { ...ada, earlier: [{ ...ada.message, text: "Dinner on Friday?" }] },
      { ...group, conversation: { ...group.conversation, isGroup: true } },
    ],
  },
  many: { ...WELL, suggestions: many },
  unsent: {
    ...WELL,
    unsent: [{ suggestion: suggestionWith(), text: "Yes, at eight" }],
    notice: {
      text:
        "The agent may not control Messages: allow it in System Settings > Privacy & Security > Automation.",
      atMs: WELL.nowMs,
    },
  },
  doctor: {
    ...WELL,
    findings: [finding],
    notice: { text: "The doctor found something to fix.", atMs: WELL.nowMs },
  },
  working: { ...WELL, suggestions: many.slice(0, 1), busy: many[0]?.responseId ?? null },
};

if (import.meta.main) {
  const [folder = ".", ...names] = Deno.args;
  await using browser = await TestBrowser.start();
  for (const name of names.length === 0 ? Object.keys(INPUTS) : names) {
    for (const isDark of [false, true]) {
      const page = await browser.page({ ...PANEL_SIZE, isDark });
      await page.setContent(panelHtml(menubarView(INPUTS[name] ?? WELL).panel, { key: "key" }));
      await page.screenshot({ path: join(folder, `panel-${name}-${isDark ? "dark" : "light"}.png`) });
      await page.close();
    }
  }
}
