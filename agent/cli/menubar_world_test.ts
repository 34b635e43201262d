// Tests of what the menubar looks at and does, on a real server and data folder; Messages and launchd are played.
import assert from "node:assert/strict";
import { FakeLaunchctl } from "../../tests/support/fake_launchctl.ts";
import { osascriptCalls } from "../../tests/support/fake_osascript.ts";
import { type RecordedAnswer, RecordedCommands } from "../../tests/support/recorded_commands.ts";
import { ADA, GRACE, SuggestingMac } from "../../tests/support/suggesting_mac.ts";
import { MenubarApp } from "../menubar/menubar_app.ts";
import type { CommandRunner } from "../platform/command_runner.ts";
import type { SendDependencies } from "../suggest/send_reply.ts";
import { agentStateStore } from "../watch/agent_state.ts";
import { WATCHING } from "../../tests/support/menubar_inputs.ts";
import { menubarWorld } from "./menubar_world.ts";

/** The menubar of a Mac on which Ada waits for an answer. */
class Menubar {
  readonly launchctl = new FakeLaunchctl();
  readonly opened = new RecordedCommands((): RecordedAnswer => this.openCode);
  readonly copied: string[] = [];
  openCode = 0;
  hasQuit = false;
  readonly app: MenubarApp;

  constructor(readonly mac: SuggestingMac, sending?: SendDependencies) {
    const commands: CommandRunner = {
      run: (command, request) =>
        (command[0] === "/usr/bin/open" ? this.opened : this.launchctl).run(command, request),
    };
    const machine = { ...mac.services().machine, homeDir: () => mac.dir, userId: () => 501 };
    const services = { ...mac.services(undefined, sending), commands, machine };
    const copy = (text: string) => Promise.resolve(void this.copied.push(text));
    this.app = new MenubarApp(menubarWorld({ services, copy, quit: () => this.hasQuit = true }));
  }

  get notice(): string | null {
    return this.app.view.panel.notice;
  }

  /** The suggestion that is shown. */
  get card() {
    const [card] = this.app.view.panel.cards;
    assert.ok(card);
    return card;
  }
}

/** A Mac that has synced and whose agent runs and watches; Ada's message has its draft. */
async function withDraft(): Promise<{ mac: SuggestingMac; running: Disposable }> {
  const mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  await mac.run("suggest");
  const { lock, config } = mac.services();
  await agentStateStore(config.dataDir).save(WATCHING);
  return { mac, running: await lock("run") };
}

async function actions(mac: SuggestingMac): Promise<unknown[]> {
  const { responses } = await (await mac.client()).drafts({ pageSize: 10 });
  return responses.map(({ action, editedResponse }) => [action, editedResponse]);
}

Deno.test("the look sees whether the agent runs, what it wrote down, its service, and the drafts that wait", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  const menubar = new Menubar(mac);
  await menubar.app.refresh();
  assert.equal(menubar.app.view.state, "suggestion_waiting");
  assert.deepEqual([menubar.card.to, menubar.card.message, menubar.card.draft], [
    ADA,
    "Dinner?",
    "Reply number 1",
  ]);
  running[Symbol.dispose]();
  await menubar.app.refresh();
  assert.equal(menubar.app.view.state, "stopped");
});

Deno.test("a draft that was overtaken by the owner's answer or by a newer message waits for nobody", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const menubar = new Menubar(mac);
  mac.receive(ADA, "Or lunch?");
  await mac.sync();
  await menubar.app.refresh();
  assert.equal(menubar.app.view.state, "synced");
  await mac.run("suggest");
  mac.receive(GRACE, "Tea?");
  await mac.sync();
  await mac.run("suggest", "--conversation", GRACE);
  await menubar.app.refresh();
  assert.deepEqual(menubar.app.view.panel.cards.map(({ message }) => message), ["Tea?", "Or lunch?"]);
  mac.answer(ADA, "Lunch");
  await mac.sync();
  await menubar.app.refresh();
  assert.deepEqual(menubar.app.view.panel.cards.map(({ message }) => message), ["Tea?"]);
});

Deno.test("a suggestion is sent as it stands or as it was changed, copied, or dismissed, and the server learns of it", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const sending = await mac.sending("deliver");
  const menubar = new Menubar(mac, sending);
  const next = async (person: string) => {
    mac.receive(person, "And then?");
    await mac.sync();
    await mac.run("suggest", "--conversation", person);
    await menubar.app.refresh();
  };
  await menubar.app.refresh();
  await menubar.app.act({ action: "send", responseId: menubar.card.responseId, text: menubar.card.draft });
  assert.equal(menubar.notice, "The reply was delivered.");
  await next(GRACE);
  await menubar.app.act({ action: "copy", responseId: menubar.card.responseId, text: "My own words" });
  assert.deepEqual([menubar.notice, menubar.copied], ["Copied.", ["My own words"]]);
  await next(GRACE);
  await menubar.app.act({ action: "dismiss", responseId: menubar.card.responseId, text: menubar.card.draft });
  assert.equal(menubar.notice, "Dismissed.");
  await next(GRACE);
  await menubar.app.act({ action: "send", responseId: menubar.card.responseId, text: "" });
  assert.match(menubar.notice ?? "", /^There is nothing to send/);
  assert.deepEqual(await actions(mac), [[null, null], ["reject", null], ["edit", "My own words"], [
    "accept",
    null,
  ]]);
  assert.equal(await osascriptCalls(sending.program), 1);
});

Deno.test("pausing unloads the service and resuming loads it, installed from the menubar itself", async () => {
  await using mac = await SuggestingMac.create();
  const menubar = new Menubar(mac);
  await menubar.app.perform("start");
  assert.equal(menubar.launchctl.loaded, true);
  await menubar.app.perform("pause");
  assert.deepEqual([menubar.launchctl.loaded, menubar.app.view.state], [false, "paused"]);
  await menubar.app.perform("resume");
  assert.deepEqual([menubar.launchctl.loaded, menubar.notice], [true, null]);
});

Deno.test("the dashboard and the settings are opened by macOS, and one that does not open is told", async () => {
  await using mac = await SuggestingMac.create();
  const menubar = new Menubar(mac);
  await menubar.app.perform("open_dashboard");
  await menubar.app.perform("open_full_disk_access");
  assert.deepEqual(menubar.opened.lines, [
    `/usr/bin/open ${mac.served.url}`,
    "/usr/bin/open x-apple.systempreferences:com.apple.preference.security?Privacy_AllFiles",
  ]);
  menubar.openCode = 1;
  await menubar.app.perform("open_dashboard");
  assert.match(menubar.notice ?? "", /^macOS could not open http/);
});

Deno.test("a pairing that waits for approval shows its code, and ends with the next click", async () => {
  await using mac = await SuggestingMac.create({ pairing: "approve" });
  const menubar = new Menubar(mac);
  const owner = await mac.served.app.pair();
  await menubar.app.perform("pair");
  const code = /\b\d{6}\b/.exec(menubar.notice ?? "")?.[0];
  await menubar.app.refresh();
  assert.ok(code);
  await mac.approve(owner.token, code);
  await menubar.app.perform("pair");
  assert.equal(menubar.notice, "This Mac is paired.");
});

Deno.test("the doctor examines this agent, and quitting quits", async () => {
  await using mac = await SuggestingMac.create();
  const menubar = new Menubar(mac);
  await menubar.app.perform("doctor");
  assert.deepEqual(menubar.app.view.panel.findings.map(({ id }) => id), [
    "messages_database",
    "address_book",
  ]);
  await menubar.app.perform("quit");
  assert.equal(menubar.hasQuit, true);
});
