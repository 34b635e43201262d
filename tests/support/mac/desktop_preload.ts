/// <reference lib="deno.desktop" />
/** Gives a process the desktop of `fake_desktop.ts` before its program runs, and tells each page that a window loads. */
import { fakeDesktop } from "./fake_desktop.ts";

const { desktop, record } = fakeDesktop();
const tell = (fields: Record<string, unknown>) => {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(fields)}\n`));
};

Object.assign(Deno, {
  ...desktop,
  BrowserWindow: desktop.BrowserWindow,
  Tray: class extends desktop.Tray {
    override attachPanel(options: Deno.TrayPanelOptions) {
      tell({ panelUrl: options.url, isDockVisible: record.isDockVisible, windows: record.windows.length });
      return super.attachPanel(options);
    }
  },
});
