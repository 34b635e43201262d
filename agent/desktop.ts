/// <reference lib="deno.desktop" />
/** The menubar app, made by `deno desktop`: an icon, a menu and a panel for the agent that runs as a service. */
import { delay } from "../lib/backoff.ts";
import { runMain } from "../lib/lifecycle.ts";
import { VERSION } from "../lib/version.ts";
import { menubarHost } from "./menubar/host/agent_host.ts";
import { processOutput } from "./cli/output.ts";
import { agentConfig } from "./config.ts";
import { createAgentContext } from "./context.ts";
import { MenubarApp } from "./menubar/menubar_app.ts";
import { panelHandler, panelPath } from "./menubar/panel_server.ts";
import { desktopOfProcess, openTray } from "./menubar/tray.ts";
import { TRAY_ICON } from "./menubar/tray_icon.ts";
import { isWorkHeld } from "./platform/instance_lock.ts";

/** How long the panel waits for what a click does, before it shows that it is being done. */
const PATIENCE_MS = 500;

const USAGE = `The menubar app of Conversation Assistant. Without a command it opens.

  healthcheck   exit with 0 if the app runs
  --version     show the version
  --help        show this`;

/** Answers a command line with an exit code; null where there is none to answer, and the app is to open. */
async function answer(command: string | undefined, dataDir: string): Promise<number | null> {
  const { line } = processOutput();
  switch (command) {
    case "healthcheck": {
      const isRunning = await isWorkHeld(dataDir, "menubar");
      line(isRunning ? "healthy" : "not running: `conversation-agent menubar` opens it");
      return isRunning ? 0 : 1;
    }
    case "--version":
      line(VERSION);
      return 0;
    case "--help":
      line(USAGE);
      return 0;
    default:
      // What macOS may add when it opens an app is not for us.
      return null;
  }
}

await runMain(async (signal) => {
  const settings = agentConfig();
  const exitCode = await answer(Deno.args[0], settings.dataDir);
  if (exitCode !== null) Deno.exit(exitCode);
  const desktop = desktopOfProcess();
  const quitting = new AbortController();
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
