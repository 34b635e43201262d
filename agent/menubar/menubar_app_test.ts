// Tests of the menubar's life: what it looks at, what a click does, and what a fault becomes.
import assert from "node:assert/strict";
import type { Finding } from "../doctor/finding.ts";
import { UserError } from "../../lib/errors.ts";
import { fakeDesktop } from "../../tests/support/mac/fake_desktop.ts";
import { NOW_MS, suggestionWith, WATCHING } from "../../tests/support/mac/menubar_inputs.ts";
import type { MenubarAction } from "./menubar_actions.ts";
import { MenubarApp } from "./menubar_app.ts";
import type { CardOutcome, MenubarHost } from "./menubar_host.ts";
import type { CardRequest } from "./panel_server.ts";
import { openTray } from "./tray.ts";
import { TRAY_ICON } from "./tray_icon.ts";

type Look = Awaited<ReturnType<MenubarHost["look"]>>;

const LOOK: Look = {
  agent: WATCHING,
  isRunning: true,
  service: "loaded",
  isPaired: true,
  serverUrl: "http://127.0.0.1:3100",
  pairingCode: null,
};

/** A world that writes down what is done to it, each step replaceable. */
function appIn(change: Partial<MenubarHost> = {}) {
  const done: string[] = [];
  const clock = { nowMs: NOW_MS };
  const note = (what: string) => Promise.resolve(void done.push(what));
  const world: MenubarHost = {
    look: () => Promise.resolve(LOOK),
    suggestions: () => Promise.resolve([]),
    names: () => new Map([["+15550100001", "Grace"]]),
    examine: () => Promise.resolve([]),
    pair: () => Promise.resolve("This Mac is paired."),
    start: () => note("start"),
    pause: () => note("pause"),
    open: (target) => note(`open ${target}`),
    act: async (card, { action, text }) => {
      await note(`${action} ${card.responseId}: ${text}`);
      return { notice: "Done.", isUnsent: false };
    },
    quit: () => void note("quit"),
    now: () => clock.nowMs,
    ...change,
  };
  const { desktop, record } = fakeDesktop();
  const app = new MenubarApp(world);
  const tray = openTray({
    desktop,
    icon: TRAY_ICON,
    panelUrl: "",
    onAction: (id) => void app.choose(id),
    later: () => {},
  });
  app.attach(tray);
  /** A click in the panel. */
  const press = (action: MenubarAction) => app.perform({ kind: "menu", action, address: null });
  const act = (card: CardRequest) => app.perform({ kind: "card", card });
  return { app, done, clock, press, act, record, icon: record.trays[0] };
}

Deno.test("a look is shown in the menu and the panel", async () => {
  const suggestion = suggestionWith();
  const { app, icon } = appIn({ suggestions: () => Promise.resolve([suggestion]) });
  assert.equal(app.view.state, "stopped");
  await app.refresh();
  assert.equal(app.view.state, "suggestion_waiting");
  assert.equal(icon?.tooltip, "Conversation Assistant: 1 suggestion to review");
  assert.deepEqual(app.view.panel.cards.map(({ responseId }) => responseId), [suggestion.responseId]);
});

Deno.test("suggestions are asked for only while all is well, and stay while the server cannot be asked", async () => {
  let asked = 0;
  let look = LOOK;
  let fails = false;
  const { app, clock } = appIn({
    look: () => Promise.resolve(look),
    suggestions: () => {
      asked++;
      return fails ? Promise.reject(new Error("away")) : Promise.resolve([suggestionWith()]);
    },
  });
  await app.refresh();
  fails = true;
  clock.nowMs += 15_000;
  await app.refresh();
  assert.deepEqual([asked, app.view.panel.cards.length], [2, 1]);
  clock.nowMs += 15_000;
  for (const phase of ["server_unreachable", "pairing_ended"] as const) {
    look = { ...LOOK, agent: { ...WATCHING, phase } };
    await app.refresh();
  }
  look = { ...LOOK, isRunning: false };
  await app.refresh();
  assert.equal(asked, 2);
});

