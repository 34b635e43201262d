/** The owner's page in a test: opened in a real browser, signed in, and looked through by axe-core. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { deviceResponseSchema } from "../../../contract/devices.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { syncContactsResponseSchema, syncMessagesResponseSchema } from "../../../contract/sync.ts";
import { type Client, createClient } from "../../../lib/http/client.ts";
import type { TestBrowser } from "../process/browser.ts";
import { pairDevice } from "./owner_client.ts";
import { type RunningServices, startServices } from "./running_services.ts";
import { JOHN, type MessageInput, syncBatch, syncMessage } from "./sync_batches.ts";

/** Of a window on a desktop, and of a phone. */
export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };
/** Texts that a careless page would run, break at, or lay out wrongly. */
export const HOSTILE = [
  `<script>document.title = "owned"</script>`,
  `"'><img src=x onerror="document.title='owned'">&lt;b&gt;`,
  `</textarea></p><h1>x`,
  "נפגשים הערב בשמונה? \u202Eevil",
  "👩‍👧‍👦🎉🏳️‍🌈",
  "w".repeat(50_000),
];

/** A device of the owner, which stands for the agent: it sends messages and approves the browser. */
export async function ownerOf(serverUrl: string): Promise<Client> {
  const token = await pairDevice(serverUrl);
  return createClient({ baseUrl: serverUrl, token: () => token });
}

/** Sends messages of one conversation, a minute between them. */
export async function send(owner: Client, texts: readonly string[], chat: string): Promise<void> {
  const messages: MessageInput[] = texts.map((text, minute) =>
    syncMessage({ text, sentAt: new Date(Date.UTC(2024, 0, 1, 12, minute)).toISOString() })
  );
  const change = { conversationImessageId: chat, conversationDisplayName: null };
  await owner.request("POST", SERVER_PATHS.syncMessages, {
    body: syncBatch(messages, change),
    schema: syncMessagesResponseSchema,
  });
}

/** Gives the person who writes a name. */
export async function nameJohn(owner: Client, displayName: string): Promise<void> {
  const contact = { appleId: null, phoneNumber: JOHN, email: null, displayName, avatarHash: null };
  const body = { contacts: [contact] };
  await owner.request("POST", SERVER_PATHS.syncContacts, { body, schema: syncContactsResponseSchema });
}

/** Opens the page and notes what it should never do: dialogs, errors, and requests to elsewhere. */
export async function openPage(
  browser: TestBrowser,
  { url, ...look }: { url: string; width: number; height: number; isDark?: boolean },
  address = url,
): Promise<{ page: Page; faults: string[] }> {
  const page = await browser.page(look);
  const faults: string[] = [];
  page.on("dialog", (dialog) => void faults.push(dialog.message()));
  page.on("crash", () => void faults.push("crashed"));
  page.on("pageerror", (error) => void faults.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) faults.push(request.url());
  });
  await page.goto(address);
  return { page, faults };
}

/** Signs the browser in: the owner approves the code that it shows. */
export async function signIn(page: Page, owner: Client): Promise<void> {
  await page.getByRole("button", { name: "Sign in this browser" }).click();
  const code = await page.getByLabel("Code of this browser").textContent();
  await owner.request("POST", SERVER_PATHS.linkDevice, { body: { code }, schema: deviceResponseSchema });
  await page.getByRole("navigation", { name: "Conversations" }).waitFor();
}

/** A page of a signed-in browser, its owner's agent, and the services behind them. */
export interface OwnedPage extends AsyncDisposable {
  readonly services: RunningServices;
  readonly url: string;
  readonly owner: Client;
  readonly page: Page;
  readonly faults: readonly string[];
}

/**
 * Starts the services, has the owner send what the test needs, and signs a browser in.
 *
 * @param options `prepare` runs before the page is opened
 */
export async function ownedPage(
  browser: TestBrowser,
  { prepare, ...look }: {
    width: number;
    height: number;
    isDark?: boolean;
    prepare?: (owner: Client) => Promise<unknown>;
  },
): Promise<OwnedPage> {
  await using stack = new AsyncDisposableStack();
  const services = stack.use(await startServices());
  const { url } = services.server;
  const owner = await ownerOf(url);
  await prepare?.(owner);
  const { page, faults } = await openPage(browser, { url, ...look });
  await signIn(page, owner);
  const owned = stack.move();
  return { services, url, owner, page, faults, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Sends one message of John, by his name. */
export async function inviteToDinner(owner: Client): Promise<void> {
  await nameJohn(owner, "John Doe");
  await send(owner, ["Dinner tonight?"], `any;-;${JOHN}`);
}

/** Opens one of the pages behind the navigation, by keyboard. */
export async function showPage(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).press("Enter");
  await page.getByRole("heading", { name, exact: true, level: 1 }).waitFor();
}

/** Settings with which the tiny model learns short replies in seconds, on the page of training. */
export async function chooseSettings(page: Page): Promise<void> {
  await page.getByText("Settings").click();
  await page.getByLabel("Passes over the examples").fill("4");
  await page.getByLabel("Learning rate").fill("0.02");
}

/** What axe-core finds serious on the page as it is. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ": " + html.slice(0, 200))))`);
  return found as string[];
}

/** Whether nothing of the page is wider than the window, so that it scrolls down only. */
export async function fitsWidth(page: Page): Promise<boolean> {
  return await page.evaluate(
    `[document.documentElement, document.querySelector("main")].every((box) => box.scrollWidth <= box.clientWidth)`,
  );
}
