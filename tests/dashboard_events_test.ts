/** Tests that the owner's page follows what happens while it is open, in a real browser, through restarts and to its end. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { deletionSchema, messageListSchema } from "../contract/conversations.ts";
import { deviceListSchema, deviceResponseSchema } from "../contract/devices.ts";
import { type EventMessage, eventMessageSchema } from "../contract/events.ts";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import type { Client } from "../lib/http/client.ts";
import { browserTests } from "./support/process/browser.ts";
import {
  DESKTOP,
  inviteToDinner,
  nameJohn,
  openPage,
  ownedPage,
  ownerOf,
  PHONE,
  send,
  seriousFindings,
  showPage,
  signIn,
} from "./support/server/owner_page.ts";
import { startServices } from "./support/server/running_services.ts";
import { JOHN } from "./support/server/sync_batches.ts";

const CHAT = `any;-;${JOHN}`;

/** What the page hears, in its order, over all of its connections. */
function heardBy(page: Page): EventMessage[] {
  const heard: EventMessage[] = [];
  page.on("websocket", (socket) => {
    socket.on(
      "framereceived",
      ({ payload }) => heard.push(eventMessageSchema.parse(JSON.parse(`${payload}`))),
    );
  });
  return heard;
}

function isHappening({ event }: EventMessage): boolean {
  return event !== "connected" && event !== "heartbeat";
}

async function revokeBrowser(owner: Client): Promise<void> {
  const { devices } = await owner.request("GET", SERVER_PATHS.devices, { schema: deviceListSchema });
  const id = devices.find(({ platform, status }) => platform === "web" && status === "active")?.id ?? "";
  const path = pathOf(SERVER_PATHS.deactivateDevice, { id });
  await owner.request("POST", path, { body: {}, schema: deviceResponseSchema });
}

