/**
 * Writes pictures of the owner's pages, light, dark and at the width of a phone, as Chromium draws them: of the invented people of
 * the demo with a model of one's own, and of a training of the tiny model.
 *
 * `deno run -A tools/page_images.ts FOLDER MODEL.gguf`
 */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { z } from "zod";
import { deviceResponseSchema } from "../contract/devices.ts";
import { SERVER_PATHS } from "../contract/paths.ts";
import type { Client } from "../lib/http/client.ts";
import { buildSampleMac, inventedContent } from "../demo/sample_mac.ts";
import { pairAgent, spawnAgent } from "../tests/support/mac/agent_process.ts";
import { TestBrowser } from "../tests/support/process/browser.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import {
  chooseSettings,
  DESKTOP,
  openPage,
  ownerOf,
  PHONE,
  showPage,
  signIn,
} from "../tests/support/server/owner_page.ts";
import { startMl, startServer, startServices } from "../tests/support/server/running_services.ts";
import { JOHN, syncBatch, syncMessage } from "../tests/support/server/sync_batches.ts";

const LOOKS = { "": DESKTOP, _dark: { ...DESKTOP, isDark: true }, _phone: PHONE };
/** Of so many replies, enough are held out for the adapter to be offered. */
const PAIRS = 130;
const DAY_MS = 86_400_000;

/** Brings a page into the state of a picture. */
type Scene = (page: Page, owner: Client) => Promise<void>;

const OWN_SCENES: Readonly<Record<string, Scene>> = {
  sign_in: async (page) => {
    await page.getByText("Restore a backup instead").click();
  },
  page: async (page, owner) => {
    await signIn(page, owner);
    await page.getByRole("link", { name: /Maya/ }).click();
    const several = page.getByRole("button", { name: /to choose from/ });
    // What was drafted for the picture before is still there.
    const reply = page.getByRole("textbox", { name: "Reply" });
    await several.or(reply).first().waitFor();
    if (await several.isVisible()) await several.click();
    await reply.waitFor();
  },
  devices: (page) => showPage(page, "Devices"),
  privacy: async (page) => {
    await showPage(page, "Privacy");
    await page.getByRole("button", { name: "Delete", exact: true }).first().waitFor();
  },
  health: async (page) => {
    await showPage(page, "Health");
    await page.getByText(/^Nothing is missing/).waitFor();
  },
  welcome: async (page) => {
    await page.goto(`${page.url().split("#")[0]}#/welcome`);
    await page.getByText("no row waits on the Mac").waitFor();
  },
};

const TRAINING_SCENES: Readonly<Record<string, Scene>> = {
  training: async (page, owner) => {
    await signIn(page, owner);
    await showPage(page, "Training");
    await page.getByRole("heading", { name: "Training: completed" }).waitFor();
    await page.locator(".curve canvas").waitFor();
  },
  adapters: async (page) => {
    await page.getByRole("region", { name: "What can draft" }).evaluate((box) => box.scrollIntoView());
  },
  calibration: async (page) => {
    const box = page.getByRole("region", { name: "How far to trust who gets an answer" });
    await box.evaluate((box) => box.scrollIntoView());
  },
};

async function takeAll(
  { browser, url, owner, folder }: { browser: TestBrowser; url: string; owner: Client; folder: string },
  scenes: Readonly<Record<string, Scene>>,
): Promise<void> {
  for (const [suffix, look] of Object.entries(LOOKS)) {
    const { page } = await openPage(browser, { url, ...look });
    page.setDefaultTimeout(300_000);
    for (const [name, scene] of Object.entries(scenes)) {
      await scene(page, owner);
      // The keys that led here leave a ring.
      await page.evaluate("document.activeElement?.blur()");
      await page.screenshot({ path: join(folder, `${name}${suffix}.png`), scale: "css" });
    }
    await page.close();
  }
}

/** The invented people's Mac, paired and kept in step by an agent, and a model that drafts. */
async function takeOwn(browser: TestBrowser, folder: string, model: string): Promise<void> {
  await inTempDir(async (dir) => {
    await using ml = await startMl({ dir, model, env: {} });
    await using running = await startServer({ dir, mlUrl: ml.url });
    const { url } = running.server;
    const owner = await ownerOf(url);
    const { chatDbPath, addressBookPath } = buildSampleMac(dir, inventedContent(new Date()));
    const env = {
      AGENT_SERVER_URL: url,
      AGENT_DATA_DIR: join(dir, "agent"),
      AGENT_CHAT_DB: chatDbPath,
      AGENT_ADDRESS_BOOK: addressBookPath,
    };
    const approve = async (code: string) => {
      await owner.request("POST", SERVER_PATHS.linkDevice, { body: { code }, schema: deviceResponseSchema });
    };
    await pairAgent(approve, { env });
    const agent = spawnAgent(["run"], { env });
    try {
      await takeAll({ browser, url, owner, folder }, OWN_SCENES);
    } finally {
      agent.kill();
      await agent.output();
    }
  });
}

async function sendReplies(owner: Client): Promise<void> {
  for (let index = 0; index < PAIRS; index++) {
    const at = (minute: number) => new Date(Date.UTC(2024, 0, 1, 12, minute) + index * DAY_MS).toISOString();
    const asked = syncMessage({ senderId: JOHN, text: `are you in for plan ${index}?`, sentAt: at(0) });
    const reply = syncMessage({
      senderId: null,
      direction: "outgoing",
      text: `yes plan ${index} ok`,
      sentAt: at(1),
    });
    const body = syncBatch([asked, reply], { conversationImessageId: `chat-${index}` });
    await owner.request("POST", SERVER_PATHS.syncMessages, { body, schema: z.unknown() });
  }
}

/** A conversation of two months in which questions are answered, and most of what asks nothing is not. */
async function sendHabit(owner: Client): Promise<void> {
  const messages = Array.from({ length: 60 }, (_, day) => {
    const at = (minute: number) => new Date(Date.UTC(2024, 3, 1, 12, minute) + day * DAY_MS).toISOString();
    const isQuestion = day % 2 === 0;
    const text = isQuestion ? `Shall we cook on day ${day}?` : "ok thanks";
    const heard = syncMessage({ senderId: JOHN, text, sentAt: at(0) });
    const reply = syncMessage({ senderId: null, direction: "outgoing", text: "Yes", sentAt: at(5) });
    return isQuestion || day % 7 === 0 ? [heard, reply] : [heard];
  });
  await owner.request("POST", SERVER_PATHS.syncMessages, {
    body: syncBatch(messages.flat(), { conversationImessageId: "habit" }),
    schema: z.unknown(),
  });
}

/** Learns from many replies until the adapter is there. */
async function takeTraining(browser: TestBrowser, folder: string): Promise<void> {
  await using services = await startServices();
  const { url } = services.server;
  const owner = await ownerOf(url);
  await sendReplies(owner);
  await sendHabit(owner);
  const { page } = await openPage(browser, { url, ...DESKTOP });
  page.setDefaultTimeout(300_000);
  await signIn(page, owner);
  await showPage(page, "Training");
  await chooseSettings(page);
  await page.getByRole("button", { name: "Learn from my last 500 replies" }).click();
  await page.getByRole("heading", { name: "Training: completed" }).waitFor();
  await page.close();
  await takeAll({ browser, url, owner, folder }, TRAINING_SCENES);
}

if (import.meta.main) {
  const [folder = ".", model] = Deno.args;
  await using browser = await TestBrowser.start();
  if (model !== undefined) await takeOwn(browser, folder, model);
  await takeTraining(browser, folder);
}
