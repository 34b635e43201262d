/** Tests of the page of training in a real browser: from sent replies to an adapter in use, and back. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { Locator, Page } from "playwright-core";
import { accountSettingsSchema } from "../contract/account.ts";
import { conversationListSchema, messageListSchema } from "../contract/conversations.ts";
import { modelsResponseSchema } from "../contract/models.ts";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema, responseActionResponseSchema } from "../contract/responses.ts";
import { syncMessagesResponseSchema } from "../contract/sync.ts";
import type { Client } from "../lib/http/client.ts";
import { browserTests } from "./support/process/browser.ts";
import {
  chooseSettings,
  DESKTOP,
  fitsWidth,
  HOSTILE,
  openPage,
  ownedPage,
  PHONE,
  seriousFindings,
  showPage,
  signIn,
} from "./support/server/owner_page.ts";
import { JOHN, syncBatch, syncMessage } from "./support/server/sync_batches.ts";

/** Of so many, enough are held out for the adapter to be offered. */
const PAIRS = 130;
const SOON_AFTER = "2024-01-01T12:01:00Z";

/** A conversation in which the owner answered once. */
async function syncReply(
  owner: Client,
  { chat, asked, reply }: { chat: string; asked: string; reply: string },
) {
  const messages = [
    syncMessage({ senderId: JOHN, text: asked }),
    syncMessage({ senderId: null, direction: "outgoing", text: reply, sentAt: SOON_AFTER }),
  ];
  const body = syncBatch(messages, { conversationImessageId: chat });
  await owner.request("POST", SERVER_PATHS.syncMessages, { body, schema: z.unknown() });
}

function samplesOf(page: Page): Locator {
  return page.getByRole("region", { name: "Examples" });
}

/** Learns from the replies until the training is done. */
async function learn(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText(`${PAIRS} new examples, of ${PAIRS} sent replies that were looked at.`).waitFor();
  await page.getByText("There are none yet.").waitFor();
  await page.getByRole("button", { name: "Learn from my last 500 replies" }).click();
  await page.getByText(`On ${PAIRS} examples`).waitFor();
  await page.getByRole("img", { name: /^Loss by step; at step \d+ it is \d/ }).waitFor();
  assert.deepEqual(await seriousFindings(page), []);
  await page.getByRole("heading", { name: "Training: completed" }).waitFor({ timeout: 120_000 });
}

/** Has a held-out message drafted with the adapter and without it, and looks at the next. */
async function compare(page: Page, adapter: Locator): Promise<void> {
  await adapter.getByText("Drafts of the same messages").click();
  await adapter.getByText(/^Message 1 of \d+$/).waitFor();
  await adapter.getByRole("button", { name: "Draft it each way" }).press("Enter");
  await adapter.getByRole("button", { name: "Draft it again" }).waitFor();
  const compared = adapter.locator("table.compared");
  const names = [
    "They wrote",
    "You sent",
    "Base model",
    "What drafts without it, with examples",
    "This adapter",
  ];
  assert.deepEqual(await compared.getByRole("rowheader").allTextContents(), names);
  const texts = await compared.getByRole("cell").allTextContents();
  assert.match(texts[0] ?? "", /^are you in for plan \d+\?$/);
  assert.match(texts[1] ?? "", /^yes plan \d+ ok$/);
  assert.ok(texts.slice(2).every((text) => text !== ""));
  assert.deepEqual(await seriousFindings(page), []);
  assert.equal(await fitsWidth(page), true);
  await adapter.getByRole("button", { name: "Next message" }).press("Enter");
  await adapter.getByText(/^Message 2 of \d+$/).waitFor();
  assert.equal(await compared.getByRole("row").count(), 2);
}

/** Has so many drafts made of one message, every other one of which is accepted. */
async function judgeDrafts(owner: Client, count: number): Promise<void> {
  const sent = { body: syncBatch([syncMessage()]), schema: syncMessagesResponseSchema };
  await owner.request("POST", SERVER_PATHS.syncMessages, sent);
  const schema = messageListSchema;
  const { conversations: [conversation] } = await owner.request("GET", SERVER_PATHS.conversations, {
    schema: conversationListSchema,
  });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversation?.id ?? "" });
  const { messages: [message] } = await owner.request("GET", path, { schema });
  for (let index = 0; index < count; index++) {
    const { responseId } = await owner.request("POST", SERVER_PATHS.generateResponse, {
      body: { messageId: message?.id, context: { maxTokens: 4 } },
      schema: generatedResponseSchema,
    });
    await owner.request("POST", pathOf(SERVER_PATHS.responseAction, { id: responseId }), {
      body: { action: index % 2 === 0 ? "accept" : "reject" },
      schema: responseActionResponseSchema,
    });
  }
}

