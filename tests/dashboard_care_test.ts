/** Tests of the pages of privacy and health in a real browser. */
import assert from "node:assert/strict";
import { contactListSchema, conversationListSchema } from "../contract/conversations.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { syncHeartbeatResponseSchema, syncStatusResponseSchema } from "../contract/sync.ts";
import type { Client } from "../lib/http/client.ts";
import { browserTests } from "./support/process/browser.ts";
import {
  DESKTOP,
  fitsWidth,
  HOSTILE,
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

await browserTests({
  "a conversation is deleted with all that goes with it, and the page says what went": async (browser) => {
    const prepare = async (owner: Client) => {
      await nameJohn(owner, HOSTILE[1] ?? "");
      await send(owner, ["Dinner?", "Or lunch?"], `any;-;${JOHN}`);
    };
    await using owned = await ownedPage(browser, { ...DESKTOP, prepare });
    const { owner, page, faults } = owned;
    await showPage(page, "Privacy");
    const item = page.getByRole("listitem").filter({ hasText: HOSTILE[1] });
    await item.getByRole("button", { name: "Delete", exact: true }).click();
    await item.getByText("This would go for good: 2 messages.").waitFor();
    await item.getByRole("button", { name: "Delete all of it" }).press("Enter");
    await item.getByText("Deleted: 2 messages, 0 drafts, 0 examples; 0 adapters are used no more.").waitFor();
    const { total } = await owner.request("GET", SERVER_PATHS.conversations, {
      schema: conversationListSchema,
    });
    assert.equal(total, 0);
    assert.deepEqual(faults, []);
  },

  "a person is deleted at their conversation or by an address, and the page says what would go and what went":
    async (browser) => {
      const prepare = async (owner: Client) => {
        await nameJohn(owner, HOSTILE[1] ?? "");
        await send(owner, ["Dinner?", "Or lunch?"], `any;-;${JOHN}`);
        await send(owner, ["By another name?"], "other");
      };
      await using owned = await ownedPage(browser, { ...PHONE, prepare });
      const { owner, page, faults } = owned;
      const totalOf = async () =>
        (await owner.request("GET", SERVER_PATHS.contacts, { schema: contactListSchema })).total;
      await showPage(page, "Privacy");
      const person = page.getByRole("region", { name: "Delete a person" });
      const address = person.getByLabel("Phone number, e-mail address or Apple ID");
      const ask = person.getByRole("button", { name: "Delete this person" });
      assert.equal(await ask.isDisabled(), true);
      await address.fill("nobody@example.com");
      await ask.click();
      await person.getByRole("alert").waitFor();
      await address.fill(JOHN);
      await ask.press("Enter");
      await person.getByText(/^This would go for good: .*messages?, 1 contact\.$/).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      await person.getByRole("button", { name: "Keep it" }).click();
      assert.equal(await totalOf(), 1, "it was a preview");

      const item = page.getByRole("listitem").filter({ hasText: "2 messages" });
      await item.getByRole("button", { name: "Delete this person" }).click();
      await item.getByText(/^This would go for good: .*messages?, 1 contact\.$/).waitFor();
      await item.getByRole("button", { name: "Delete them for good" }).press("Enter");
      await page.getByText(/^Deleted: .* conversations, 1 contacts; 0 adapters are used no more\.$/)
        .waitFor();
      assert.equal(await totalOf(), 0);
      assert.deepEqual(faults, []);
    },

  "a conversation's drafts are turned off, nothing is learned from it, and a message of it is deleted":
    async (
      browser,
    ) => {
      const prepare = async (owner: Client) => {
        await nameJohn(owner, HOSTILE[1] ?? "");
        await send(owner, ["Dinner?", "Or lunch?"], `any;-;${JOHN}`);
      };
      await using owned = await ownedPage(browser, { ...PHONE, prepare });
      const { owner, page, faults } = owned;
      const policyOf = async () => {
        const { conversations: [conversation] } = await owner.request("GET", SERVER_PATHS.conversations, {
          schema: conversationListSchema,
        });
        return { drafting: conversation?.drafting, neverTrain: conversation?.neverTrain };
      };
      await page.getByRole("link", { name: /www|img/ }).click();
      await page.getByRole("button", { name: "Draft a reply" }).waitFor();
      await page.getByRole("combobox", { name: "Drafts" }).selectOption("off");
      await page.getByText("Drafts are off in this conversation.").waitFor();
      await page.getByLabel("Never learn from it").click();
      await page.getByText("Nothing goes with it.").waitFor();
      assert.deepEqual(await policyOf(), { drafting: "off", neverTrain: false }, "it was a preview");
      await page.getByRole("button", { name: "Never learn from it" }).press("Enter");
      await page.getByRole("button", { name: "Never learn from it" }).waitFor({ state: "detached" });
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      assert.deepEqual(await policyOf(), { drafting: "off", neverTrain: true });

      await showPage(page, "Privacy");
      const never = page.getByRole("region", { name: "Never learned from" });
      await never.getByText(HOSTILE[1] ?? "").waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      await never.getByRole("button", { name: "Learn from it again" }).press("Enter");
      await never.getByText("It may be learned from again.").waitFor();
      assert.deepEqual(await policyOf(), { drafting: "off", neverTrain: false });

      await page.getByRole("link", { name: "Conversations" }).click();
      await page.getByRole("searchbox", { name: "Search all messages" }).fill("lunch");
      await page.getByRole("searchbox", { name: "Search all messages" }).press("Enter");
      await page.getByRole("list", { name: "Messages found" }).getByRole("link").click();
      // The found message takes the focus once it is there: a key pressed before would go to it.
      await page.locator(".message.found:focus").waitFor();
      await page.getByRole("button", { name: "Delete this message" }).press("Enter");
      await page.getByText("This would go for good: 1 message.").waitFor();
      await page.getByRole("button", { name: "Delete it for good" }).press("Enter");
      await page.getByText("The message is deleted.").waitFor();
      const { messages } = await owner.request("GET", SERVER_PATHS.syncStatus, {
        schema: syncStatusResponseSchema,
      });
      assert.equal(messages, 1);
      assert.deepEqual(faults, []);
    },

  "everything is downloaded, and deleted once the device's name is typed": async (browser) => {
    const prepare = async (owner: Client) => {
      await send(owner, ["Dinner?"], `any;-;${JOHN}`);
    };
    await using owned = await ownedPage(browser, { ...DESKTOP, prepare });
    const { owner, page, faults } = owned;
    await showPage(page, "Privacy");
    const downloaded = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download all that is stored of you" }).click();
    assert.equal(await (await downloaded).failure(), null);
    await page.getByRole("button", { name: "Delete everything", exact: true }).press("Enter");
    const confirm = page.getByRole("button", { name: "Delete everything now" });
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByLabel("Name of this device").fill("Browse");
    assert.equal(await confirm.isDisabled(), true);
    await page.getByLabel("Name of this device").fill("Browser");
    await page.getByLabel("Name of this device").press("Enter");
    await page.getByRole("button", { name: "Sign in this browser" }).waitFor();
    await assert.rejects(
      owner.request("GET", SERVER_PATHS.conversations, { schema: conversationListSchema }),
    );
    assert.deepEqual(faults, []);
  },

  "health shows the model, the queue and what each device sent, and axe-core finds nothing serious": async (
    browser,
  ) => {
    await using services = await startServices();
    const { url } = services.server;
    const owner = await ownerOf(url);
    await send(owner, ["Dinner?", "Or lunch?"], "chat");
    const report = async (gaps: number) => {
      const capture = { rowsRead: 3, stored: 2, refused: 0, setAside: 1, gaps };
      const body = { lagRows: 0, capture };
      await owner.request("POST", SERVER_PATHS.syncHeartbeat, { body, schema: syncHeartbeatResponseSchema });
    };
    for (const look of [DESKTOP, { ...DESKTOP, isDark: true }, PHONE]) {
      const { page, faults } = await openPage(browser, { url, ...look });
      await signIn(page, owner);
      await showPage(page, "Privacy");
      await page.getByRole("button", { name: "Delete", exact: true }).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      await showPage(page, "Health");
      await page.getByText("Ready", { exact: true }).waitFor();
      await page.getByRole("row", { name: "Runs on CPU" }).waitFor();
      const terminal = page.getByRole("listitem").filter({ hasText: "Demo terminal" });
      await terminal.getByRole("row", { name: "Messages new to the server 2" }).waitFor();
      await report(1);
      await terminal.getByText("1 row not accounted for yet.").waitFor();
      await terminal.getByRole("row", { name: "Gaps 1" }).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      await report(0);
      await terminal.getByText("Nothing is missing: each of 3 rows is accounted for.").waitFor();
      await terminal.getByRole("row", { name: "of them set aside 1" }).waitFor();
      const capturing = page.getByRole("list", { name: "What arrived, by device" }).getByRole("listitem");
      assert.equal(await capturing.count(), 1, "browsers send no messages");
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      assert.deepEqual(faults, []);
      await page.close();
    }
  },
});