Deno.test("the server is asked at once after a sync, and else every 15 seconds", async () => {
  let asked = 0;
  let look = LOOK;
  const { app, clock } = appIn({
    look: () => Promise.resolve(look),
    suggestions: () => Promise.resolve((asked++, [])),
  });
  for (const [afterMs, expected] of [[0, 1], [5_000, 1], [5_000, 1], [5_000, 2], [5_000, 2]] as const) {
    clock.nowMs += afterMs;
    await app.refresh();
    assert.equal(asked, expected);
  }
  look = { ...LOOK, agent: { ...WATCHING, lastSyncAt: new Date(clock.nowMs).toISOString() } };
  await app.refresh();
  assert.equal(asked, 3);
});

Deno.test("what is chosen in the menu or in the panel is done", async () => {
  const { app, done, icon, press } = appIn();
  await app.refresh();
  for (const id of ["pause", "open_server_page", "quit"]) icon?.choose(id);
  for (const id of ["resume", "start", "open_full_disk_access"] as const) await press(id);
  await app.perform({ kind: "settings", pane: "storage" });
  assert.deepEqual(done, [
    ...["pause", "open serverPage", "quit", "start", "start"],
    ...["open fullDiskAccess", "open storage"],
  ]);
});

Deno.test("the panel opens for what the doctor looks at, and shows what he finds", async () => {
  const finding = {
    id: "disk",
    status: "warning",
    message: "Little room",
    remedy: { text: "Make some", pane: null },
  } as const;
  const well = { id: "server", status: "ok", message: "It answers", remedy: null } as const;
  const examined = Promise.withResolvers<Finding[]>();
  const { app, icon, press } = appIn({ examine: () => examined.promise });
  const chosen = app.choose("doctor");
  assert.deepEqual([icon?.panel?.visible, app.view.panel.isBusy, app.view.panel.notice], [
    true,
    true,
    "The doctor is running…",
  ]);
  await press("doctor");
  examined.resolve([well, finding]);
  await chosen;
  const { notice, findings, isBusy } = app.view.panel;
  assert.deepEqual([notice, findings, isBusy], ["The doctor found something to fix.", [finding], false]);
});

Deno.test("a click in the menu opens the panel, which shows the result for a minute", async () => {
  const { app, icon, clock } = appIn();
  await app.choose("pair");
  assert.deepEqual([app.view.panel.notice, icon?.panel?.visible], ["This Mac is paired.", true]);
  clock.nowMs += 60_001;
  assert.equal(app.view.panel.notice, null);
});

Deno.test("a card that was acted on is gone, and cannot be acted on again", async () => {
  const suggestion = suggestionWith();
  const { app, done, act } = appIn({ suggestions: () => Promise.resolve([suggestion]) });
  await app.refresh();
  const request = { action: "send", responseId: suggestion.responseId, text: "Yes" } as const;
  await act(request);
  assert.deepEqual([app.view.panel.cards, app.view.panel.notice], [[], "Done."]);
  await act(request);
  assert.equal(app.view.panel.notice, "That suggestion is gone.");
  assert.deepEqual(done, [`send ${suggestion.responseId}: Yes`]);
});

Deno.test("an answer of the server that is older than a click does not bring the card back", async () => {
  const suggestion = suggestionWith();
  let answer = Promise.resolve([suggestion]);
  const { app, act, clock } = appIn({ suggestions: () => answer });
  await app.refresh();
  const late = Promise.withResolvers<typeof suggestion[]>();
  answer = late.promise;
  clock.nowMs += 15_000;
  const looking = app.refresh();
  await act({ action: "dismiss", responseId: suggestion.responseId, text: "" });
  late.resolve([suggestion]);
  await looking;
  assert.deepEqual(app.view.panel.cards, []);
});

