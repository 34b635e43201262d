/** Tests the way of a new owner on the page: the welcome, and the whole loop with a real agent, in a real browser. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { z } from "zod";
import { SERVER_PATHS } from "../contract/paths.ts";
import { buildSampleMessages, type SampleConversation } from "./support/chat_db/sample.ts";
import { pairAgent, runAgent } from "./support/mac/agent_process.ts";
import { inTempDir } from "./support/process/temp_dir.ts";
import { createClient } from "../lib/http/client.ts";
import { browserTests } from "./support/process/browser.ts";
import {
  chooseSettings,
  DESKTOP,
  fitsWidth,
  openPage,
  ownedPage,
  PHONE,
  seriousFindings,
  showPage,
  signIn,
} from "./support/server/owner_page.ts";
import { makeBackup, untilTaken } from "./support/server/backup.ts";
import {
  agentEnvOf,
  type RunningServices,
  startServer,
  startServices,
} from "./support/server/running_services.ts";
import { syncBatch, syncMessage } from "./support/server/sync_batches.ts";

/** Of so many replies, enough are held out for the adapter to be offered. */
const PAIRS = 130;
const STARTED_MS = Date.UTC(2024, 0, 1, 12);

/** Conversations with one reply each, and after them one that waits for its reply. */
function conversations(): SampleConversation[] {
  const sent = (from: string, minute: number, text: string) => (
    { from, sentAt: new Date(STARTED_MS + minute * 60_000).toISOString(), bubbles: [text] }
  );
  const answered = Array.from({ length: PAIRS }, (_, index) => ({
    participants: [`person-${index}`],
    messages: [
      sent(`person-${index}`, 2 * index, `are you in for plan ${index}?`),
      sent("me", 2 * index + 1, `yes plan ${index} ok`),
    ],
  }));
  return [...answered, {
    participants: ["waiting"],
    messages: [sent("waiting", 2 * PAIRS, "are you in for lunch?")],
  }];
}

/** Writes the Mac's database. Returns the settings of its agent. */
function sampleMac(services: RunningServices): Record<string, string> {
  const chatDb = join(services.dir, "chat.db");
  const people = Array.from({ length: PAIRS }, (_, index) => `person-${index}`).concat("waiting")
    .map((key, index) => ({ key, handles: [`+1555019${String(index).padStart(4, "0")}`] as const }));
  buildSampleMessages(chatDb, { people, conversations: conversations() });
  return agentEnvOf(services, chatDb);
}

/** Whatever is done by mouse, and what a key does in its place. */
const COUNT_CLICKS = `window.clicks = 0; addEventListener("click", () => window.clicks++, true)`;

function clicksOn(page: Page): Promise<number> {
  return page.evaluate("window.clicks");
}

const WAITING = `+1555019${String(PAIRS).padStart(4, "0")}`;

/** Pairs the Mac and sends what it has, as the welcome says. */
async function welcome(page: Page, env: Record<string, string>): Promise<void> {
  await page.getByRole("link", { name: "Set up your Mac" }).click();
  await page.getByRole("heading", { name: "Welcome" }).waitFor();
  await page.getByText("Nothing has arrived yet.").waitFor();
  const approve = async (code: string) => {
    await page.getByRole("textbox", { name: "Code" }).fill(code);
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("is approved: it continues on its side.").waitFor();
  };
  await pairAgent(approve, { env });
  const sent = await runAgent(["sync", "--once"], { env });
  assert.equal(sent.code, 0, sent.stdout + sent.stderr);
  await page.getByText(`${2 * PAIRS + 1} messages are here, and no row waits on the Mac.`).waitFor();
  await page.getByRole("link", { name: "Go to your conversations" }).click();
}

