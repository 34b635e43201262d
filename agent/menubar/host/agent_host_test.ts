// Tests of what the menubar looks at and does, on a real server and data folder; Messages and launchd are played.
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { sessionSchema } from "../../../contract/session.ts";
import { writeAddressBook } from "../../../tests/support/mac/address_book_fixture.ts";
import { FakeLaunchctl } from "../../../tests/support/mac/fake_launchctl.ts";
import { osascriptCalls } from "../../../tests/support/mac/fake_osascript.ts";
import { type RecordedAnswer, RecordedCommands } from "../../../tests/support/mac/recorded_commands.ts";
import { ADA, GRACE, SuggestingMac } from "../../../tests/support/mac/suggesting_mac.ts";
import type { MenubarAction } from "../menubar_actions.ts";
import type { CardAction } from "../panel_page.ts";
import { MenubarApp } from "../menubar_app.ts";
import type { CommandRunner } from "../../platform/command_runner.ts";
import type { SendDependencies } from "../../suggest/send/send_reply.ts";
import { agentStateStore } from "../../run/agent_state.ts";
import { WATCHING } from "../../../tests/support/mac/menubar_inputs.ts";
import { menubarHost } from "./agent_host.ts";

/** The menubar of a Mac on which Ada waits for an answer. */
class Menubar {
  readonly launchctl = new FakeLaunchctl();
  readonly opened = new RecordedCommands((): RecordedAnswer => this.openCode);
  readonly copied: string[] = [];
  openCode = 0;
  laterMs = 0;
  hasQuit = false;
  readonly app: MenubarApp;

  constructor(readonly mac: SuggestingMac, sending?: SendDependencies) {
    const commands: CommandRunner = {
      run: (command, request) =>
        (command[0] === "/usr/bin/open" ? this.opened : this.launchctl).run(command, request),
    };
    const machine = { ...mac.services().machine, homeDir: () => mac.dir, userId: () => 501 };
    const servicesFor = (serverUrl: string | null) => ({
      ...mac.services({ sending, serverUrl }),
      commands,
      machine,
      now: () => Date.now() + this.laterMs,
    });
    const copy = (text: string) => Promise.resolve(void this.copied.push(text));
    this.app = new MenubarApp(menubarHost({ servicesFor, copy, quit: () => this.hasQuit = true }));
  }

  /** Looks again after the time at which the server is asked again. */
  async refresh(): Promise<void> {
    this.laterMs += 15_000;
    await this.app.refresh();
  }

  act(action: CardAction, text?: string): Promise<void> {
    const { responseId, text: shown } = this.card;
    return this.app.perform({ kind: "card", card: { action, responseId, text: text ?? shown } });
  }

  press(action: MenubarAction, address: string | null = null): Promise<void> {
    return this.app.perform({ kind: "menu", action, address });
  }

  get notice(): string | null {
    return this.app.view.panel.notice;
  }

