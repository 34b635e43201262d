// Tests of the menubar's life: what it looks at, what a click does, and what a fault becomes.
import assert from "node:assert/strict";
import { StartError } from "../../lib/lifecycle.ts";
import { fakeDesktop } from "../../tests/support/fake_desktop.ts";
import { NOW_MS, suggestionWith, WATCHING } from "../../tests/support/menubar_inputs.ts";
import { MenubarApp, type MenubarWorld } from "./menubar_app.ts";
import { openTray } from "./tray.ts";
import { TRAY_ICON } from "./tray_icon.ts";

type Look = Awaited<ReturnType<MenubarWorld["look"]>>;

const LOOK: Look = { agent: WATCHING, isRunning: true, service: "loaded", pairingCode: null };

/** A world that writes down what is done to it, each step replaceable. */
function appIn(change: Partial<MenubarWorld> = {}) {
  const done: string[] = [];
  const note = (what: string) => Promise.resolve(void done.push(what));
  const world: MenubarWorld = {
    look: () => Promise.resolve(LOOK),
    suggestions: () => Promise.resolve([]),
    examine: () => Promise.resolve([]),
    pair: () => Promise.resolve("This Mac is paired."),
    start: () => note("start"),
    pause: () => note("pause"),
    open: (target) => note(`open ${target}`),
    act: (card, { action, text }) => note(`${action} ${card.responseId}: ${text}`).then(() => "Done."),
    quit: () => void note("quit"),
    now: () => NOW_MS,
    ...change,
  };
  const { desktop, record } = fakeDesktop();
  const app = new MenubarApp(world);
  const tray = openTray({
    desktop,
    icon: TRAY_ICON,
    panelUrl: "",
    onAction: (id) => void app.perform(id),
    later: () => {},
  });
  app.attach(tray);
  return { app, done, record, icon: record.trays[0] };
}

Deno.test("a look is shown in the menu and the panel", async () => {
  const suggestion = suggestionWith();
  const { app, icon } = appIn({ suggestions: () => Promise.resolve([suggestion]) });
  assert.equal(app.view.state, "stopped");
  await app.refresh();
  assert.equal(app.view.state, "suggestion_waiting");
  assert.equal(icon?.tooltip, "Conversation Assistant: A suggestion waits");
  assert.deepEqual(app.view.panel.cards.map(({ responseId }) => responseId), [suggestion.responseId]);
});

Deno.test("suggestions are asked for only while all is well, and stay while the server cannot be asked", async () => {
  let asked = 0;
  let look = LOOK;
  let fails = false;
  const { app } = appIn({
    look: () => Promise.resolve(look),
    suggestions: () => {
      asked++;
      return fails ? Promise.reject(new Error("away")) : Promise.resolve([suggestionWith()]);
    },
  });
  await app.refresh();
  fails = true;
  await app.refresh();
  assert.deepEqual([asked, app.view.panel.cards.length], [2, 1]);
  for (const phase of ["server_away", "pairing_ended"] as const) {
    look = { ...LOOK, agent: { ...WATCHING, phase } };
    await app.refresh();
  }
  look = { ...LOOK, isRunning: false };
  await app.refresh();
  assert.equal(asked, 2);
});

Deno.test("what is chosen in the menu is done", async () => {
  const { app, done, icon } = appIn();
  await app.refresh();
  for (const id of ["pause", "open_dashboard", "quit"]) icon?.choose(id);
  for (const id of ["resume", "start", "open_full_disk_access"] as const) await app.perform(id);
  assert.deepEqual(done, ["pause", "open dashboard", "quit", "start", "start", "open full_disk_access"]);
});

Deno.test("what the doctor finds and how a pairing stands is shown in the open panel", async () => {
  const finding = {
    id: "disk",
    status: "warning",
    message: "Little room",
    remedy: { text: "make some", pane: null },
  } as const;
  const well = { id: "server", status: "ok", message: "It answers", remedy: null } as const;
  const { app, icon } = appIn({ examine: () => Promise.resolve([well, finding]) });
  await app.perform("doctor");
  assert.deepEqual([app.view.panel.notice, app.view.panel.findings], ["The doctor found something to mend.", [
    finding,
  ]]);
  assert.equal(icon?.panel?.visible, true);
  await app.perform("pair");
  assert.equal(app.view.panel.notice, "This Mac is paired.");
});

Deno.test("a card that was acted on is gone, and cannot be acted on again", async () => {
  const suggestion = suggestionWith();
  const { app, done } = appIn({ suggestions: () => Promise.resolve([suggestion]) });
  await app.refresh();
  const request = { action: "send", responseId: suggestion.responseId, text: "Yes" } as const;
  await app.act(request);
  assert.deepEqual([app.view.panel.cards, app.view.panel.notice], [[], "Done."]);
  await app.act(request);
  assert.equal(app.view.panel.notice, "That suggestion is gone.");
  assert.deepEqual(done, [`send ${suggestion.responseId}: Yes`]);
});

Deno.test("a fault becomes a notice: the sentence that was made for people, and never the words of another error", async () => {
  const suggestion = suggestionWith();
  let fault: Error = new StartError("The server is away: see that it runs");
  const fail = () => Promise.reject(fault);
  const { app } = appIn({ suggestions: () => Promise.resolve([suggestion]), pause: fail, act: fail });
  await app.refresh();
  await app.perform("pause");
  assert.equal(app.view.panel.notice, "The server is away: see that it runs.");
  fault = new TypeError("Dinner on Friday?");
  await app.act({ action: "copy", responseId: suggestion.responseId, text: "" });
  assert.equal(app.view.panel.notice, "That did not work: see the agent's log.");
  assert.equal(app.view.panel.cards.length, 1, "what did not work can be tried again");
});

Deno.test("it looks again until it is told to end, whatever a look meets", async () => {
  const ending = new AbortController();
  let looks = 0;
  const { app } = appIn({
    look: () => {
      if (++looks === 3) ending.abort();
      return looks === 2 ? Promise.reject(new StartError("Cannot read it: see why")) : Promise.resolve(LOOK);
    },
  });
  await app.run(ending.signal, { intervalMs: 0 });
  assert.equal(looks, 3);
  assert.equal(app.view.state, "synced");
});
