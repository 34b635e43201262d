/** Tests of the pages of privacy and health in a real browser. */
import assert from "node:assert/strict";
import { conversationListSchema } from "../contract/conversations.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import { browserTests } from "./support/process/browser.ts";
import {
  DESKTOP,
  fitsWidth,
  HOSTILE,
  nameJohn,
  openPage,
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
    await using services = await startServices();
    const { url } = services.server;
    const owner = await ownerOf(url);
    await nameJohn(owner, HOSTILE[1] ?? "");
    await send(owner, ["Dinner?", "Or lunch?"], `any;-;${JOHN}`);
    const { page, faults } = await openPage(browser, { url, ...DESKTOP });
    await signIn(page, owner);
    await showPage(page, "Privacy");
    const item = page.getByRole("listitem").filter({ hasText: HOSTILE[1] });
    await item.getByRole("button", { name: "Delete" }).click();
    await item.getByRole("button", { name: "Delete all of it" }).press("Enter");
    await item.getByText("Deleted: 2 messages, 0 drafts, 0 examples; 0 adapters are used no more.").waitFor();
    const { total } = await owner.request("GET", SERVER_PATHS.conversations, {
      schema: conversationListSchema,
    });
    assert.equal(total, 0);
    assert.deepEqual(faults, []);
  },

  "everything is downloaded, and deleted once the device's name is typed": async (browser) => {
    await using services = await startServices();
    const { url } = services.server;
    const owner = await ownerOf(url);
    await send(owner, ["Dinner?"], `any;-;${JOHN}`);
    const { page, faults } = await openPage(browser, { url, ...DESKTOP });
    await signIn(page, owner);
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
    for (const look of [DESKTOP, { ...DESKTOP, isDark: true }, PHONE]) {
      const { page, faults } = await openPage(browser, { url, ...look });
      await signIn(page, owner);
      await showPage(page, "Privacy");
      await page.getByRole("button", { name: "Delete" }).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      await showPage(page, "Health");
      await page.getByText("Ready", { exact: true }).waitFor();
      const terminal = page.getByRole("listitem").filter({ hasText: "Demo terminal" });
      await terminal.getByRole("row", { name: "Messages stored 2" }).waitFor();
      const capturing = page.getByRole("list", { name: "What arrived, by device" }).getByRole("listitem");
      assert.equal(await capturing.count(), 1, "browsers send no messages");
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      assert.deepEqual(faults, []);
      await page.close();
    }
  },
});