Deno.test("a second click while the first one is under way does nothing", async () => {
  const suggestion = suggestionWith();
  const acted = Promise.withResolvers<CardOutcome>();
  let acts = 0;
  const { app, act } = appIn({
    suggestions: () => Promise.resolve([suggestion]),
    act: () => (acts++, acted.promise),
  });
  await app.refresh();
  const request = { action: "send", responseId: suggestion.responseId, text: "Yes" } as const;
  const first = act(request);
  assert.deepEqual(app.view.panel.cards.map(({ state }) => state), ["working"]);
  await act(request);
  acted.resolve({ notice: "Sent.", isUnsent: false });
  await first;
  assert.deepEqual([acts, app.view.panel.cards, app.view.panel.notice], [1, [], "Sent."]);
});

Deno.test("a reply that certainly was not sent stays with its words until it is sent or taken away", async () => {
  const suggestion = suggestionWith();
  let isUnsent = true;
  const { app, act, clock } = appIn({
    // The server knows the reply as acted on from now on, so that it names the suggestion only once.
    suggestions: () => Promise.resolve(clock.nowMs === NOW_MS ? [suggestion] : []),
    act: () => Promise.resolve({ notice: isUnsent ? "Not allowed." : "Sent.", isUnsent }),
  });
  await app.refresh();
  const { responseId } = suggestion;
  const send = { action: "send", responseId, text: "Yes, at eight" } as const;
  await act(send);
  clock.nowMs += 60_000;
  await app.refresh();
  assert.equal(app.view.state, "suggestion_waiting");
  assert.deepEqual(app.view.panel.cards.map(({ state, text }) => [state, text]), [[
    "unsent",
    "Yes, at eight",
  ]]);
  await act(send);
  assert.equal(app.view.panel.cards.length, 1);
  isUnsent = false;
  await act(send);
  assert.deepEqual([app.view.panel.cards, app.view.panel.notice], [[], "Sent."]);
});

Deno.test("taking away a reply that was not sent tells the server nothing: it was recorded before", async () => {
  const suggestion = suggestionWith();
  let acts = 0;
  const { app, act } = appIn({
    suggestions: () => Promise.resolve([suggestion]),
    act: () => Promise.resolve((acts++, { notice: "Not allowed.", isUnsent: true })),
  });
  await app.refresh();
  await act({ action: "send", responseId: suggestion.responseId, text: "Yes" });
  await act({ action: "dismiss", responseId: suggestion.responseId, text: "Yes" });
  assert.deepEqual([acts, app.view.panel.cards], [1, []]);
});

Deno.test("a fault becomes a notice: the sentence that was made for people, and never the words of another error", async () => {
  const suggestion = suggestionWith();
  let fault: Error = new UserError("The server is away", { fix: "Check that it runs" });
  const fail = () => Promise.reject(fault);
  const { app, act, press } = appIn({
    suggestions: () => Promise.resolve([suggestion]),
    pause: fail,
    act: fail,
    examine: fail,
  });
  await app.refresh();
  await press("pause");
  assert.equal(app.view.panel.notice, "The server is away. Check that it runs.");
  fault = new TypeError("Dinner on Friday?");
  await act({ action: "copy", responseId: suggestion.responseId, text: "" });
  assert.equal(app.view.panel.notice, "That did not work. See the agent's log.");
  assert.equal(app.view.panel.cards.length, 1, "what did not work can be tried again");
  await press("doctor");
  assert.equal(app.view.panel.isBusy, false);
});

Deno.test("it keeps refreshing until it is stopped, even when a refresh fails", async () => {
  const ending = new AbortController();
  let looks = 0;
  const { app } = appIn({
    look: () => {
      if (++looks === 3) ending.abort();
      return looks === 2
        ? Promise.reject(new UserError("Cannot read it", { fix: "See why" }))
        : Promise.resolve(LOOK);
    },
  });
  await app.run(ending.signal, { intervalMs: 0 });
  assert.equal(looks, 3);
  assert.equal(app.view.state, "synced");
});