  /** The service's file, as it is installed. */
  plist(): Promise<string> {
    return Deno.readTextFile(
      join(this.mac.dir, "Library/LaunchAgents/app.conversation-assistant.agent.plist"),
    );
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

/** An opened address without the one-time code that signs a browser in. */
function withoutCode(line: string): string {
  return line.replace(/\/#code=[\w-]{43}$/, "");
}

async function actions(mac: SuggestingMac): Promise<unknown[]> {
  const { responses } = await (await mac.client()).drafts({ pageSize: 10 });
  return responses.map(({ action, editedResponse }) => [action, editedResponse]);
}

Deno.test("the look sees whether the agent runs, what it wrote down, its service, and the drafts that wait", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  const menubar = new Menubar(mac);
  await menubar.refresh();
  assert.equal(menubar.app.view.state, "suggestion_waiting");
  assert.deepEqual([menubar.card.to, menubar.card.said.at(-1)?.text, menubar.card.draft], [
    ADA,
    "Dinner?",
    "Reply number 1",
  ]);
  running[Symbol.dispose]();
  await menubar.refresh();
  assert.equal(menubar.app.view.state, "stopped");
});

Deno.test("a draft that was overtaken by the owner's answer or by a newer message waits for nobody", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const menubar = new Menubar(mac);
  mac.receive(ADA, "Or lunch?");
  await mac.sync();
  await menubar.refresh();
  assert.equal(menubar.app.view.state, "synced");
  await mac.run("suggest");
  mac.receive(GRACE, "Tea?");
  await mac.sync();
  await mac.run("suggest", "--conversation", GRACE);
  await menubar.refresh();
  assert.deepEqual(menubar.app.view.panel.cards.map(({ said }) => said.map(({ text }) => text)), [["Tea?"], [
    "Dinner?",
    "Or lunch?",
  ]]);
  mac.answer(ADA, "Lunch");
  await mac.sync();
  await menubar.refresh();
  assert.deepEqual(menubar.app.view.panel.cards.map(({ said }) => said.map(({ text }) => text)), [["Tea?"]]);
});

Deno.test("a suggestion is sent as it stands or as it was changed, copied, inserted, or dismissed, and the server learns of it", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const sending = await mac.sending("deliver");
  const menubar = new Menubar(mac, sending);
  const next = async (person: string) => {
    mac.receive(person, "And then?");
    await mac.sync();
    await mac.run("suggest", "--conversation", person);
    await menubar.refresh();
  };
  await menubar.refresh();
  await menubar.act("send");
  assert.equal(menubar.notice, "The reply was delivered.");
  await next(GRACE);
  await menubar.act("copy", "My own words");
  assert.deepEqual([menubar.notice, menubar.copied], ["Copied.", ["My own words"]]);
  await next(GRACE);
  await menubar.act("insert", "At 8 & not later?");
  assert.match(menubar.notice ?? "", /^Messages is open\./);
  assert.deepEqual(menubar.opened.lines, [
    `/usr/bin/open sms:${GRACE}&body=At%208%20%26%20not%20later%3F`,
  ]);
  assert.equal(menubar.copied.at(-1), "At 8 & not later?");
  await next(GRACE);
  await menubar.act("dismiss");
  assert.equal(menubar.notice, "Dismissed.");
  await next(GRACE);
  await menubar.act("send", "");
  assert.match(menubar.notice ?? "", /^The reply is empty\. Write something/);
  assert.deepEqual(await actions(mac), [
    [null, null],
    ["reject", null],
    ["edit", "At 8 & not later?"],
    ["edit", "My own words"],
    ["accept", null],
  ]);
  assert.equal(await osascriptCalls(sending.program), 1);
});

Deno.test("a reply that Messages refused stays as it was recorded, and the next try sends it and reports nothing new", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const sending = await mac.sending("refuse");
  const menubar = new Menubar(mac, sending);
  await menubar.refresh();
  await menubar.act("send", "Yes, at eight");
  assert.match(menubar.notice ?? "", /^Messages does not have this chat in its list: /);
  await menubar.refresh();
  assert.deepEqual([menubar.card.state, menubar.card.text], ["unsent", "Yes, at eight"]);
  await menubar.act("copy");
  assert.deepEqual([menubar.card.state, menubar.copied], ["unsent", ["Yes, at eight"]]);
  await mac.sending("deliver");
  await menubar.act("send");
  assert.equal(menubar.notice, "The reply was delivered.");
  assert.deepEqual(menubar.app.view.panel.cards, []);
  assert.deepEqual(await actions(mac), [["edit", "Yes, at eight"]]);
});

Deno.test("of a conversation that is off nothing is shown, not even a draft from before", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const menubar = new Menubar(mac);
  await menubar.refresh();
  assert.equal(menubar.app.view.panel.cards.length, 1);
  await mac.run("suggest", "policy", "off", "--conversation", ADA);
  await menubar.refresh();
  assert.deepEqual(menubar.app.view.panel.cards, []);
});

Deno.test("people are shown by the names that Contacts has for them, also after it has changed", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const menubar = new Menubar(mac);
  await menubar.refresh();
  assert.equal(menubar.card.to, ADA);
  writeAddressBook(join(mac.dir, "AddressBook"), [{ firstName: "Ada", lastName: "L.", phones: [ADA] }]);
  await menubar.refresh();
  assert.equal(menubar.card.to, "Ada L.");
});

Deno.test("pausing unloads the service and resuming loads it, installed from the menubar itself", async () => {
  await using mac = await SuggestingMac.create();
  const menubar = new Menubar(mac);
  await menubar.press("start");
  assert.equal(menubar.launchctl.loaded, true);
  await menubar.press("pause");
  assert.deepEqual([menubar.launchctl.loaded, menubar.app.view.state], [false, "paused"]);
  await menubar.press("resume");
  assert.deepEqual([menubar.launchctl.loaded, menubar.notice], [true, null]);
});

