/** Tests of the page of devices, and of signing in at servers with and without an owner, in a real browser. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { browserTests } from "./support/process/browser.ts";
import {
  DESKTOP,
  fitsWidth,
  HOSTILE,
  openPage,
  ownerOf,
  PHONE,
  seriousFindings,
  showPage,
  signIn,
} from "./support/server/owner_page.ts";
import { startServices } from "./support/server/running_services.ts";

/** The name of a device, which the page asks for by keyboard alone. */
async function rename(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Rename" }).press("Enter");
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.keyboard.press("Enter");
}

await browserTests({
  "the first browser of the machine owns its server, lets another one in, renames it and shuts it out":
    async (browser) => {
      await using services = await startServices();
      const { url } = services.server;
      const { page, faults } = await openPage(browser, { url, ...DESKTOP });
      await page.getByRole("button", { name: "Sign in this browser" }).click();
      await page.getByRole("navigation", { name: "Conversations" }).waitFor();

      const { page: second, faults: secondFaults } = await openPage(browser, { url, ...PHONE });
      await second.getByRole("button", { name: "Sign in this browser" }).click();
      const code = await second.getByLabel("Code of this browser").textContent() ?? "";
      await second.getByText(`deno task server devices approve ${code}`).waitFor();
      assert.deepEqual(await seriousFindings(second), []);

      await showPage(page, "Devices");
      await rename(page, "Desk");
      await page.getByRole("heading", { name: "Desk" }).waitFor();
      await page.getByRole("textbox", { name: "Code" }).fill("000000");
      await page.keyboard.press("Enter");
      await page.getByText("No device shows this code").waitFor();
      await page.getByRole("textbox", { name: "Code" }).fill(code);
      await page.keyboard.press("Enter");
      await page.getByText("“Browser” is approved").waitFor();
      // The waiting browser continues by itself.
      await second.getByRole("navigation", { name: "Conversations" }).waitFor();

      const other = page.getByRole("listitem").filter({
        has: page.getByRole("heading", { name: "Browser", exact: true }),
      });
      await other.getByRole("button", { name: "Rename" }).click();
      await page.getByRole("textbox", { name: "Name" }).fill(HOSTILE[1] ?? "");
      await page.keyboard.press("Enter");
      const hostile = page.getByRole("listitem").filter({ hasText: HOSTILE[1] });
      await hostile.getByRole("button", { name: "Revoke" }).click();
      await hostile.getByRole("button", { name: "Revoke it" }).press("Enter");
      await page.getByText("1 revoked device").waitFor();
      assert.equal(await page.title(), "Conversation Assistant");
      await second.reload();
      await second.getByRole("button", { name: "Sign in this browser" }).waitFor();
      assert.deepEqual([...faults, ...secondFaults], []);
    },

  "a server on a network is owned by whoever reads its setup code": async (browser) => {
    await using services = await startServices({ env: { SERVER_HOST: "0.0.0.0" } });
    const { url } = services.server;
    const { page, faults } = await openPage(browser, { url, ...DESKTOP });
    await page.getByRole("button", { name: "Sign in this browser" }).click();
    const field = page.getByRole("textbox", { name: "Setup code" });
    await field.fill("WRONG-CODES");
    await field.press("Enter");
    await page.getByText("This is not the setup code").waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    const log = await Deno.readTextFile(join(services.dir, "server.log"));
    await field.fill(/setup code: (\S+)/.exec(log)?.[1] ?? "");
    await field.press("Enter");
    await page.getByRole("navigation", { name: "Conversations" }).waitFor();
    assert.deepEqual(faults, []);
  },

  "axe-core finds nothing serious on the page of devices, which fits a phone": async (browser) => {
    await using services = await startServices();
    const { url } = services.server;
    const owner = await ownerOf(url);
    for (const look of [DESKTOP, { ...DESKTOP, isDark: true }, PHONE]) {
      const { page, faults } = await openPage(browser, { url, ...look });
      await signIn(page, owner);
      await showPage(page, "Devices");
      await page.getByText("This browser acts as it").waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      assert.deepEqual(faults, []);
      await page.close();
    }
  },
});