await browserTests({
  "an open page shows what comes in, says that the server is gone, and goes on where it was once it is back":
    async (browser) => {
      await using services = await startServices();
      const { url } = services.server;
      const owner = await ownerOf(url);
      await nameJohn(owner, "John Doe");
      await send(owner, ["Dinner tonight?"], CHAT);
      const { page, faults } = await openPage(browser, { url, ...DESKTOP });
      const heard = heardBy(page);
      await signIn(page, owner);
      const row = page.getByRole("link", { name: "John Doe" });
      await row.click();
      const messages = page.getByRole("region", { name: "Messages" });
      await messages.getByText("Dinner tonight?").waitFor();

      await send(owner, ["Or tomorrow?"], CHAT);
      await messages.getByText("Or tomorrow?").waitFor();
      await row.getByText("Or tomorrow?").waitFor();
      await send(owner, ["Another one"], "any;-;other");
      await page.getByRole("navigation", { name: "Conversations" }).getByText("Another one").waitFor();

      services.server.kill();
      const lost = page.getByText("The connection is lost; reconnecting…");
      await lost.waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      await services.restartServer();
      await lost.waitFor({ state: "detached" });
      await send(owner, ["It is me again"], CHAT);
      await messages.getByText("It is me again").waitFor();

      const [first, ...later] = heard.filter(({ event }) => event === "connected");
      assert.deepEqual(first?.data, { resumed: false });
      assert.ok(later.length > 0);
      for (const { data } of later) assert.deepEqual(data, { resumed: true });
      const ids = heard.filter(isHappening).map(({ id }) => id);
      assert.deepEqual(ids, ids.map((_, index) => (ids[0] ?? 0) + index), "none is missing or there twice");
      assert.deepEqual(faults, []);
    },

  "what a person writes on stays while messages come in, until it is left": async (browser) => {
    await using owned = await ownedPage(browser, { ...DESKTOP, prepare: inviteToDinner });
    const { owner, page, faults } = owned;
    await page.getByRole("link", { name: "John Doe" }).click();
    await page.getByRole("button", { name: "Draft a reply" }).click();
    const reply = page.getByRole("textbox", { name: "Reply" });
    await reply.fill("Half of an answer");
    await send(owner, ["Or tomorrow?"], CHAT);
    await page.getByText("The conversation has gone on since this draft.").waitFor();
    assert.equal(await reply.inputValue(), "Half of an answer");
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByRole("button", { name: "Leave this draft" }).press("Enter");
    await page.getByRole("button", { name: "Draft a reply" }).waitFor();
    await reply.waitFor({ state: "detached" });
    assert.deepEqual(faults, []);
  },

  "a draft that is made in one browser is there in another, and is done with in both once one accepts it":
    async (
      browser,
    ) => {
      await using services = await startServices();
      const { url } = services.server;
      const owner = await ownerOf(url);
      await nameJohn(owner, "John Doe");
      await send(owner, ["Dinner tonight?"], CHAT);
      const opened = [];
      for (const look of [DESKTOP, PHONE]) {
        const { page, faults } = await openPage(browser, { url, ...look });
        await signIn(page, owner);
        await page.getByRole("link", { name: "John Doe" }).click();
        await page.getByRole("button", { name: "Draft a reply" }).waitFor();
        opened.push({ page, faults, reply: page.getByRole("textbox", { name: "Reply" }) });
      }
      const [first, second] = opened;
      assert.ok(first && second);
      await first.page.getByRole("button", { name: "Draft a reply" }).click();
      await first.reply.waitFor();
      await second.reply.waitFor();
      assert.equal(await second.reply.inputValue(), await first.reply.inputValue());
      await second.page.getByRole("button", { name: "Accept" }).click();
      for (const { page, faults } of opened) {
        await page.getByText("Accepted. It is a training example now; nothing was sent.").waitFor();
        assert.deepEqual(faults, []);
      }
    },

  "what one browser chooses for a conversation, and what it deletes, shows in another that is open": async (
    browser,
  ) => {
    await using owned = await ownedPage(browser, { ...DESKTOP, prepare: inviteToDinner });
    const { url, owner, page, faults } = owned;
    const other = await openPage(browser, { url, ...DESKTOP });
    await signIn(other.page, owner);
    for (const one of [page, other.page]) {
      await one.getByRole("link", { name: "John Doe" }).click();
      await one.getByRole("region", { name: "Messages" }).getByText("Dinner tonight?").waitFor();
    }
    await page.getByRole("combobox", { name: "Drafts" }).selectOption("off");
    await other.page.getByText("Drafts are off in this conversation.").waitFor();

    await send(owner, ["Or tomorrow?"], CHAT);
    const { messages: [newest] } = await owner.request(
      "GET",
      pathOf(SERVER_PATHS.conversationMessages, { id: page.url().split("/").at(-1) ?? "" }),
      { schema: messageListSchema },
    );
    const words = other.page.getByRole("region", { name: "Messages" }).getByText("Or tomorrow?");
    await words.waitFor();
    const path = pathOf(SERVER_PATHS.message, { id: newest?.id ?? "" });
    await owner.request("DELETE", path, { schema: deletionSchema });
    await words.waitFor({ state: "detached" });

    await showPage(page, "Privacy");
    const item = page.getByRole("listitem").filter({ hasText: "John Doe" });
    await item.getByRole("button", { name: "Delete", exact: true }).click();
    await item.getByRole("button", { name: "Delete all of it" }).click();
    await other.page.getByText("There is no conversation with this id").waitFor();
    await other.page.getByRole("link", { name: "John Doe" }).waitFor({ state: "detached" });
    assert.deepEqual([...faults, ...other.faults], []);
  },

  "a browser that is revoked while its page is open is signed out at once, with a sentence": async (
    browser,
  ) => {
    const prepare = (owner: Client) => send(owner, ["Dinner tonight?"], CHAT);
    await using owned = await ownedPage(browser, { ...DESKTOP, prepare });
    const { owner, page, faults } = owned;
    await revokeBrowser(owner);
    await page.getByRole("alert").getByText("This browser is not signed in any more").waitFor();
    assert.equal(await page.getByText("Dinner tonight?").count(), 0);

    // Signing out shows no such sentence.
    await signIn(page, owner);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in this browser" }).waitFor();
    await page.getByRole("alert").waitFor({ state: "detached" });
    assert.deepEqual(faults, []);
  },
});
