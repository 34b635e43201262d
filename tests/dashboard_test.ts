/** Tests of the owner's page in a real browser, against a running server and ml: what a person sees and does there. */
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import { trainingSampleListSchema } from "../contract/training.ts";
import { deviceListSchema, deviceResponseSchema } from "../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { responseListSchema } from "../contract/responses.ts";
import { sessionCodeSchema } from "../contract/session.ts";
import type { Client } from "../lib/http/client.ts";
import { browserTests } from "./support/process/browser.ts";
import {
  DESKTOP,
  fitsWidth,
  HOSTILE,
  inviteToDinner,
  nameJohn,
  openPage,
  ownedPage,
  ownerOf,
  PHONE,
  send,
  seriousFindings,
  signIn,
} from "./support/server/owner_page.ts";
import { startServices } from "./support/server/running_services.ts";
import { JOHN } from "./support/server/sync_batches.ts";

const HISTORY = 320;

async function samplesOf(owner: Client): Promise<{ output: string; source: string }[]> {
  const { samples } = await owner.request("GET", SERVER_PATHS.trainingSamples, {
    schema: trainingSampleListSchema,
  });
  return samples.map(({ output, source }) => ({ output, source })).reverse();
}

/** Has a reply drafted by its key, or several by `c`, once the panel takes keys. */
async function pressDraft(page: Page, key = "d"): Promise<void> {
  await page.getByRole("button", { name: "Draft a reply" }).waitFor();
  // Its keys are heard from the frame after that on.
  await page.evaluate(`new Promise((done) => requestAnimationFrame(() => setTimeout(done)))`);
  await page.keyboard.press(key);
}

/** How far below the middle of its scrolling box an item is; 1 is the end of what is in sight. */
async function placeOf(item: Locator): Promise<number> {
  const [box, around] = [
    await item.boundingBox(),
    await item.locator("xpath=ancestor::section").boundingBox(),
  ];
  assert.ok(box !== null && around !== null);
  return (box.y + box.height / 2 - (around.y + around.height / 2)) / (around.height / 2);
}

/**
 * Loads the page again, its script deferred until session and conversations were asked for. Returns the requests for the
 * session, of which there may be more later.
 */
async function reloadHeld(page: Page): Promise<readonly string[]> {
  const sessions: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname === SERVER_PATHS.session) sessions.push(request.method());
  });
  const early = [
    page.waitForRequest(`**${SERVER_PATHS.session}`),
    page.waitForRequest("**/api/conversations?*"),
  ];
  await page.route("**/app.js", async (route) => {
    await Promise.all(early);
    await route.continue();
  });
  await page.reload();
  return sessions;
}

async function draftToRejection(page: Page): Promise<void> {
  const reply = page.getByRole("textbox", { name: "Reply" });
  // Accepted as it is, edited, rejected with a reason: by keyboard where there is a key for it.
  await pressDraft(page);
  await reply.waitFor();
  await page.getByText(/Confidence \d+ %/).waitFor();
  await reply.press("Control+Enter");
  await page.getByText("Accepted. It is a training example now; nothing was sent.").waitFor();
  await page.getByRole("button", { name: "Draft another" }).click();
  await reply.fill("Yes, at eight");
  await page.getByRole("button", { name: "Accept my edit" }).click();
  await page.getByText("Your edit is a training example now; nothing was sent.").waitFor();
  await page.getByRole("button", { name: "Draft another" }).click();
  await page.getByRole("button", { name: "Reject", exact: true }).click();
  await page.getByRole("textbox", { name: "What is wrong with it? (optional)" }).fill("Too formal");
  await page.keyboard.press("Enter");
  await page.getByText("Rejected. The model learns from that, too.").waitFor();
}