const DAY_MS = 86_400_000;

/** A conversation in which somebody asks on each of so many days, and the owner answers every other time. */
async function syncHabit(owner: Client, days: number): Promise<void> {
  const messages = Array.from({ length: days }, (_, day) => {
    const at = (minute: number) => new Date(Date.UTC(2024, 0, 1, 12, minute) + day * DAY_MS).toISOString();
    const asked = syncMessage({ senderId: JOHN, text: "Dinner?", sentAt: at(0) });
    const reply = syncMessage({ senderId: null, direction: "outgoing", text: "Yes", sentAt: at(1) });
    return day % 2 === 0 ? [asked, reply] : [asked];
  });
  const body = syncBatch(messages.flat());
  await owner.request("POST", SERVER_PATHS.syncMessages, { body, schema: z.unknown() });
}

await browserTests({
  "how far the likelihood of an answer can be trusted is drawn, and what is drafted and learned by itself is chosen":
    async (
      browser,
    ) => {
      const prepare = (owner: Client) => syncHabit(owner, 60);
      await using owned = await ownedPage(browser, { ...PHONE, isDark: true, prepare });
      const { owner, page, faults } = owned;
      await showPage(page, "Training");
      const trigger = page.getByRole("region", { name: "How far to trust who gets an answer" });
      const { trigger: calibration } = await owner.request("GET", SERVER_PATHS.accountModels, {
        schema: modelsResponseSchema,
      });
      const labels = calibration?.labels ?? 0;
      await trigger.getByText(new RegExp(`^Over ${labels} times that somebody wrote, likelihood and`))
        .waitFor();
      const figure = trigger.getByRole("img", { name: /at \d+ % likelihood, \d+ % were answered/ });
      assert.equal(await figure.locator("circle").count(), calibration?.bins.length);

      const choice = trigger.getByRole("combobox", { name: "What gets a draft by itself" });
      assert.equal(await choice.inputValue(), "1");
      await choice.selectOption("The easiest quarter");
      await choice.and(page.locator(":enabled")).waitFor();
      const learns = page.getByRole("checkbox", { name: "Also learn from what I sent in place of a draft" });
      assert.equal(await learns.isChecked(), false);
      const answered = page.waitForResponse((response) => response.request().method() === "PUT");
      await learns.press("Space");
      await answered;
      const { automaticCoverage, learnFromSent, draftCoverage } = await owner.request(
        "GET",
        SERVER_PATHS.accountSettings,
        { schema: accountSettingsSchema },
      );
      assert.deepEqual([automaticCoverage, learnFromSent, draftCoverage], [0.25, true, 1]);
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      await page.reload();
      await learns.and(page.locator(":checked")).waitFor();
      assert.equal(await choice.inputValue(), "0.25");
      assert.deepEqual(faults, []);
    },

  "how far the confidence can be trusted is drawn once enough is known, and the easier drafts are chosen":
    async (
      browser,
    ) => {
      const prepare = (owner: Client) => judgeDrafts(owner, 29);
      await using owned = await ownedPage(browser, { ...PHONE, prepare });
      const { owner, page, faults } = owned;
      await showPage(page, "Training");
      const acceptance = page.getByRole("region", { name: "How far to trust the confidence" });
      await acceptance.getByText("What happened to 29 drafts is known so far;").waitFor();
      assert.equal(await acceptance.getByRole("img").count(), 0);
      await judgeDrafts(owner, 1);
      await page.reload();
      await acceptance.getByText(/^Over 30 drafts, confidence and what you did are \d+ percentage/).waitFor();
      await acceptance.getByText(/^Of the easier half of the drafts you sent \d+ % .* of all of them 53 %\.$/)
        .waitFor();
      const { acceptance: calibration } = await owner.request("GET", SERVER_PATHS.accountModels, {
        schema: modelsResponseSchema,
      });
      const figure = acceptance.getByRole("img", { name: /at \d+ % confidence, \d+ % were sent/ });
      assert.equal(await figure.locator("circle").count(), calibration?.bins.length);

      const choice = acceptance.getByRole("combobox", { name: "Drafts that are suggested" });
      assert.equal(await choice.inputValue(), "1");
      await choice.selectOption("The easier half");
      await choice.and(page.locator(":enabled")).waitFor();
      const coverageOf = async () =>
        await owner.request("GET", SERVER_PATHS.accountSettings, { schema: accountSettingsSchema });
      assert.equal((await coverageOf()).draftCoverage, 0.5);
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      await page.reload();
      await choice.waitFor();
      assert.equal(await choice.inputValue(), "0.5");
      assert.deepEqual(faults, []);
    },

  "replies are previewed, learned from with a curve, and the adapter is promoted, tainted and gone back from":
    async (browser) => {
      const prepare = async (owner: Client) => {
        for (let index = 0; index < PAIRS; index++) {
          const asked = `are you in for plan ${index}?`;
          await syncReply(owner, { chat: `chat-${index}`, asked, reply: `yes plan ${index} ok` });
        }
      };
      await using owned = await ownedPage(browser, { ...DESKTOP, prepare });
      const { url, owner, page, faults } = owned;
      await showPage(page, "Training");
      await chooseSettings(page);
      await learn(page);

      // The curve is there again when the page is opened later.
      const curve = page.getByRole("img", { name: /^Loss by step; at step \d+ it is \d/ });
      const shown = await curve.getAttribute("aria-label");
      await page.reload();
      await page.getByRole("img", { name: shown ?? "" }).waitFor();
      await page.getByRole("figure").locator("canvas").waitFor();

      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText(/That one needed \d+\.\d\d GB of memory/).waitFor();
      const adapter = page.getByRole("listitem").filter({ hasText: "Learned from" });
      await adapter.getByText("Base model with examples").waitFor();
      await compare(page, adapter);

      const other = await openPage(browser, { url, ...PHONE });
      await signIn(other.page, owner);
      await showPage(other.page, "Training");
      const thatAdapter = other.page.getByRole("listitem").filter({ hasText: "Learned from" });
      await adapter.getByRole("button", { name: "Draft with it" }).click();
      await adapter.getByText("Drafts are made with it").waitFor();
      await thatAdapter.getByText("Drafts are made with it").waitFor();
      await page.getByRole("button", { name: "Go back to what drafted before" }).click();
      const base = page.getByRole("listitem").filter({ hasText: "The model as it came" });
      await base.getByText("Drafts are made with it").waitFor();
      await adapter.getByRole("button", { name: "Draft with it" }).press("Enter");
      await adapter.getByText("Drafts are made with it").waitFor();

      const samples = samplesOf(page);
      await samples.getByRole("combobox", { name: "Show" }).selectOption("edit");
      await samples.getByText("There are none yet.").waitFor();
      await samples.getByRole("combobox", { name: "Show" }).selectOption("import");
      await samples.getByRole("button", { name: "Delete" }).first().click();
      await samples.getByRole("button", { name: "Delete it" }).click();
      await adapter.getByText("Tainted").waitFor();
      await adapter.getByText("It learned from something that was deleted since").waitFor();
      await thatAdapter.getByText("It learned from something that was deleted since").waitFor();
      assert.deepEqual(other.faults, []);
      assert.equal(await adapter.getByRole("button", { name: "Draft with it" }).count(), 0);
      assert.deepEqual(faults, []);
    },

  "a training is cancelled, learns only what is not left out, and hostile examples are shown as texts":
    async (browser) => {
      const prepare = async (owner: Client) => {
        for (const [index, reply] of HOSTILE.slice(0, 5).entries()) {
          await syncReply(owner, { chat: `chat-${index}`, asked: reply, reply });
        }
      };
      await using owned = await ownedPage(browser, { ...DESKTOP, prepare });
      const { url, owner, page, faults } = owned;
      await showPage(page, "Training");
      const learn = page.getByRole("button", { name: "Learn from my last 500 replies" });
      await learn.click();
      await page.getByText("On 5 examples").waitFor();
      const cancel = page.getByRole("button", { name: "Cancel the training" });
      const ended = page.getByRole("heading", { name: /^Training: (completed|cancelled|failed)$/ });
      await cancel.or(ended).first().waitFor();
      // So few may be learned from before the click.
      if (await cancel.isVisible()) await cancel.click();
      await ended.waitFor();
      const samples = samplesOf(page);
      await samples.getByLabel("Leave out of the next training").first().check();
      await learn.click();
      await page.getByText("On 4 examples").waitFor();
      await ended.waitFor();
      assert.deepEqual(faults, []);
      await page.close();

      for (const look of [DESKTOP, { ...DESKTOP, isDark: true }, PHONE]) {
        const { page, faults } = await openPage(browser, { url, ...look });
        await signIn(page, owner);
        await showPage(page, "Training");
        // On a phone they are far below, and are read when they come near.
        await samplesOf(page).scrollIntoViewIfNeeded();
        await samplesOf(page).getByText(HOSTILE[0] ?? "", { exact: true }).last().waitFor();
        await page.getByText("On 4 examples").waitFor();
        assert.deepEqual(await seriousFindings(page), []);
        assert.equal(await fitsWidth(page), true);
        assert.equal(await page.title(), "Conversation Assistant");
        assert.deepEqual(faults, []);
        await page.close();
      }
    },
});