/** Has a reply drafted, and accepts what it makes of it. */
async function draftAndEdit(page: Page, text: string): Promise<void> {
  await page.getByRole("link", { name: WAITING }).click();
  await page.getByRole("button", { name: "Draft a reply" }).click();
  await page.getByRole("textbox", { name: "Reply" }).fill(text);
  await page.getByRole("button", { name: "Accept my edit" }).click();
  await page.getByText("Your edit is a training example now; nothing was sent.").waitFor();
}

/** Imports the sent replies, trains, and watches until the adapter is there. */
async function learn(page: Page): Promise<void> {
  await showPage(page, "Training");
  await chooseSettings(page);
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText(`${PAIRS} new examples, of ${PAIRS} sent replies that were looked at.`).waitFor();
  await page.getByRole("button", { name: "Learn from my last 500 replies" }).click();
  await page.getByRole("img", { name: /^Loss by step; at step \d+ it is \d/ }).waitFor();
  await page.getByRole("heading", { name: "Training: completed" }).waitFor();
}

async function promote(page: Page): Promise<void> {
  const adapter = page.getByRole("listitem").filter({ hasText: "Learned from" });
  await adapter.getByRole("button", { name: "Draft with it" }).click();
  await adapter.getByText("Drafts are made with it").waitFor();
}

/** Goes back to the base model. */
async function rollBack(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Go back to what drafted before" }).click();
  const base = page.getByRole("listitem").filter({ hasText: "The model as it came" });
  await base.getByText("Drafts are made with it").waitFor();
}

/** Deletes the conversation that an example was made of, and sees what that did to the adapter. */
async function deleteWithTaint(page: Page): Promise<void> {
  await showPage(page, "Privacy");
  const item = page.getByRole("listitem").filter({ hasText: WAITING });
  await item.getByRole("button", { name: "Delete", exact: true }).click();
  await item.getByRole("button", { name: "Delete all of it" }).click();
  await item.getByText("1 adapters are used no more.").waitFor();
  await showPage(page, "Training");
  const adapter = page.getByRole("listitem").filter({ hasText: "Learned from" });
  await adapter.getByText("It learned from something that was deleted since").waitFor();
  assert.equal(await adapter.getByRole("button", { name: "Draft with it" }).count(), 0);
}