await browserTests({
  "the owner signs a browser in, reads a conversation, and has replies drafted, accepted, edited and rejected":
    async (browser) => {
      await using owned = await ownedPage(browser, { ...DESKTOP, prepare: inviteToDinner });
      const { owner, page, faults } = owned;
      const row = page.getByRole("link", { name: "John Doe" });
      await row.getByText("Dinner tonight?").waitFor();
      await row.getByRole("img", { name: "Waits for your answer" }).waitFor();
      await row.click();
      await page.getByRole("region", { name: "Messages" }).getByText("Dinner tonight?").waitFor();
      await draftToRejection(page);
      const samples = await samplesOf(owner);
      assert.deepEqual(samples.map(({ source }) => source), ["accept", "edit", "reject"]);
      assert.equal(samples[1]?.output, "Yes, at eight");

      // A draft that waits is there again when the page is reloaded, without signing in again.
      await page.getByRole("button", { name: "Draft another" }).click();
      const text = await page.getByRole("textbox", { name: "Reply" }).inputValue();
      await page.reload();
      await page.getByRole("textbox", { name: "Reply" }).waitFor();
      assert.equal(await page.getByRole("textbox", { name: "Reply" }).inputValue(), text);
      assert.deepEqual(faults, []);

      // A browser whose access is revoked says so.
      const { devices } = await owner.request("GET", SERVER_PATHS.devices, { schema: deviceListSchema });
      const id = devices.find(({ platform }) => platform === "web")?.id ?? "";
      await owner.request("POST", pathOf(SERVER_PATHS.deactivateDevice, { id }), {
        body: {},
        schema: deviceResponseSchema,
      });
      await page.getByText("This browser is not signed in any more").waitFor();
    },

  "a draft shows what it may have made up and how it came to be, and is edited and accepted by keys": async (
    browser,
  ) => {
    await using owned = await ownedPage(browser, { ...PHONE, prepare: inviteToDinner });
    const { owner, page, faults } = owned;
    // What the tiny model writes is by chance: known words are put into the server's answer.
    const text = "At 19:30 with Anna </mark><b>, 19:30 sharp";
    await page.route("**/api/responses?*", async (route) => {
      const response = await route.fetch();
      const list = await response.json();
      for (const draft of list.responses) {
        Object.assign(draft, { response: text, unsupported: ["19:30", "Anna"] });
      }
      await route.fulfill({ response, json: list });
    });
    await page.getByRole("link", { name: "John Doe" }).click();
    await pressDraft(page);
    const reply = page.getByRole("textbox", { name: "Reply" });
    await reply.waitFor();
    await page.reload();
    await page.getByText("nothing that the model saw says this: “19:30”, “Anna”").waitFor();
    assert.deepEqual(await page.locator(".marked mark").allTextContents(), ["19:30", "Anna", "19:30"]);
    assert.deepEqual(await reply.boundingBox(), await page.locator(".marked > div").boundingBox());
    await page.getByText(/^Confidence \d+ %$/).click();
    await page.getByText("Written by the base model: ").waitFor();
    await page.getByText("No earlier reply of yours was shown to the model").waitFor();
    await page.getByText(/^Wrote in [\d.]+ s, [\d.]+ tokens a second$/).waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    assert.equal(await fitsWidth(page), true);
    // Rejecting is left, then the text edited and accepted: no key of a text does anything else.
    await page.keyboard.press("r");
    await page.getByRole("textbox", { name: "What is wrong with it?" }).press("Escape");
    await page.keyboard.press("e");
    await reply.and(page.locator(":focus")).waitFor();
    await reply.fill("");
    await page.keyboard.type("a dad");
    await page.keyboard.press("Escape");
    await page.keyboard.press("a");
    await page.getByText("Your edit is a training example now; nothing was sent.").waitFor();
    assert.deepEqual((await samplesOf(owner)).map(({ output }) => output), ["a dad"]);
    assert.deepEqual(faults, []);
  },

  "one of several drafts is chosen by its number or the mouse, keeps what was written into it, and is accepted":
    async (browser) => {
      await using owned = await ownedPage(browser, { ...PHONE, prepare: inviteToDinner });
      const { owner, page, faults } = owned;
      await page.getByRole("link", { name: "John Doe" }).click();
      await pressDraft(page, "c");
      const reply = page.getByRole("textbox", { name: "Reply" });
      const choices = page.getByRole("radio");
      await reply.waitFor();
      // What the tiny model writes is by chance: of three that are nearly the same, one would be left.
      while (await choices.count() < 2) {
        await page.getByRole("button", { name: "Draft 3 to choose from" }).click();
        await reply.waitFor();
      }
      assert.equal(await choices.first().isChecked(), true);
      await page.getByText(/1 to [23] choose a draft\.$/).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      assert.equal(await fitsWidth(page), true);
      const first = await reply.inputValue();
      await reply.fill("Yes, at eight");
      await reply.press("Escape");
      await page.keyboard.press("2");
      assert.equal(await choices.nth(1).isChecked(), true);
      const second = await reply.inputValue();
      assert.ok(second !== first && second !== "Yes, at eight");
      await choices.first().click();
      assert.equal(await reply.inputValue(), "Yes, at eight");
      // The focus is in the choice now, where the keys are heard as well.
      await page.keyboard.press("2");
      await page.keyboard.press("a");
      await page.getByText("Accepted. It is a training example now; nothing was sent.").waitFor();
      const { responses } = await owner.request("GET", SERVER_PATHS.responses, {
        schema: responseListSchema,
      });
      const accepted = responses.find(({ action }) => action === "accept");
      assert.equal(accepted?.chosenCandidate, 2);
      assert.equal(accepted?.response, accepted?.candidates?.[1]?.text);
      assert.deepEqual(faults, []);
    },

  "a draft grows on the page while it is written": async (browser) => {
    await using owned = await ownedPage(browser, { ...DESKTOP, prepare: inviteToDinner });
    const { page, faults } = owned;
    await page.getByRole("link", { name: "John Doe" }).click();
    await page.getByRole("region", { name: "Messages" }).getByText("Dinner tonight?").waitFor();
    await page.evaluate(`window.seen = []; new MutationObserver(() => {
      const growing = document.querySelector(".growing");
      if (growing !== null) window.seen.push(growing.textContent);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });`);
    await pressDraft(page);
    const reply = page.getByRole("textbox", { name: "Reply" });
    await reply.waitFor();
    const whole = await reply.inputValue();
    const seen = await page.evaluate(`window.seen`) as string[];
    assert.ok(seen.length > 0, "pieces of it were shown");
    // The tiny model writes control characters too, which neither the server nor a text box keeps.
    const lettersOf = (text: string) => text.replace(/[^\p{L}\p{N}]/gu, "");
    for (const text of seen.map(lettersOf)) {
      // One that its limit ended has lost the sentence that it broke off in.
      const isBegin = lettersOf(whole).startsWith(text) || text.startsWith(lettersOf(whole));
      assert.ok(isBegin, `${text} begins ${whole}`);
    }
    assert.deepEqual(faults, []);
  },

  "messages are found by their words, and what was found opens its conversation": async (browser) => {
    const prepare = async (owner: Client) => {
      await nameJohn(owner, "John Doe");
      await send(owner, ["Fahren wir nach München?", `${HOSTILE[0]} dinner`], `any;-;${JOHN}`);
      await send(owner, ["Nothing of it here"], "any;-;other");
    };
    await using owned = await ownedPage(browser, { ...PHONE, prepare });
    const { page, faults } = owned;
    const box = page.getByRole("searchbox", { name: "Search all messages" });
    await box.fill("münch");
    await box.press("Enter");
    const found = page.getByRole("list", { name: "Messages found" }).getByRole("link");
    await found.getByText("Fahren wir nach München?").waitFor();
    assert.equal(await found.count(), 1);
    assert.equal(await found.locator("mark").textContent(), "Münch");
    assert.deepEqual(await seriousFindings(page), []);
    await box.fill("<script> dinner");
    await box.press("Enter");
    await found.getByText("dinner").waitFor();
    await box.fill("zebra");
    await box.press("Enter");
    await page.getByText("No message has all of these words.").waitFor();
    const newest = page.getByText("messages were looked through.");
    assert.equal(await newest.count(), 0);
    // So many messages take minutes to store: what the server says of them is put into its answer.
    await page.route("**/api/search?*", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...await response.json(), searchedNewest: 100_000 } });
    });
    await box.fill("zebras");
    await box.press("Enter");
    await page.getByText("Only the newest 100,000 messages were looked through.").waitFor();
    await page.unroute("**/api/search?*");
    await box.fill("");
    await page.getByRole("link", { name: "John Doe" }).first().waitFor();
    await box.fill("münchen");
    await page.getByRole("button", { name: "Search" }).click();
    await found.click();
    await page.getByRole("region", { name: "Messages" }).getByText("Fahren wir nach München?").waitFor();
    assert.deepEqual(faults, []);
  },

  "a found message is shown in the middle of its conversation, with history in both directions, and back":
    async (browser) => {
      const prepare = async (owner: Client) => {
        await nameJohn(owner, "John Doe");
        const lines = Array.from(
          { length: HISTORY },
          (_, index) => index === 160 ? "zebra" : `line ${index}.`,
        );
        await send(owner, lines, `any;-;${JOHN}`);
      };
      await using owned = await ownedPage(browser, { ...PHONE, prepare });
      const { page, faults } = owned;
      const box = page.getByRole("searchbox", { name: "Search all messages" });
      await box.fill("zebra");
      await box.press("Enter");
      const hit = page.getByRole("list", { name: "Messages found" }).getByRole("link");
      await hit.press("Enter");
      const history = page.getByRole("region", { name: "Messages" });
      const found = history.getByRole("listitem").filter({ hasText: "zebra" });
      await found.waitFor();
      assert.equal(await found.getAttribute("aria-current"), "true");
      await found.and(page.locator(":focus")).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      for (const text of ["line 140.", "line 180."]) {
        await history.getByText(text, { exact: true }).waitFor();
      }
      assert.ok(Math.abs(await placeOf(found)) < 0.1, "it is in the middle");
      await page.getByRole("link", { name: "Go to the newest messages" }).waitFor();
      // What comes in below it moves nothing.
      const last = history.getByText("line 184.", { exact: true });
      await history.press("End");
      await history.getByText("line 200.", { exact: true }).waitFor({ state: "attached" });
      const place = await placeOf(last);
      assert.ok(place > 0 && place < 1, `what was the end is where it was: ${place}`);
      // Down to the newest, whose answer can be drafted, then up to the beginning.
      const newest = history.getByText(`line ${HISTORY - 1}.`, { exact: true });
      while (!await newest.isVisible()) await history.press("End");
      await page.getByRole("button", { name: "Draft a reply" }).waitFor();
      const start = page.getByText("This is where the conversation begins");
      while (!await start.isVisible()) await history.press("Home");
      await history.press("Home");
      await history.getByText("line 0.", { exact: true }).waitFor();
      await page.goBack();
      await hit.waitFor();
      await hit.and(page.locator(":focus")).waitFor();
      assert.deepEqual(faults, []);
    },

  "the menubar's link signs a browser in once, by a session that no script can read, until it signs out":
    async (
      browser,
    ) => {
      await using services = await startServices();
      const { url } = services.server;
      const owner = await ownerOf(url);
      await send(owner, ["Hello"], "chat");
      const { code } = await owner.request("POST", SERVER_PATHS.sessionCodes, {
        body: {},
        schema: sessionCodeSchema,
      });
      const link = `${url}/#code=${code}`;
      const { page, faults } = await openPage(browser, { url, ...DESKTOP }, link);
      await page.getByRole("navigation", { name: "Conversations" }).waitFor();
      assert.equal(page.url(), `${url}/`);
      assert.deepEqual(await page.evaluate("[document.cookie, localStorage.length]"), ["", 0]);
      const sessions = await reloadHeld(page);
      await page.getByRole("navigation", { name: "Conversations" }).getByRole("link").waitFor();
      assert.equal(sessions.length, 1, "what was asked early is not asked again");

      const { page: second } = await openPage(browser, { url, ...DESKTOP }, link);
      await second.getByRole("button", { name: "Sign in this browser" }).waitFor();

      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("button", { name: "Sign in this browser" }).waitFor();
      await page.reload();
      await page.getByRole("button", { name: "Sign in this browser" }).waitFor();
      assert.deepEqual(faults, []);
    },

  "the page shows hostile texts as texts and long histories in parts, and axe-core finds nothing serious":
    async (browser) => {
      await using services = await startServices();
      const { url } = services.server;
      const owner = await ownerOf(url);
      await nameJohn(owner, HOSTILE[1] ?? "");
      await send(owner, HOSTILE, `any;-;${JOHN}`);
      await send(owner, Array.from({ length: HISTORY }, (_, index) => `line ${index}`), "history");
      for (const look of [DESKTOP, { ...DESKTOP, isDark: true }, PHONE]) {
        const { page, faults } = await openPage(browser, { url, ...look });
        assert.deepEqual(await seriousFindings(page), [], "signing in");
        await signIn(page, owner);
        assert.deepEqual(await seriousFindings(page), [], "the list");
        await page.getByRole("link", { name: /www/ }).click();
        const messages = page.getByRole("region", { name: "Messages" });
        for (const text of HOSTILE) await messages.getByText(text, { exact: true }).waitFor();
        assert.deepEqual(await seriousFindings(page), [], "a conversation");
        assert.equal(await page.title(), "Conversation Assistant");
        assert.equal(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
        assert.deepEqual(faults, []);
        await page.close();
      }

      const { page, faults } = await openPage(browser, { url, ...DESKTOP });
      await signIn(page, owner);
      await page.getByRole("link", { name: `line ${HISTORY - 1}` }).click();
      const history = page.getByRole("region", { name: "Messages" });
      await history.getByText(`line ${HISTORY - 1}`, { exact: true }).waitFor();
      // By keyboard: each time the beginning of what was read so far, until it is that of the conversation.
      while (!await page.getByText("This is where the conversation begins").isVisible()) {
        await history.press("Home");
      }
      await history.press("Home");
      await history.getByText("line 0", { exact: true }).waitFor();
      // Only what is near the screen is drawn.
      await history.getByText(`line ${HISTORY - 1}`, { exact: true }).waitFor({ state: "detached" });
      assert.deepEqual(faults, []);
    },
});