Deno.test("the dashboard and the settings are opened by macOS, and a failure to open one is reported", async () => {
  await using mac = await SuggestingMac.create();
  const menubar = new Menubar(mac);
  await menubar.press("open_server_page");
  await menubar.press("open_full_disk_access");
  assert.deepEqual(menubar.opened.lines.map(withoutCode), [
    `/usr/bin/open ${mac.served.url}`,
    "/usr/bin/open x-apple.systempreferences:com.apple.preference.security?Privacy_AllFiles",
  ]);
  menubar.openCode = 1;
  await menubar.press("open_server_page");
  assert.equal(menubar.notice, `macOS could not open ${mac.served.url}.`);
});

Deno.test("the dashboard opens signed in where the Mac is paired, and plainly where the server refuses", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const menubar = new Menubar(mac);
  await menubar.press("open_server_page");
  const [, url = ""] = menubar.opened.lines[0]?.split(" ") ?? [];
  const { origin, hash } = new URL(url);
  assert.equal(origin, mac.served.url);
  const { app } = mac.served;
  const answer = await app.request(SERVER_PATHS.session, { body: { code: hash.replace("#code=", "") } });
  const { device } = sessionSchema.parse(await answer.json());
  const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
  const headers = { cookie, origin: "http://localhost" };
  await app.request(pathOf(SERVER_PATHS.deactivateDevice, { id: device.id }), { method: "POST", headers });
  await menubar.press("open_server_page");
  assert.equal(menubar.opened.lines[1], `/usr/bin/open ${mac.served.url}`);
});

Deno.test("a chat that macOS does not open is reported without the text and the number it was for", async () => {
  const { mac, running } = await withDraft();
  await using _mac = mac;
  using _running = running;
  const menubar = new Menubar(mac);
  await menubar.refresh();
  menubar.openCode = 1;
  await menubar.act("insert", "My own words");
  assert.equal(menubar.notice, "macOS could not open the chat in Messages.");
  assert.deepEqual(menubar.copied, ["My own words"]);
});

Deno.test("a pairing that waits for approval shows its code, and ends with the next click after it", async () => {
  await using mac = await SuggestingMac.create({ pairing: "approve" });
  const menubar = new Menubar(mac);
  const owner = await mac.served.app.pair();
  await menubar.press("pair");
  assert.equal(menubar.notice, "Approve the code, then come back here.");
  await menubar.press("pair");
  assert.equal(menubar.notice, "The code is not approved yet.");
  const { code } = menubar.app.view.panel;
  assert.match(code ?? "", /^\d{6}$/);
  await mac.approve(owner.token, code ?? "");
  await menubar.press("pair");
  assert.equal(menubar.notice, "This Mac is paired.");
});

Deno.test("the server can be named by any link to it, and a service that was installed for another one follows", async () => {
  await using mac = await SuggestingMac.create({ pairing: "approve" });
  const owner = await mac.served.app.pair();
  const menubar = new Menubar(mac, undefined);
  await menubar.press("pair", "http://");
  assert.equal(menubar.notice, '"http://" is not an address of a server.');
  await menubar.press("pair", "127.0.0.1:1");
  assert.match(menubar.notice ?? "", /^Cannot reach the server at http:\/\/127\.0\.0\.1:1 /);
  await menubar.press("start");
  assert.match(await menubar.plist(), new RegExp(`<string>${mac.served.url}</string>`));
  const { host, port } = new URL(mac.served.url);
  await menubar.press("pair", `http://localhost:${port}/docs?x=1#top`);
  await mac.approve(owner.token, menubar.app.view.panel.code ?? "");
  assert.ok(!host.includes("localhost"));
  await menubar.press("pair");
  assert.equal(menubar.notice, "This Mac is paired.");
  assert.match(await menubar.plist(), new RegExp(`<string>http://localhost:${port}</string>`));
  await menubar.press("open_server_page");
  assert.deepEqual(menubar.opened.lines.map(withoutCode), [`/usr/bin/open http://localhost:${port}`]);
});

Deno.test("the doctor examines this agent, and quitting quits", async () => {
  await using mac = await SuggestingMac.create();
  const menubar = new Menubar(mac);
  await menubar.press("doctor");
  assert.deepEqual(menubar.app.view.panel.findings.map(({ id }) => id), [
    "messages_database",
    "address_book",
  ]);
  await menubar.press("quit");
  assert.equal(menubar.hasQuit, true);
});
