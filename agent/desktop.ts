/// <reference lib="deno.desktop" />
/** The menubar app, made by `deno desktop`: an icon, a menu and a panel for the agent that runs as a service. */
import { delay } from "../lib/backoff.ts";
import { runMain } from "../lib/lifecycle.ts";
import { menubarHost } from "./menubar/host/agent_host.ts";
import { processOutput } from "./cli/output.ts";
import { agentConfig } from "./config.ts";
import { createAgentContext } from "./context.ts";
import { MenubarApp } from "./menubar/menubar_app.ts";
import { panelHandler, panelPath } from "./menubar/panel_server.ts";
import { desktopOfProcess, openTray } from "./menubar/tray.ts";
import { TRAY_ICON } from "./menubar/tray_icon.ts";

/** How long the panel waits for what a click does, before it shows that it is being done. */
const PATIENCE_MS = 500;

await runMain(async (signal) => {
  const desktop = desktopOfProcess();
  const quitting = new AbortController();
  const settings = agentConfig();
  const servicesFor = (serverUrl: string | null) =>
    createAgentContext({ ...settings, serverUrl: serverUrl ?? settings.serverUrl }, {
      output: processOutput(),
      signal,
    });
  using _only = await servicesFor(null).lock("menubar");
  const copy = (text: string) => navigator.clipboard.writeText(text);
  const app = new MenubarApp(menubarHost({ servicesFor, copy, quit: () => quitting.abort() }));
  const key = crypto.randomUUID();
  const handler = panelHandler({
    key,
    panel: () => app.view.panel,
    perform: (request) => app.perform(request),
    patience: () => delay(PATIENCE_MS),
  });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  const panelUrl = `http://127.0.0.1:${server.addr.port}${panelPath(key)}`;
  using tray = openTray({
    desktop,
    icon: TRAY_ICON,
    panelUrl,
    onAction: (action) => void app.choose(action),
  });
  app.attach(tray);
  await app.run(AbortSignal.any([signal, quitting.signal]));
});