await browserTests({
  "a new owner goes from the welcome by a paired Mac to an adapter in use, back, and deletes what it learned from":
    async (browser) => {
      await using services = await startServices();
      const { url } = services.server;
      const { page, faults } = await openPage(browser, { url, ...DESKTOP });
      // A guard, not a measure: a training waits for its turn on a machine that is busy.
      page.setDefaultTimeout(300_000);
      await page.addInitScript(COUNT_CLICKS);
      await page.reload();
      await page.getByRole("button", { name: "Sign in this browser" }).click();
      await welcome(page, sampleMac(services));
      await draftAndEdit(page, "yes lunch ok");
      const toDraft = await clicksOn(page);
      assert.equal(toDraft, 7, "sign in, set up, approve, go on, a conversation, draft, accept");
      await learn(page);
      await promote(page);
      assert.equal(
        await clicksOn(page) - toDraft,
        5,
        "the page, its settings, preview, learn, draft with it",
      );
      await rollBack(page);
      await deleteWithTaint(page);
      assert.deepEqual(faults, []);
    },

  "the welcome has the lines for this very server to copy, and shows the first sync with its bar and rate":
    async (
      browser,
    ) => {
      await using owned = await ownedPage(browser, DESKTOP);
      const { owner, page, faults } = owned;
      await page.getByRole("link", { name: "Set up your Mac" }).click();
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Copy" }).first().click();
      await page.getByText("Copied").waitFor();
      assert.equal(await page.evaluate("navigator.clipboard.readText()"), "deno task agent pair");

      const rate = page.getByText(/^\d+ messages a second$/);
      const bar = page.getByRole("progressbar", { name: "First sync" });
      const sendOne = (lagRows: number) =>
        owner.request("POST", SERVER_PATHS.syncMessages, {
          body: syncBatch([syncMessage()], { lagRows }),
          schema: z.unknown(),
        });
      await sendOne(100);
      await bar.waitFor();
      assert.deepEqual([await bar.getAttribute("value"), await bar.getAttribute("max")], ["1", "101"]);
      while (!await rate.isVisible()) await sendOne(50);
      assert.deepEqual(await seriousFindings(page), []);
      await sendOne(0);
      await page.getByText("and no row waits on the Mac.").waitFor();
      await bar.waitFor({ state: "detached" });
      await page.getByRole("link", { name: "Go to your conversations" }).press("Enter");
      await page.getByRole("navigation", { name: "Conversations" }).getByRole("link").waitFor();
      assert.deepEqual(faults, []);
    },

  "a backup is restored on the page of a server that nobody owns, with its progress and refusals in words":
    async (
      browser,
    ) => {
      await inTempDir(async (dir) => {
        const path = join(dir, "backup.age");
        const { key, token } = await makeBackup(path);
        await using running = await startServer({ dir, mlUrl: "http://127.0.0.1:9" });
        const { url } = running.server;
        const { page, faults } = await openPage(browser, { url, ...PHONE });
        await page.getByText("Restore a backup instead").click();
        await page.getByLabel("Backup file").setInputFiles(path);
        const restore = page.getByRole("button", { name: "Restore", exact: true });
        await restore.press("Enter");
        await page.getByRole("alert").getByText("This key does not open the backup").waitFor();
        assert.deepEqual(await seriousFindings(page), []);
        assert.equal(await fitsWidth(page), true);
        await page.getByLabel("Secret key").fill(` ${key} `);
        await page.route("**/api/restore?*", async (route) => {
          await page.getByText("0 % of the file is sent").waitFor();
          await route.continue();
        });
        await restore.press("Enter");
        await page.getByText(/^The backup of .* is restored, with 0 adapters\./).waitFor();
        await untilTaken(token, url + SERVER_PATHS.currentDevice);
        const owner = createClient({ baseUrl: url, token: () => token });
        await signIn(page, owner);
        await page.getByRole("navigation", { name: "Conversations" }).getByRole("link").waitFor();

        // Now somebody owns it.
        const later = await openPage(browser, { url, ...DESKTOP, isDark: true });
        await later.page.getByText("Restore a backup instead").click();
        await later.page.getByLabel("Backup file").setInputFiles(path);
        await later.page.getByRole("button", { name: "Restore", exact: true }).click();
        await later.page.getByText("Somebody owns this server already").waitFor();
        assert.deepEqual(await seriousFindings(later.page), []);
        assert.deepEqual([...faults, ...later.faults], []);
      });
    },

  "axe-core finds nothing serious on the welcome, which names the address it is opened by, and fits a phone":
    async (
      browser,
    ) => {
      await using services = await startServices({ env: { SERVER_HOST: "0.0.0.0" } });
      const url = services.server.url.replace("127.0.0.1", Deno.hostname());
      const { page, faults } = await openPage(browser, { url, ...DESKTOP });
      await page.getByRole("button", { name: "Sign in this browser" }).click();
      const log = await Deno.readTextFile(join(services.dir, "server.log"));
      await page.getByRole("textbox", { name: "Setup code" }).fill(/setup code: (\S+)/.exec(log)?.[1] ?? "");
      await page.getByRole("button", { name: "Own this server" }).click();
      await page.getByRole("link", { name: "Set up your Mac" }).click();
      await page.getByText(`export AGENT_SERVER_URL=${url}\ndeno task agent pair`).waitFor();
      await page.getByText("With Homebrew instead").click();
      await page.getByText(`AGENT_SERVER_URL=${url} conversation-agent pair`).waitFor();
      for (const [size, colorScheme] of [[DESKTOP, "light"], [DESKTOP, "dark"], [PHONE, "light"]] as const) {
        await page.setViewportSize(size);
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await seriousFindings(page), []);
        assert.equal(await fitsWidth(page), true);
      }
      assert.deepEqual(faults, []);
    },
});
