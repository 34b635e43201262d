// Tests of the thin layer on Deno.Tray, on a desktop that follows the declared types and has the runtime's own faults.
import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { drawTrayIcon, ICON_PIXELS, trayIconModule } from "../../packaging/macos/make_tray_icon.ts";
import { type DesktopRecord, fakeDesktop } from "../../tests/support/mac/fake_desktop.ts";
import { STATE_INPUTS, suggestionWith, WELL } from "../../tests/support/mac/menubar_inputs.ts";
import { desktopOfProcess, type MenubarTray, openTray } from "./tray.ts";
import { TRAY_ICON } from "./tray_icon.ts";
import type { MenubarAction } from "./menubar_actions.ts";
import { menubarView } from "./view_model.ts";

interface Opened {
  tray: MenubarTray;
  record: DesktopRecord;
  actions: MenubarAction[];
  /** What was put off, by how long. */
  later: Map<number, () => void>;
}

function open(): Opened {
  const { desktop, record } = fakeDesktop();
  const actions: MenubarAction[] = [];
  const later = new Map<number, () => void>();
  const tray = openTray({
    desktop,
    icon: TRAY_ICON,
    panelUrl: "http://127.0.0.1:1/panel",
    onAction: (action) => actions.push(action),
    later: (durationMs, run) => later.set(durationMs, run),
  });
  return { tray, record, actions, later };
}

Deno.test("the app has no Dock icon, and the window that the runtime makes stays out of sight", () => {
  const { record, later } = open();
  const [first] = record.windows;
  assert.equal(record.isDockVisible, false);
  assert.ok(first && !first.isVisible());
  first.finishLoading();
  assert.equal(first.isVisible(), false, "shown by the runtime when its page has loaded");
  for (const [durationMs, run] of later) {
    first.show();
    run();
    assert.equal(first.isVisible(), false, `shown again by the runtime, hidden after ${durationMs} ms`);
  }
  assert.ok(Math.max(...later.keys()) > 15_000, "the runtime shows it again for 15 s at most");
});

Deno.test("the panel is not the runtime's own window, opens on a click, and closing it ends nothing", () => {
  const { record } = open();
  const [tray] = record.trays;
  assert.ok(tray?.panel);
  assert.equal(tray.panel.window.isFirst, false);
  assert.deepEqual(tray.panel.window.navigations, ["http://127.0.0.1:1/panel"]);
  tray.dispatchEvent(new Event("click"));
  assert.equal(tray.panel.visible, true);
  for (const window of record.windows) window.pressClose();
  assert.equal(record.hasEnded, false);
  assert.equal(tray.panel.visible, false);
});

Deno.test("opening the app once more shows the panel of the one that runs", () => {
  const { record } = open();
  record.dock?.dispatchEvent(new Event("reopen"));
  assert.equal(record.trays[0]?.panel?.visible, true);
});

Deno.test("what is chosen in the menu arrives as an action, and nothing else does", () => {
  const { tray, record, actions } = open();
  tray.show(menubarView(STATE_INPUTS.not_paired));
  const [icon] = record.trays;
  icon?.choose("pair");
  icon?.choose("quit");
  icon?.dispatchEvent(new CustomEvent("menuclick", { detail: { id: "format_disk" } }));
  assert.deepEqual(actions, ["pair", "quit"]);
  assert.throws(() => icon?.choose("resume"));
});

Deno.test("the menu is updated when it has changed, the panel is reloaded when it has changed and is not in view", () => {
  const { tray, record } = open();
  const [icon] = record.trays;
  const panel = icon?.panel;
  assert.ok(panel);
  const one = { ...WELL, suggestions: [suggestionWith()] };
  tray.show(menubarView(WELL));
  tray.show(menubarView(WELL));
  assert.deepEqual([icon.menus.length, panel.window.reloads, icon.tooltip], [
    1,
    1,
    "Conversation Assistant: Everything is synced",
  ]);
  tray.showPanel();
  tray.show(menubarView(one));
  assert.deepEqual([icon.menus.length, panel.window.reloads], [2, 1], "somebody may be writing in it");
  panel.hide();
  tray.show(menubarView(one));
  assert.deepEqual([icon.menus.length, panel.window.reloads], [2, 2]);
});

Deno.test("disposing takes the panel and the icon away", () => {
  const { tray, record } = open();
  tray[Symbol.dispose]();
  assert.deepEqual([record.trays[0]?.isDestroyed, record.trays[0]?.panel?.isDestroyed], [true, true]);
});

Deno.test("a system without a menu bar or tray, and a process without a desktop, are reported in one sentence", () => {
  const { desktop } = fakeDesktop({ isSupported: false });
  const options = { icon: TRAY_ICON, panelUrl: "", onAction: () => {}, later: () => {} };
  assert.throws(() => openTray({ desktop, ...options }), /no place for an icon/);
  assert.throws(desktopOfProcess, /^UserError: The menubar needs the app/);
});

Deno.test("the app's entry, run without a desktop, ends with that sentence and exit code 1", async () => {
  const entry = fileURLToPath(new URL("../desktop.ts", import.meta.url));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", "--quiet", entry],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  assert.equal(code, 1);
  assert.match(
    new TextDecoder().decode(stderr),
    /^The menubar needs the app\. .*packaging\/macos\/README\.md says\.\n$/,
  );
});

/** The pixels of a PNG: black value and alpha, in rows behind a filter byte. */
function pixelsOf(png: Uint8Array): Uint8Array {
  const view = new DataView(png.buffer, png.byteOffset);
  const data: Uint8Array[] = [];
  for (let at = 8; at < png.length; at += 12 + view.getUint32(at)) {
    const type = new TextDecoder().decode(png.subarray(at + 4, at + 8));
    if (type === "IHDR") {
      const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      assert.deepEqual([width, height, png[at + 16], png[at + 17]], [ICON_PIXELS, ICON_PIXELS, 8, 4]);
    }
    if (type === "IDAT") data.push(png.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  assert.equal(data.length, 1);
  return new Uint8Array(inflateSync(data[0] ?? new Uint8Array()));
}

Deno.test("the icon is what its script draws: 36 by 36 pixels, black, with edges that are smooth", async () => {
  const pixels = pixelsOf(TRAY_ICON);
  assert.deepEqual(pixels, pixelsOf(drawTrayIcon()));
  const bytesPerRow = 1 + ICON_PIXELS * 2;
  assert.equal(pixels.length, bytesPerRow * ICON_PIXELS);
  const values = pixels.filter((_, index) => index % bytesPerRow % 2 === 1 || index % bytesPerRow === 0);
  assert.ok(values.every((value) => value === 0), "no colour, and no filter");
  const alphas = pixels.filter((_, index) => index % bytesPerRow !== 0 && index % bytesPerRow % 2 === 0);
  assert.ok(alphas.includes(0) && alphas.includes(255) && new Set(alphas).size > 10);
  const module = await Deno.readTextFile(new URL("tray_icon.ts", import.meta.url));
  assert.equal(module, trayIconModule(TRAY_ICON));
});
