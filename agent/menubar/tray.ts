/// <reference lib="deno.desktop" />
/** The menu bar icon: a thin layer on `Deno.Tray` that works around its gaps. */
import { UserError } from "../../lib/errors.ts";
import { type MenubarAction, menubarActionOf } from "./menubar_actions.ts";
import type { MenubarView } from "./view_model.ts";

/** The part of the desktop runtime that the menubar needs; there is none outside of an app made by `deno desktop`. */
export type Desktop = Pick<typeof Deno, "Tray" | "BrowserWindow" | "dock">;

export interface TrayOptions {
  desktop: Desktop;
  /** Black with an alpha channel, 36×36 pixels: macOS draws it in its own colour at half that size. */
  icon: Uint8Array;
  panelUrl: string;
  onAction: (action: MenubarAction) => void;
  /** Runs something later; a test passes its own. */
  later?: (durationMs: number, run: () => void) => void;
}

export interface MenubarTray extends Disposable {
  show(view: MenubarView): void;
  showPanel(): void;
}

export const PANEL_SIZE = { width: 380, height: 520 };
/** The runtime shows its first window when a page has loaded, again after 10 s, and gives up waiting after 15 s. */
const HIDE_AGAIN_MS = [10_500, 16_000, 26_000];

/** The desktop runtime of this process. @throws UserError when there is none */
export function desktopOfProcess(): Desktop {
  if ("Tray" in Deno) return Deno;
  throw new UserError("The menubar needs the app", {
    fix: "Build it with `deno desktop`, as packaging/macos/README.md says",
  });
}

/** A window whose closing would end the app is hidden instead. */
function hideInsteadOfClosing(window: Deno.BrowserWindow, hide: () => void): void {
  window.addEventListener("close", (event) => {
    event.preventDefault();
    hide();
  });
}

/**
 * Takes the window that the runtime always makes, and keeps it out of sight: the first BrowserWindow adopts it, and
 * the panel must not, because that window has a frame.
 */
function hideFirstWindow({ desktop, later = laterInProcess }: TrayOptions): void {
  const window = new desktop.BrowserWindow({ title: "Conversation Assistant", width: 1, height: 1 });
  const hide = () => window.hide();
  hide();
  window.addEventListener("load", hide);
  hideInsteadOfClosing(window, hide);
  for (const durationMs of HIDE_AGAIN_MS) later(durationMs, hide);
}

function laterInProcess(durationMs: number, run: () => void): void {
  setTimeout(run, durationMs);
}

/**
 * Puts the icon into the menubar: the panel opens on a click, the menu on a right click.
 *
 * @throws UserError where the system has no place for an icon
 */
export function openTray(options: TrayOptions): MenubarTray {
  const { desktop, icon, panelUrl, onAction } = options;
  desktop.dock.setVisible(false);
  hideFirstWindow(options);
  const tray = new desktop.Tray();
  if (tray.trayId === 0) throw new UserError("This system has no place for an icon in its menu bar");
  tray.setIcon(icon);
  const panel = tray.attachPanel({ url: panelUrl, ...PANEL_SIZE, hideOnBlur: true });
  hideInsteadOfClosing(panel.window, () => panel.hide());
  tray.addEventListener("menuclick", ({ detail: { id } }) => {
    const action = menubarActionOf(id);
    if (action !== null) onAction(action);
  });
  // Who opens the app that runs already wants to see it.
  desktop.dock.addEventListener("reopen", () => panel.show());
  let shownMenu = "";
  let shownPanel = "";
  return {
    show({ tooltip, menu, panel: content }) {
      tray.setTooltip(tooltip);
      const menuText = JSON.stringify(menu);
      if (menuText !== shownMenu) tray.setMenu([...menu]);
      shownMenu = menuText;
      // A panel that is open may hold words that the person is changing.
      const panelText = JSON.stringify(content);
      if (panelText === shownPanel || panel.visible) return;
      panel.window.reload();
      shownPanel = panelText;
    },
    showPanel: () => panel.show(),
    [Symbol.dispose]() {
      panel.destroy();
      tray.destroy();
    },
  };
}
